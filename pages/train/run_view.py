"""The Train page once a run is chosen: its life as it happens, or how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from core.runs.status import LIVE, RunStatus
from core.specs import Experiment
from pages.ui.kit import clicks, components
from pages.ui.plan import another_like, experiment_plan
from pages.ui.runs import (
    coach_panel,
    learning_curves,
    queue_panel,
    reproduce,
    run_controls,
    run_panel,
    series_panel,
    take_model,
)
from pages.ui.session import address, caches, choices
from pages.ui.text.i18n import _

if TYPE_CHECKING:
    from core.runs.store import Run

_NEW_SETUP = "bl.train.new"


def watched() -> Run | None:
    """Returns the run to watch: the address's, or the session's while it is alive or paused; ``None`` to set one up.

    An address that names data, but no run, is that of a training being set up.
    """
    if _discarded():
        choices.choose_run(None)
        components.note(_("The run was discarded, as you asked."))
        return None
    if address.read("run"):
        return choices.run()
    if st.session_state.get(_NEW_SETUP) or address.read("data"):
        return None
    try:
        run = choices.run()
        return run if run is not None and run.state in (*LIVE, "paused") else None
    except InputError:
        choices.choose_run(None)
        return None


def _discarded() -> bool:
    """Whether the run that was watched is gone because this person asked for it."""
    gone = run_controls.discarded()
    if gone is None or choices.run_id() != gone:
        return False
    from core.runs.store import RunStore

    try:
        RunStore().get(gone)
    except InputError:
        run_controls.forget_discarded()
        return True
    return False


def show(run: Run) -> None:
    """Draws a run: live while it is, else how it ended."""
    status = run.status()
    address.write(run=run.id)
    if status.state in LIVE:
        if status.state == "queued":
            queue_panel.panel(run, key="bl-train-queue")
        series_panel.beside(run)
        run_panel.monitor(run, key="bl-train-live", full=True)
        components.note(
            _("This page only looks on: close it, reload it or open it elsewhere, and the training goes on.")
        )
        if clicks.button(_("Set up another training"), icon=":material/add:", key="bl-another"):
            _new()
        return
    _result(run, status)


def _result(run: Run, status: RunStatus) -> None:
    run_panel.title(run, status)
    run_panel.ended(run, status)
    _ways_on(run, status)
    series_panel.beside(run)
    if len(caches.journal(run).epochs):
        components.metrics(run_panel.result_figures(run, status))
        experiment_plan.proof(status)
        coach_panel.first_line(run, status)
        learning_curves.pair(run, status, key="bl-train-done", marks=run_panel.marks(run, status))
        run_panel.sections(run, status, key="bl-train-done")
    if run.has_weights:
        take_model.draw(run)
    reproduce.draw(run)
    if status.state in ("failed", "interrupted"):
        with st.expander(_("The end of its log"), icon=":material/article:", key="bl-log"):
            st.code(run.log(4000) or "–", language=None)
    if run.has_weights:
        components.next_step("evaluate", _("Judge it"), text=_("How good is it, and where not?"), run=run.id)


def _ways_on(run: Run, status: RunStatus) -> None:
    """Draws what can be done with a run that has ended: go on with it, train it again, set up another."""
    with st.container(horizontal=True, key="bl-after"):
        if run.can_resume and clicks.button(
            _("Resume"),
            type="primary",
            icon=":material/resume:",
            key="bl-resume",
            help=_("Goes on from the last state that was written, bit by bit as if it had never been interrupted."),
        ):
            resume(run)
        if status.state != "finished" and clicks.button(
            _("Train this again"), icon=":material/replay:", key="bl-again"
        ):
            launch(run.experiment, status.estimate_seconds)
        another_like.button(run)
        if clicks.button(_("Set up another training"), icon=":material/add:", key="bl-another"):
            _new()


def _new() -> None:
    st.session_state[_NEW_SETUP] = True
    choices.choose_run(None)
    st.rerun()


def launch(experiment: Experiment, seconds: float | None) -> None:
    """Starts a run and shows it.

    Args:
        experiment: What to do.
        seconds: How long it is expected to take; ``None`` where that is not known.
    """
    from core.runs.launch import start

    run = start(experiment, roots=caches.roots(), owner=queue_panel.owner(), estimate_seconds=seconds)
    st.session_state[_NEW_SETUP] = False
    choices.choose_run(run.id)
    st.rerun()


def resume(run: Run) -> None:
    """Goes on with a run, and shows it.

    Raises:
        InputError: It cannot go on, or no process can be started.
    """
    from core.runs import launch as launching

    launching.resume(run, roots=caches.roots())
    choices.choose_run(run.id)
    st.rerun()
