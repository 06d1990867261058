"""GAN: a generator learns to make small pictures; they are seen growing out of the same noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from core.runs.jobs import latest_job
from core.runs.launch import start_job
from core.runs.status import JobStatus
from core.specs import DataSpec
from pages.gan import result, settings
from pages.ui.kit import clicks, components, nav, page_states
from pages.ui.runs import job_panel, queue_panel
from pages.ui.selection import subjects
from pages.ui.session import caches, choices
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _, translate_error

if TYPE_CHECKING:
    from core.data.dataset import Dataset

DIGITS = DataSpec("mnist")
"""What it learns from where nothing was chosen: digits of 28 px."""


def _steps(status: JobStatus, text: str) -> str:
    if not status.total or status.doing != "training":
        return text
    done, total = number_format.exact(status.done), number_format.exact(status.total)
    return f"{text} · " + _("step {done} of {total}").format(done=done, total=total)


DISPLAY = job_panel.JobDisplay(
    failed=N_("The generator could not be trained"),
    interrupted=N_("The training was interrupted"),
    doing={"training": N_("Training")},
    progress=_steps,
)


def render() -> None:
    """Draws the page."""
    subjects.begin("gan")
    chosen = choices.data()
    try:
        data = caches.anchored(chosen or DIGITS)
        dataset = caches.divided(data)
    except InputError as error:
        page_states.broken(_("These images cannot be used"), translate_error(error), icon="broken_image", tone="warn")
        nav.link("data", _("Choose images"))
        return
    with st.container(horizontal=True, vertical_alignment="center", key="bl-gan-data"):
        text = (
            _("Handwritten digits of 28 px, as no images are chosen yet.")
            if chosen is None
            else _("Your images: {name}.").format(name=components.plain(choices.data_title() or dataset.title))
        )
        components.note(text)
        nav.link("data", _("Choose others"))
        nav.link("learn", _("Lesson: how the two learn"), icon=":material/school:", lesson="gan")
    request = settings.draw(data, gray=_gray(data, dataset))
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


def _gray(data: DataSpec, dataset: Dataset) -> bool:
    """Tells whether a few of the pictures have no colour."""
    from core.workflows.advisor.dataset_facts import looks

    return bool(caches.remember("gray", (data,), lambda: looks(dataset)[1], entries=8))
