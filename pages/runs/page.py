"""Runs: which was better, and why? A table of all runs, and what can be done with one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import streamlit as st

from core.runs.status import LIVE, RunStatus
from core.runs.store import RunStore
from pages.runs import table, taking_in, together
from pages.ui.kit import clicks, components, nav, one_shot_button
from pages.ui.kit.page_states import broken, empty
from pages.ui.plan import another_like, settings_table
from pages.ui.runs import queue_panel, report_panel, reproduce, run_panel, series_panel, take_model
from pages.ui.session import caches, choices, run_list
from pages.ui.text.i18n import _, _n, translate_error

if TYPE_CHECKING:
    from core.runs.store import Run

_NEW_NAME, _SURE = "bl-new-name", "bl-run-sure"


def render() -> None:
    """Draws the page."""
    components.header("runs")
    entries = caches.entries()
    everything = [entry.run for entry in entries]
    if not everything:
        empty(
            _("No runs yet"),
            _("Every training is kept here with its settings, its curve and its best weights."),
            action=_("Start with images"),
            target="data",
            icon="history",
        )
        taking_in.draw()
        return
    one_shot_button.refusal()
    queue_panel.panel(key="bl-runs-queue")
    listed = run_list.entries()
    runs = [entry.run for entry in listed]
    helpers = [run for run in everything if run not in set(runs)]
    if runs:
        alive = any(entry.status.state in LIVE for entry in listed)
        st.fragment(table.draw, run_every=2.0 if alive else None)(alive)
    chosen = next((run for run in everything if run.id == choices.run_id()), (runs or helpers)[0])
    _one(chosen, everything, sorted({tag for entry in entries for tag in entry.notes.tags}))
    _helpers(helpers)
    taking_in.draw()


def _one(run: Run, runs: list[Run], tags: list[str]) -> None:
    """Draws the chosen run: its series, its figures, what can be done with it, and what was set."""
    status, (spec, fault) = run.status(), table.experiment(run)
    choices.choose_run(run.id)
    series_panel.draw(run, runs)
    ended = status.state not in LIVE
    with st.container(border=True, key="bl-one-run"):
        run_panel.title(run, status)
        if fault is not None and not status.faults:
            broken(_("This run cannot be read"), translate_error(fault), icon="report", tone="warn")
        if ended:
            run_panel.ended(run, status)
            components.metrics(run_panel.result_figures(run, status), compact=True)
        _ways(run, status)
        _actions(run, status, tags)
        if spec is not None:
            with st.expander(_("What was set"), icon=":material/tune:", key="bl-set"):
                settings_table.draw(spec)
            if ended and run.has_weights:
                take_model.draw(run)
            if ended:
                report_panel.draw(run)
            reproduce.draw(run)
    if ended and run.has_weights:
        components.next_step("evaluate", _("Judge it"), run=run.id)


def _ways(run: Run, status: RunStatus) -> None:
    """Draws the ways on from a run."""
    if status.state in LIVE:
        nav.link("train", _("Watch it"), run=run.id)
        return
    with st.container(horizontal=True, key="bl-ways"):
        if run.has_weights:
            nav.link("evaluate", _("How good, and where not"), run=run.id)
            nav.link("try_it", _("On new pictures"), run=run.id)
            nav.link("heatmaps", _("Where it looks"), run=run.id)
            nav.link("feature_maps", _("What each layer sees"), run=run.id)
        label = _("Go on with it, or train it again") if run.can_resume else _("Train it again")
        nav.link("train", label, icon=":material/resume:" if run.can_resume else ":material/replay:", run=run.id)


def _actions(run: Run, status: RunStatus, tags: list[str]) -> None:
    with st.container(horizontal=True, key="bl-acts"):
        another_like.button(run)
        together.beside(run, tags)
        if clicks.button(_("Rename"), icon=":material/edit:", key="bl-rename"):
            _rename(run, status)
        components.download(
            _("Download"),
            components.on_disk(lambda file: taking_in.pack(run, file)),
            f"{run.id}.zip",
            "bl-download-run",
            help=_(
                "The whole run: settings, curves, weights, predictions, log. “A run from elsewhere” takes it in again, "
                "here or on another machine."
            ),
        )
        alive = status.state in LIVE
        if clicks.button(
            _("Delete"),
            icon=":material/delete:",
            key="bl-delete",
            disabled=alive,
            help=_("Stop it first.") if alive else None,
        ):
            _delete(run, status)
    if run.can_resume and run.has_state and not run.packs_state:
        components.note(
            _(
                "It was begun by an earlier version and can go on here only: “Download” packs its weights, but not the "
                "state that its training goes on from."
            )
        )


def _rename(run: Run, status: RunStatus) -> None:
    @st.dialog(_("Rename this run"))
    def ask() -> None:
        st.text_input(_("Name"), value=run.name, max_chars=120, key=_NEW_NAME)
        sure = _sure(status)
        if _done(_("Rename"), "bl-rename-now", lambda: run.rename(st.session_state[_NEW_NAME] or ""), sure=sure):
            st.rerun()

    ask()


def _delete(run: Run, status: RunStatus) -> None:
    @st.dialog(_("Delete this run?"))
    def ask() -> None:
        st.markdown(
            _("**{name}** with its weights, curves and predictions is removed for good.").format(
                name=components.plain(run.name)
            )
        )
        sure = _sure(status)
        with st.container(horizontal=True):
            gone = _done(_("Delete for good"), "bl-delete-now", lambda: _remove(run), sure=sure)
            if clicks.button(_("Keep it"), key="bl-delete-not") or gone:
                st.rerun()

    ask()


def _sure(status: RunStatus) -> bool:
    """Says whose a run is that this person did not start, and asks again; returns whether the person goes on."""
    whose = queue_panel.whose(status)
    if not whose:
        return True
    st.warning(whose, icon=":material/group:")
    return st.checkbox(_("Go on all the same"), key=_SURE)


def _done(label: str, key: str, act: Callable[[], None], *, sure: bool) -> bool:
    return st.button(label, type="primary", key=key, disabled=not sure, on_click=lambda: one_shot_button.attempt(act))


def _remove(run: Run) -> None:
    RunStore().delete(run)
    choices.choose_run(None)


def _helpers(helpers: list[Run]) -> None:
    """Draws the runs that the shortcut lab started, out of the way."""
    if not helpers:
        return
    title = _n("{n} run of the shortcut lab", "{n} runs of the shortcut lab", len(helpers)).format(n=len(helpers))
    with st.expander(title, icon=":material/call_split:", key="bl-lab-runs"):
        labels = run_list.labels(helpers)
        for run in helpers:
            nav.link("runs", components.plain(labels[run.id]), icon=":material/science:", run=run.id)
