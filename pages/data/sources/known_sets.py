"""Sets that torchvision knows, fetched in the background."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from core.runs.status import LIVE, JobStatus
from core.specs import DataSpec
from pages.data.sources.taking_in import choose, refused
from pages.ui.kit import clicks, components
from pages.ui.kit.page_states import busy
from pages.ui.runs import job_panel
from pages.ui.session import caches
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _

if TYPE_CHECKING:
    from core.runs.jobs import Job
    from core.workflows.jobs.known_set import KnownSetRequest

_STARTED = "bl.known-set.started"
_USUAL = "FashionMNIST"


def _progress(status: JobStatus, text: str) -> str:
    if status.doing == "fetching" and status.done:
        done, total = number_format.size(status.done), number_format.size(status.total)
        return f"{text} · " + (_("{done} of {total}").format(done=done, total=total) if status.total else done)
    return job_panel.images_done(status, text)


DISPLAY = job_panel.JobDisplay(
    failed=N_("This set was not fetched"),
    interrupted=N_("The fetching was interrupted"),
    doing={"fetching": N_("Fetching the files"), "taking in": N_("Taking the images in")},
    progress=_progress,
)


def draw(known: DataSpec | None) -> str | None:  # noqa: ARG001 - as all sources are drawn
    """Draws the choice of a set and how far its fetching is; it is chosen among the uploads once it is there."""
    names = _names()
    job = begun(_STARTED)
    working = job is not None and job.state in LIVE
    with st.container(horizontal=True, vertical_alignment="bottom", key="bl-known-how"):
        name = st.selectbox(
            _("Set"),
            names,
            index=names.index(_USUAL) if _USUAL in names else 0,
            key="bl-known-set",
            width=260,
            disabled=working,
            persist_state="session",
        )
        called, asked = name_and_fetch("bl-known", name, disabled=working)
    components.note(
        _(
            "The sets that torchvision lists for classification. They are fetched from where torchvision says, checked "
            "by its checksums, and may take long: from 10 MB to many GB."
        )
    )
    if asked:
        fetch(name, called or name, _STARTED)
    take(job, _STARTED, "bl-known")
    return None


def name_and_fetch(key: str, usual: str, *, disabled: bool) -> tuple[str, bool]:
    """Draws the field for the name of the images and the button; returns the name, and whether they are to be fetched.

    Args:
        key: Begins the keys of both.
        usual: The name where none is given.
        disabled: Whether something is being fetched.
    """
    called = st.text_input(
        _("Name"),
        key=f"{key}-name",
        placeholder=usual,
        max_chars=60,
        width=240,
        disabled=disabled,
        help=_("What the images are called here: letters, digits, - and _."),
    ).strip()
    asked = clicks.button(_("Fetch"), type="primary", icon=":material/download:", key=f"{key}-fetch", disabled=disabled)
    return called, asked


def begun(state: str) -> Job | None:
    """Returns the job that fetches what was asked for last.

    Args:
        state: Session key of its request.
    """
    from core.runs.jobs import latest_job

    started: KnownSetRequest | None = st.session_state.get(state)
    return latest_job(started) if started is not None else None


def fetch(name: str, called: str, state: str) -> None:
    """Starts the job that fetches a set, under a name that is free, or says why it cannot be started."""
    from core.data.importing.uploaded import free_name
    from core.runs.launch import start_job
    from core.workflows.jobs.known_set import KnownSetRequest

    request = KnownSetRequest(name, free_name(called) if name == called else called)
    try:
        start_job(request, roots=caches.roots())
    except InputError as error:
        refused(error)
        return
    st.session_state[state] = request
    st.rerun()


def take(job: Job | None, state: str, key: str) -> None:
    """Draws how far a job is, and chooses what it fetched."""
    if not job_panel.draw(job, DISPLAY, key=key) and (path := job_panel.result(job)) is not None:
        del st.session_state[state]
        choose(path)


def _names() -> tuple[str, ...]:
    from core.data.importing.known_sets import known_sets

    if caches.known("known sets", ()):
        return caches.remember("known sets", (), known_sets)
    with busy(_("Loading the list of torchvision …"), 80):
        return caches.remember("known sets", (), known_sets)
