"""The shortcut lab: plant a mark on one class, train, see what the network really learned, take the mark away."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError, RunMissing
from core.runs.status import LIVE
from pages.shortcut import result, setup
from pages.ui.kit import clicks, components, nav
from pages.ui.kit.page_states import broken, guarded
from pages.ui.runs import queue_panel, run_panel
from pages.ui.selection import subjects
from pages.ui.session import caches, choices
from pages.ui.session.address import Bound
from pages.ui.text.i18n import N_, _, translate_error

if TYPE_CHECKING:
    from core.runs.store import Run
    from core.workflows.shortcut.experiment import Plan, Prepared

BEGUN = Bound("shortcut-begun", kept="bl.shortcut.begun")
"""The plan whose runs were started, by :func:`_digest`."""
GO = "bl.shortcut.go"
"""Set for the one rerun after a button that starts runs: coming back to the page starts nothing."""
ARM_NAMES = {
    "with-mark": N_("Small network, with marks"),
    "without-mark": N_("Small network, without marks"),
    "pretrained": N_("Pretrained network, with marks"),
}


def render() -> None:
    """Draws the page."""
    subjects.begin("shortcut")
    plan = setup.draw()
    if plan is None:
        return
    if BEGUN.asked() != _digest(plan):
        _start(plan)
        return
    runs = _runs(plan)
    if runs is not None:
        _follow(plan, *runs)


def _start(plan: Plan) -> None:
    components.section(
        _("2 · Train"),
        _("A small network learns with marks and, once more, without; a pretrained one learns with them."),
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        if clicks.button(
            _("Plant the mark and train"), type="primary", icon=":material/play_arrow:", key="bl-shortcut-go"
        ):
            BEGUN.choose(_digest(plan))
            st.session_state[GO] = True
            st.rerun()
        components.note(_("Three real runs in processes of their own: about a minute on two cores."))


def _runs(plan: Plan) -> tuple[Prepared, dict[str, Run]] | None:
    """Writes the pictures and starts what was not started before; returns both, or ``None`` where a face was drawn."""
    from core.workflows.shortcut import experiment

    components.section(_("2 · Train"))
    place = st.empty()
    with place.container(horizontal=True, vertical_alignment="center"):
        bar = st.progress(0.0, text=_("Writing the pictures …"), width="stretch")
        st.button(_("Cancel"), icon=":material/close:", key="bl-shortcut-unwritten", on_click=_forget)

    def progress(done: int, total: int) -> None:
        if done % 16 == 0:
            text = _("Writing the pictures: {done} of {total}").format(done=done, total=total)
            bar.progress(done / max(total, 1), text=text)

    try:
        prepared = experiment.prepare(plan, roots=caches.roots(), progress=progress)
        place.empty()
        runs = experiment.earlier(prepared)
        if st.session_state.pop(GO, False):
            kept = {arm: run for arm, run in runs.items() if run.state in LIVE or _usable(run)}
            runs = (
                experiment.begin(
                    prepared,
                    skip=tuple(kept),
                    device=choices.train_choice().device,
                    roots=caches.roots(),
                    owner=queue_panel.owner(),
                )
                | kept
            )
            runs = {arm: runs[arm] for arm in experiment.ARMS}
    except RunMissing:
        runs = {}  # deleted at this very moment
    except InputError as error:
        place.empty()
        broken(_("The lab cannot begin"), translate_error(error), icon="report", tone="warn")
        st.button(_("Choose anew"), key="bl-shortcut-anew", on_click=_forget)
        return None
    if len(runs) < len(experiment.ARMS):
        _ended_early(_("A run of this lab is gone"), _("It was deleted. Start it again; the others are kept."))
        return None
    return prepared, runs


def _follow(plan: Plan, prepared: Prepared, runs: dict[str, Run]) -> None:
    states = {arm: run.state for arm, run in runs.items()}
    if any(found in LIVE for found in states.values()):
        st.fragment(_watch, run_every=1.0)(runs)
        return
    wrong = {arm: found for arm, found in states.items() if not _usable(runs[arm])}
    if wrong:
        arm = next(iter(wrong))
        _ended_early(
            _("{name} did not finish").format(name=_(ARM_NAMES[arm])),
            run_panel.message(runs[arm].status())
            if wrong[arm] == "failed"
            else _("Its weights are gone. Start it again.")
            if wrong[arm] == "finished"
            else _("It was stopped or interrupted. Start it again."),
        )
        return
    result.trained(runs, ARM_NAMES)
    result.draw(plan, prepared, runs, ARM_NAMES, leave=_forget)
    st.button(_("Try another mark"), icon=":material/refresh:", key="bl-shortcut-anew", on_click=_forget)
    nav.link("leak", _("The other lab: would the accuracy hold on pictures of somebody else?"))
    components.next_step("heatmaps", _("Look into the network that took the bait"), run=runs["with-mark"].id)


def _usable(run: Run) -> bool:
    return run.state == "finished" and run.has_weights


def _ended_early(title: str, text: str) -> None:
    broken(title, text, icon="report", tone="warn")
    with st.container(horizontal=True):
        st.button(_("Start again"), icon=":material/refresh:", key="bl-shortcut-again", on_click=_again)
        st.button(_("Choose anew"), key="bl-shortcut-anew", on_click=_forget)


@guarded
def _watch(runs: dict[str, Run]) -> None:
    """Draws how far each run is, and a button that ends them."""
    statuses = {arm: run.status() for arm, run in runs.items()}
    if not any(status.state in LIVE for status in statuses.values()):
        st.rerun()
    for arm, status in statuses.items():
        share, text = run_panel.progress(status) if status.state in LIVE else (1.0, _("Done"))
        if status.state not in (*LIVE, "finished"):
            text = _("Ended early")
        st.progress(share, text=f"{_(ARM_NAMES[arm])}: {text}")
    if clicks.button(_("Cancel"), icon=":material/close:", key="bl-shortcut-cancel"):
        for run in runs.values():
            if run.state in LIVE:
                run.request_stop()
        BEGUN.choose(None)
        st.rerun()


def _again() -> None:
    st.session_state[GO] = True


def _forget() -> None:
    BEGUN.choose(None)


def _digest(plan: Plan) -> str:
    return hashlib.sha256(repr(plan).encode()).hexdigest()[:8]
