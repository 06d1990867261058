"""The leak lab: guess two accuracies, divide the same pictures carelessly and carefully, and see the gap and why."""

from __future__ import annotations

import streamlit as st

from core.runs.jobs import latest_job
from core.runs.launch import start_job
from core.workflows.jobs.leak import LeakRequest
from core.workflows.leak.record import LeakPlan
from pages.leak import result, setup
from pages.ui.kit import clicks, components, form_fields, nav
from pages.ui.runs import job_panel, queue_panel
from pages.ui.selection import subjects
from pages.ui.session import caches, choices
from pages.ui.session.address import Bound
from pages.ui.text.i18n import N_, _

DISPLAY = job_panel.JobDisplay(
    failed=N_("The lab could not be carried out"),
    interrupted=N_("The lab was interrupted"),
    doing={"judging": N_("Dividing, learning, judging")},
)
GUESS = "bl-leak-guess"
MEASURED = Bound("leak-measured", kept="bl.leak.measured")
"""Whether the person has guessed and asked for what comes out: an earlier result does not spoil the guess."""


def render() -> None:
    """Draws the page."""
    subjects.begin("leak")
    plan = setup.draw()
    if plan is None:
        return
    job = latest_job(LeakRequest.of(plan))
    found = job_panel.result(job)
    shown = found is not None and MEASURED.asked() is not None
    guess = _guess(plan, known=found is not None, shown=shown)
    if job_panel.draw(job, DISPLAY, key="bl-leak"):
        return
    if not shown:
        components.note(_("Both accuracies, the gap between them and why will stand here."))
    else:
        result.draw(found, guess)
    nav.link("shortcut", _("The other lab: did it learn the object, or something beside it?"))


def _guess(plan: LeakPlan, *, known: bool, shown: bool) -> int:
    """Draws the guess and the button that starts; returns the guess in percent."""
    components.section(
        _("2 · Guess, then measure"),
        _("Divided picture by picture, as most programs do it: how many of the held-out pictures will be right?"),
    )
    with st.container(horizontal=True, vertical_alignment="bottom", key="bl-leak-start"):
        guess = st.slider(_("Your guess"), 0, 100, format="%d %%", width=320, **form_fields.number(GUESS, 50, 0, 100))
        if clicks.button(
            _("Divide twice and measure"),
            type="secondary" if shown else "primary",
            disabled=shown,
            icon=":material/play_arrow:",
            key="bl-leak-go",
            help=_("Frozen features of EfficientNet-Lite0, then both divisions: less than a minute on two cores."),
        ):
            MEASURED.choose("1")
            if not known:
                request = LeakRequest.of(plan, choices.train_choice().device)
                start_job(request, roots=caches.roots(), owner=queue_panel.owner())
            st.rerun()
    return int(guess)
