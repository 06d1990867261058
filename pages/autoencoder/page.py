"""Autoencoder: pictures pass a narrow place; see it learn, walk through what it keeps, hand its encoder on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from core.runs.jobs import latest_job
from core.runs.launch import start_job
from core.specs import DataSpec
from pages.autoencoder import hand_on, latent_map, result, settings
from pages.ui.kit import clicks, components, page_states
from pages.ui.runs import job_panel, queue_panel
from pages.ui.selection import learned_from, subjects
from pages.ui.session import caches, choices
from pages.ui.text.i18n import N_, _, translate_error

if TYPE_CHECKING:
    pass

DIGITS = DataSpec("digits", test_share=choices.TEST_SHARE)
"""What it learns from where nothing was chosen."""


DISPLAY = job_panel.JobDisplay(
    failed=N_("The autoencoder could not be trained"),
    interrupted=N_("The training was interrupted"),
    doing={"training": N_("Training"), "comparing": N_("Comparing with principal components")},
    progress=job_panel.steps_done,
)


def render() -> None:
    """Draws the page."""
    subjects.begin("autoencoder")
    images = learned_from.opened(DIGITS)
    if images is None:
        return
    data, dataset = images
    with st.container(horizontal=True, vertical_alignment="center", key="bl-auto-data"):
        learned_from.say(dataset, _("Small digits, as no images are chosen yet."))
    request = settings.draw(data, gray=learned_from.gray(data, dataset))
    if request is None:
        return
    job = latest_job(request)

    def growing() -> None:
        found = job_panel.result(job)
        if found is not None:
            result.growing(found)
        components.note(_("This goes on if you leave; what it learned will be here."))

    if job_panel.at_work(job, DISPLAY, key="bl-auto-job", below=growing):
        return
    job_panel.ended(job, DISPLAY, kept=_("What was learned until then is kept."))
    found = job_panel.result(job)
    whole = found is not None and bool(found.encoder_file)
    if not whole and clicks.button(
        _("Train"),
        type="primary",
        icon=":material/play_arrow:",
        key="bl-auto-go",
        help=_("2,000 small pictures and 10 epochs take less than half a minute on two cores."),
    ):
        start_job(request, roots=caches.roots(), owner=queue_panel.owner())
        st.rerun()
    if found is None:
        components.note(_("What it was given, what it saw and what it gave back will stand here, epoch by epoch."))
        return
    try:
        result.draw(found)
        if whole:
            latent_map.draw(found)
            hand_on.draw(found)
    except InputError as error:
        page_states.broken(_("This cannot be shown any more"), translate_error(error), icon="report", tone="warn")
