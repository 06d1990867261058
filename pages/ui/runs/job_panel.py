"""A job beside the runs, whatever its kind: its wait in the queue, its progress and a way to cancel, how it ended.

:mod:`core.runs.job_kinds` says how a kind is added.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from core.runs.jobs import Job
from core.runs.status import ENDED, LIVE, JobStatus
from pages.ui.kit.page_states import broken, guarded
from pages.ui.session import caches
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _, _n

DOING = {
    "queued": N_("Waiting for the device"),
    "loading libraries": N_("Loading PyTorch"),
    "downloading the weights": N_("Downloading the weights"),
    "building the network": N_("Building the network"),
    "reading images": N_("Reading the images"),
    "computing features": N_("Computing frozen features"),
}
"""What jobs of several kinds do -> how that is said."""


STEPPED = ("training", "painting")
"""What jobs do in steps."""


def share_done(status: JobStatus) -> float:
    """Returns what is done of all there is, 0 to 1."""
    return status.done / status.total if status.total else 0.0


def steps_done(status: JobStatus, text: str) -> str:
    """Returns what a job does with the number of steps that are done, while it learns or paints."""
    if not status.total or status.doing not in STEPPED:
        return text
    done, total = number_format.exact(status.done), number_format.exact(status.total)
    return f"{text} · " + _("step {done} of {total}").format(done=done, total=total)


def images_done(status: JobStatus, text: str) -> str:
    """Returns what a job does with the number of images that are done, where that is known."""
    if not status.total:
        return text
    done, total = number_format.exact(status.done), number_format.exact(status.total)
    return f"{text} · " + _("{done} of {total} images").format(done=done, total=total)


@dataclass(frozen=True, slots=True)
class JobDisplay:
    """What is shown of jobs of one kind.

    Attributes:
        failed: Title above the reason why a job failed, to be translated.
        interrupted: Title where a job's process is gone, to be translated.
        doing: What only such jobs do -> how that is said, to be translated.
        progress: Adds to what a job does how far it is; it is not asked of a job that waits.
        share: How far it is, 0 to 1.
    """

    failed: str
    interrupted: str
    doing: Mapping[str, str] = field(default_factory=dict)
    progress: Callable[[JobStatus, str], str] = images_done
    share: Callable[[JobStatus], float] = share_done


def draw(job: Job | None, display: JobDisplay, *, key: str, kept: str | None = None) -> bool:
    """Draws a job at work, or how it ended where it did not finish.

    Args:
        job: The job; ``None`` where there was none yet.
        display: What is shown of such jobs.
        key: Stable start of the keys.
        kept: Translated: what is still there if it was interrupted.

    Returns:
        Whether it is at work.
    """
    if at_work(job, display, key=key):
        return True
    ended(job, display, kept=kept)
    return False


def at_work(job: Job | None, display: JobDisplay, *, key: str, below: Callable[[], None] | None = None) -> bool:
    """Draws a job at work, renewed every second; the page is drawn anew once it has ended.

    Args:
        job: The job; ``None`` where there was none yet.
        display: What is shown of such jobs.
        key: Stable start of the keys.
        below: Draws what is there already.

    Returns:
        Whether it is at work.
    """
    if job is None or job.state not in LIVE:
        return False
    st.fragment(_at_work, run_every=1.0)(job, display, key, below)
    return True


def ended(job: Job | None, display: JobDisplay, *, kept: str | None = None) -> None:
    """Says how a job ended where it did not finish and nobody cancelled it; it takes what :func:`draw` takes."""
    status = job.status() if job is not None else JobStatus(state="finished")
    if status.state == "failed":
        from pages.ui.runs.run_panel import message

        broken(_(display.failed), message(status), icon="report", tone="warn")
    elif status.state == "interrupted":
        text = _("Its process ended without a word. Start it again.")
        broken(_(display.interrupted), text, icon="bolt", kept=kept, tone="warn")


def result(job: Job | None) -> Any:  # noqa: ANN401 - each kind has a result of its own
    """Returns what a job has found, read once and shared; ``None`` before it found anything."""
    try:
        stamp = (job.path / "result.json").stat().st_mtime_ns if job is not None else 0
    except OSError:
        stamp = 0
    if job is None or not stamp:
        return None
    return caches.remember(f"results of {job.kind}", (str(job.path), stamp), job.read_result, entries=6)


def cancel(job: Job, status: JobStatus, *, key: str, label: str | None = None, **more: Any) -> None:
    """Draws the button that cancels a job at work.

    Args:
        job: The job.
        status: Its status.
        key: Stable key.
        label: Its translated label; by default "Cancel".
        more: Further arguments of ``st.button``.
    """
    stopping = status.state == "stopping"
    text = _("Cancelling …") if stopping else label or _("Cancel")
    st.button(text, icon=":material/close:", disabled=stopping, key=key, on_click=job.request_stop, **more)


@guarded
def _at_work(job: Job, display: JobDisplay, key: str, below: Callable[[], None] | None) -> None:
    status = job.status()
    if status.state in ENDED:
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center", key=f"{key}-live"):
        st.progress(min(1.0, display.share(status)), text=_text(status, display), width="stretch")
        cancel(job, status, key=f"{key}-stop")
    if below is not None:
        below()


def _text(status: JobStatus, display: JobDisplay) -> str:
    """Returns what a job does and how far it is, or how many are ahead of it."""
    doing = status.doing or "queued"
    text = _(display.doing.get(doing) or DOING.get(doing, doing))
    if doing != "queued":
        return display.progress(status, text)
    if not status.ahead:
        return text
    return f"{text} · " + _n("{n} ahead", "{n} ahead", status.ahead).format(n=status.ahead)
