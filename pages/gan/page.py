"""GAN: a generator learns to make small pictures; they are seen growing out of the same noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from core.runs.jobs import latest_job
from core.runs.launch import start_job
from core.specs import DataSpec
from pages.gan import result, settings
from pages.ui.kit import clicks, components, nav, page_states
from pages.ui.runs import job_panel, queue_panel
from pages.ui.selection import learned_from, subjects
from pages.ui.session import caches
from pages.ui.text.i18n import N_, _, translate_error

if TYPE_CHECKING:
    pass

DIGITS = DataSpec("mnist")
"""What it learns from where nothing was chosen: digits of 28 px."""


DISPLAY = job_panel.JobDisplay(
    failed=N_("The generator could not be trained"),
    interrupted=N_("The training was interrupted"),
    doing={"training": N_("Training")},
    progress=job_panel.steps_done,
)


def render() -> None:
    """Draws the page."""
    subjects.begin("gan")
    images = learned_from.opened(DIGITS)
    if images is None:
        return
    data, dataset = images
    with st.container(horizontal=True, vertical_alignment="center", key="bl-gan-data"):
        learned_from.say(dataset, _("Handwritten digits of 28 px, as no images are chosen yet."))
        nav.link("learn", _("Lesson: how the two learn"), icon=":material/school:", lesson="gan")
    request = settings.draw(data, gray=learned_from.gray(data, dataset))
    if request is None:
        return
    job = latest_job(request)

    def growing() -> None:
        found = job_panel.result(job)
        if found is not None:
            result.growing(found)
        components.note(_("This goes on if you leave; what it learned will be here."))

    if job_panel.at_work(job, DISPLAY, key="bl-gan-job", below=growing):
        return
    job_panel.ended(job, DISPLAY, kept=_("What was learned until then is kept."))
    found = job_panel.result(job)
    if not (found is not None and found.whole) and clicks.button(
        _("Train"),
        type="primary",
        icon=":material/play_arrow:",
        key="bl-gan-go",
        help=_("2,000 small pictures and 20 epochs take less than half a minute on two cores."),
    ):
        start_job(request, roots=caches.roots(), owner=queue_panel.owner())
        st.rerun()
    if found is None:
        components.note(_("What it paints out of the same noise will stand here, epoch by epoch."))
        return
    try:
        result.draw(found)
    except InputError as error:
        page_states.broken(_("This cannot be shown any more"), translate_error(error), icon="report", tone="warn")
