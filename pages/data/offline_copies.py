"""Changed copies of the training images, written to disk after the split, as a data source of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from core import settings
from core.errors import InputError
from core.runs.jobs import latest_job
from core.runs.launch import start_job
from core.specs import DataSpec
from core.workflows.jobs.offline_copies import MOST_COPIES, Copies, CopiesRequest
from pages.ui.kit import clicks, components, form_fields
from pages.ui.kit.page_states import broken
from pages.ui.runs import job_panel, queue_panel
from pages.ui.session import caches, choices
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _, _n, translate_error

if TYPE_CHECKING:
    from core.data.dataset import Dataset

DISPLAY = job_panel.JobDisplay(
    failed=N_("The copies could not be written"),
    interrupted=N_("Writing was interrupted"),
    doing={"writing copies": N_("Writing copies")},
)
_USUAL = 5
_SHOWN = 6


def draw(spec: DataSpec, dataset: Dataset) -> None:
    """Draws how many copies are written, what the classes are before and after, and the work."""
    with st.expander(_("Write copies to disk"), icon=":material/content_copy:", key="bl-copies"):
        components.note(
            _(
                "For programs that change nothing themselves. Only training images are copied, after the split, so "
                "that no copy of an image is validated or tested on. Trained here, each image is changed anew in "
                "every epoch instead, which costs no disk."
            )
        )
        augment, seed = choices.train_choice().augment, choices.train_choice().seed
        if not augment.active:
            components.note(_("Turn an operation on first: without one all copies are the same."))
            return
        first, second = st.columns([1, 2], vertical_alignment="bottom")
        bound = form_fields.number("bl-copies-count", _USUAL, 2, MOST_COPIES)
        copies = int(first.number_input(_("Times each image is written"), 2, MOST_COPIES, **bound))
        usual = _("{data} x {n}").format(data=choices.data_title() or dataset.title, n=copies)
        name = second.text_input(_("Name of the new data"), key="bl-copies-name", placeholder=usual, max_chars=60)
        _counts(dataset.counts()["train"], copies)
        try:
            request = CopiesRequest(caches.anchored(spec), augment, copies, seed, name.strip() or _plain(usual))
        except InputError as error:
            broken(_("This name cannot be used"), translate_error(error), icon="folder_off", tone="warn")
            return
        job = latest_job(request)
        if job_panel.draw(job, DISPLAY, key="bl-copies-job"):
            return
        found: Copies | None = job_panel.result(job)
        if found is not None and (settings.uploads_dir() / found.name).is_dir():
            _written(found)
        elif clicks.button(_("Write them"), icon=":material/save:", key="bl-copies-start"):
            start_job(request, roots=caches.roots(), owner=queue_panel.owner())
            st.rerun()


def _plain(name: str) -> str:
    """Returns a name without the signs that a folder's cannot have."""
    return "".join(sign if sign.isalnum() or sign in " .-_" else "-" for sign in name).strip(" .-")[:60] or "copies"


def _counts(before: dict[str, int], copies: int) -> None:
    shown = list(before)[:_SHOWN]
    rows = [
        _("{name}: {before} become {after}").format(
            name=name, before=number_format.exact(before[name]), after=number_format.exact(copies * before[name])
        )
        for name in shown
    ]
    rest = len(before) - len(shown)
    rows += [_n("and {n} class more", "and {n} classes more", rest).format(n=rest)] if rest else []
    components.note(_("Training images of {classes}.").format(classes=", ".join(rows)))


def _written(found: Copies) -> None:
    total = sum(found.after.values())
    components.note(
        _("“{name}” is written: {n} training images, {before} before.").format(
            name=found.name, n=number_format.exact(total), before=number_format.exact(sum(found.before.values()))
        )
    )
    if clicks.button(_("Use these images"), icon=":material/photo_library:", key="bl-copies-use"):
        choices.set_data(DataSpec(str(settings.uploads_dir() / found.name)), found.name)
        st.rerun()
