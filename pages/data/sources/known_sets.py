"""Sets that torchvision knows, fetched in the background."""

from __future__ import annotations

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

_STARTED = "bl.known-set.started"
_USUAL = "FashionMNIST"


def _progress(status: JobStatus, text: str) -> str:
    if status.doing == "fetching" and status.total:
        done, total = number_format.size(status.done), number_format.size(status.total)
        return f"{text} · " + _("{done} of {total}").format(done=done, total=total)
    return job_panel.images_done(status, text)


DISPLAY = job_panel.JobDisplay(
    failed=N_("This set was not fetched"),
    interrupted=N_("The fetching was interrupted"),
    doing={"fetching": N_("Fetching the files"), "taking in": N_("Taking the images in")},
    progress=_progress,
)


def draw(known: DataSpec | None) -> str | None:  # noqa: ARG001 - as all sources are drawn
    """Draws the choice of a set and how far its fetching is; it is chosen among the uploads once it is there."""
    from core.runs.jobs import latest_job
    from core.runs.launch import start_job
    from core.workflows.jobs.known_set import KnownSetRequest

    names = _names()
    started: KnownSetRequest | None = st.session_state.get(_STARTED)
    job = latest_job(started) if started is not None else None
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
        called = st.text_input(
            _("Name"),
            key="bl-known-name",
            placeholder=name,
            max_chars=60,
            width=240,
            disabled=working,
            help=_("What the images are called here: letters, digits, - and _."),
        ).strip()
        asked = clicks.button(
            _("Fetch"), type="primary", icon=":material/download:", key="bl-known-fetch", disabled=working
        )
    components.note(
        _(
            "The sets that torchvision lists for classification. They are fetched from where torchvision says, checked "
            "by its checksums, and may take long: from 10 MB to many GB."
        )
    )
    if asked:
        from core.data.importing.uploaded import free_name

        request = KnownSetRequest(name, called or free_name(name))
        try:
            start_job(request, roots=caches.roots())
        except InputError as error:
            refused(error)
            return None
        st.session_state[_STARTED] = request
        st.rerun()
    if not job_panel.draw(job, DISPLAY, key="bl-known") and (path := job_panel.result(job)) is not None:
        del st.session_state[_STARTED]
        choose(path)
    return None


def _names() -> tuple[str, ...]:
    from core.data.importing.known_sets import known_sets

    if caches.known("known sets", ()):
        return caches.remember("known sets", (), known_sets)
    with busy(_("Loading the list of torchvision …"), 80):
        return caches.remember("known sets", (), known_sets)
