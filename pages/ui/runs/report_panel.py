"""A run's report: one HTML file that opens anywhere and prints, written by a job."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from core.runs.jobs import Job, latest_job
from core.runs.launch import start_job
from core.runs.status import LIVE
from core.workflows.jobs.leaving.report import ReportRequest, file_of
from pages.ui.kit import clicks, components
from pages.ui.runs import job_panel, queue_panel
from pages.ui.session import caches
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _, _n, language

if TYPE_CHECKING:
    from core.runs.store import Run
    from core.workflows.report.report import Written

DISPLAY = job_panel.JobDisplay(
    failed=N_("The report could not be written"),
    interrupted=N_("Writing the report was interrupted"),
    doing={
        "judging": N_("Counting the figures"),
        "drawing heatmaps": N_("Drawing and testing heatmaps"),
        "writing the report": N_("Writing the report"),
    },
)


def draw(run: Run, key: str = "bl-report") -> None:
    """Draws the panel "Report" of a run that has ended. Place it once a page."""
    panel = st.expander(_("Report"), icon=":material/description:", key=key, on_change="rerun")
    with panel:
        if not panel.open:
            return
        from core.workflows.jobs.heatmap_study import weights_stamp

        components.note(
            _(
                "One HTML file with the figures and their intervals, the curves, what is taken for what, the worst "
                "mistakes with tested heatmaps, the data and the recipe in words. It opens without a network, and "
                "prints."
            )
        )
        request = ReportRequest(run.id, "best", weights_stamp(run), language())
        job = latest_job(request)
        if job_panel.draw(job, DISPLAY, key="bl-report-job"):
            return
        found: Written | None = job_panel.result(job)
        with st.container(horizontal=True, vertical_alignment="center", key="bl-report-do"):
            if job is not None and found is not None:
                _ready(run, job, found)
            if clicks.button(
                _("Write it anew") if found else _("Write the report"),
                icon=":material/edit_document:",
                key="bl-report-start",
                disabled=job is not None and job.state in LIVE,
            ):
                start_job(request, roots=caches.roots(), owner=queue_panel.owner())
                st.rerun()


def _ready(run: Run, job: Job, found: Written) -> None:
    """Draws the download of a report that was written."""
    pictures = _n("{n} picture with its heatmap", "{n} pictures with their heatmaps", found.pictures)
    components.download(
        _("Take the report along"),
        file_of(job).read_bytes,
        f"{run.name} report.html",
        "bl-report-download",
        help=_("{size}, {pictures}").format(
            size=number_format.size(found.bytes), pictures=pictures.format(n=found.pictures)
        ),
    )
