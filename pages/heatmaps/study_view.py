"""The heatmaps of all held-out pictures together: means, groups of alike maps, and evidence outside the object."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from core.runs.jobs import Job, latest_job
from core.runs.launch import start_job
from core.workflows.jobs.heatmap_study import StudyRequest, weights_stamp
from pages.heatmaps import study_result
from pages.ui.explaining.choice import Choice
from pages.ui.kit import clicks, components, form_fields
from pages.ui.kit.page_states import empty
from pages.ui.runs import job_panel, queue_panel
from pages.ui.selection import picture_list
from pages.ui.selection.network_picker import Target
from pages.ui.session import caches
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _, translate_error

if TYPE_CHECKING:
    from core.workflows.inspection.heatmap_study import Maps, Study

DISPLAY = job_panel.JobDisplay(
    failed=N_("These heatmaps could not be studied"),
    interrupted=N_("The study was interrupted"),
    doing={"explaining": N_("Drawing heatmaps")},
)
OF = {"predicted": N_("The predicted class"), "truth": N_("The true class")}
Open = Callable[[str], None]


def draw(target: Target, choice: Choice, open_image: Open) -> None:
    """Draws the study of a run's held-out pictures with one method: start, progress, cancel, and what it found.

    Args:
        target: The run at the chosen moment; a bare backbone has no pictures of its own.
        choice: The method, its layer and settings.
        open_image: Called with the key of a picture that was clicked.
    """
    run = target.run
    if run is None:
        empty(
            _("No run to study"),
            _("A run knows which pictures it held out. Choose one above, and all its heatmaps are looked at together."),
            icon="grid_view",
        )
        return
    of = form_fields.choice(_("Evidence for"), OF, "bl-study-of", default="predicted")
    request = StudyRequest(
        run.id,
        weights_stamp(run),
        method=choice.method,
        layer=choice.layer,
        of=of,
        moment=getattr(target, "moment", "best"),
        settings=dict(choice.settings),
    )
    job = latest_job(request)
    if job_panel.draw(job, DISPLAY, key="bl-study"):
        return
    found: tuple[Study, Maps] | None = job_panel.result(job)
    _start(request, again=found is not None)
    if found is not None and job is not None:
        _found(target, job, *found, open_image)


def _start(request: StudyRequest, *, again: bool) -> None:
    if not again:
        components.note(
            _(
                "Every held-out picture is explained with the chosen method, in a process of its own that goes on if "
                "you leave: where the network looks as a rule, and where it does not look at the object."
            )
        )
    label = _("Study them again") if again else _("Study all held-out pictures")
    if clicks.button(label, icon=":material/grid_view:", key="bl-study-start", type="tertiary" if again else "primary"):
        start_job(request, roots=caches.roots(), owner=queue_panel.owner())
        st.rerun()


def _found(target: Target, job: Job, made: Study, maps: Maps, open_image: Open) -> None:
    if not made.rows:
        components.note(_("The study was cancelled before its first picture."))
        return
    text = _("{n} pictures of {name}, {method}, {time}.").format(
        n=number_format.exact(len(made.rows)),
        name=target.title,
        method=_title(made.method),
        time=number_format.duration(made.seconds),
    )
    if not made.complete:
        text += " " + _("It was cancelled before the last one.")
    components.note(text)
    study_result.means(made, maps)
    try:
        dataset = picture_list.reopened(target.trained)
    except InputError as error:
        components.note(translate_error(error))
        return
    gallery = study_result.Pictures(target.trained, job.id, dataset, made, maps, open_image)
    study_result.groups(made, maps, gallery)
    study_result.outside(made, maps, gallery)


def _title(method: str) -> str:
    from core.interpret.attribution.explain import METHODS

    return METHODS[method].title if method in METHODS else method
