"""The check of the images as a job: when it starts by itself, how far it is, and what it found in a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from core.data.sources import is_embedded
from core.errors import InputError
from core.runs.launch import start_job
from core.runs.status import LIVE
from core.specs import DataSpec
from core.workflows.jobs import data_check
from pages.ui.kit import clicks, components
from pages.ui.kit.page_states import broken
from pages.ui.runs import job_panel, queue_panel
from pages.ui.session import caches
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _, _n, translate_error

if TYPE_CHECKING:
    from core.data.dataset import Dataset
    from core.runs.jobs import Job
    from core.workflows.data_check.report import Check

LOOKED_AT, FEATURED = 20_000, 2_000
"""Up to so many images are looked at without being asked; up to so many by the network, too, if they are a person's."""

DISPLAY = job_panel.JobDisplay(
    failed=N_("The check of the images failed"),
    interrupted=N_("The check of the images was interrupted"),
    doing={
        "reading images": N_("Checking the images"),
        "looking with the network": N_("Looking at the images with the network"),
        "planting copies": N_("Measuring which copies are found"),
    },
)


def begin(spec: DataSpec, dataset: Dataset) -> Job | None:
    """Returns the newest job on these images, started by itself where nobody checked so few of them before.

    Args:
        spec: The chosen data.
        dataset: Its images.
    """
    job = data_check.latest(caches.check_request(spec))
    if job is None and len(dataset) <= LOOKED_AT:
        job = start(spec, features=len(dataset) <= FEATURED and not is_embedded(spec.source))
    return job


def start(spec: DataSpec, *, features: bool) -> Job | None:
    """Starts a check in a process of its own; says why where that is not possible."""
    try:
        request = caches.check_request(spec, features=features)
        return start_job(request, roots=caches.roots(), owner=queue_panel.owner())
    except InputError as error:
        broken(_("The images cannot be checked"), translate_error(error), icon="report", tone="warn")
        return None


def live(job: Job | None) -> bool:
    """Whether a job is at work."""
    return job is not None and job.state in LIVE


def draw(spec: DataSpec, dataset: Dataset, *, here: bool) -> None:
    """Draws how far the check is and, in a line, what it found; more of it can be asked for here.

    Args:
        spec: The chosen data.
        dataset: Its images, divided.
        here: Whether the pictures stand below it.
    """
    job = begin(spec, dataset)
    found = caches.checked(spec)
    _in_short(found, dataset, here=here)
    with st.container(key="bl-check-state", gap=None):
        stamp = caches.check_stamp(job)
        if job_panel.at_work(job, DISPLAY, key="bl-check", below=lambda: _renew(job, stamp)):
            return
        job_panel.ended(job, DISPLAY)
        count = number_format.exact(len(dataset))
        if found is None:
            text = _("{n} images have not been opened yet.").format(n=count)
            _offer(text, _("Check every image"), spec, features=False)
        elif found.featured or not here:
            text = _n("{n} image is checked.", "{n} images are checked.", len(dataset))
            st.caption(text.format(n=count))
        else:
            text = _("Turned and cropped copies, doubtful labels and odd pictures are found by the network only.")
            _offer(text, _("Look with the network, too"), spec, features=True)


def _renew(job: Job | None, stamp: int) -> None:
    """Draws the page anew where a job at work found something since."""
    if caches.check_stamp(job) != stamp:
        st.rerun()


def _offer(text: str, label: str, spec: DataSpec, *, features: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="bl-check-offer"):
        st.caption(text, width="stretch")
        if clicks.button(label, icon=":material/health_and_safety:", key="bl-check"):
            start(spec, features=features)
            st.rerun()


def _in_short(found: Check | None, dataset: Dataset, *, here: bool) -> None:
    """Says what is wrong where it cannot be overlooked."""
    lines, grave = [], False
    if found is not None:
        leaks, conflicts, unreadable = leaking(found, dataset), len(found.conflicts), len(found.unreadable)
        grave = bool(leaks or conflicts)
        text = _n(
            "{n} picture stands in two splits: results will look too good.",
            "{n} pictures stand in two splits: results will look too good.",
            leaks,
        )
        lines.append((leaks, text))
        text = _n(
            "{n} picture stands in two classes: one of its labels is wrong.",
            "{n} pictures stand in two classes: one label of each is wrong.",
            conflicts,
        )
        lines.append((conflicts, text))
        text = _n("{n} file cannot be read and is left out.", "{n} files cannot be read and are left out.", unreadable)
        lines.append((unreadable, text))
    said = [text.format(n=number_format.exact(count)) for count, text in lines if count]
    if passed := dataset.ignored:
        text = _n(
            "{n} file is no part of these data: {name}.", "{n} files are no part of these data: {name} …", len(passed)
        )
        said.append(text.format(n=number_format.exact(len(passed)), name=components.plain(passed[0][0])))
    if said:
        tell = st.error if grave else st.warning
        tell(" ".join(said if here else [*said, _("See under “Problems”.")]), icon=":material/report:")


def leaking(found: Check, dataset: Dataset) -> int:
    """Returns how many pictures stand in another split than a copy of theirs, those in training not counted."""
    from core.workflows.data_check.report import astray

    item_of = {item.key: item for item in dataset.items}
    return sum(len(astray(group, item_of)) for group in found.leaks)
