"""The life of a job beside the runs in its own process: claim it, wait for its turn, do it once, record how it ended.

This module loads no torch, so that a process that only waits stays small.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock

from core.errors import Cancelled, InputError
from core.runs.job_kinds import JOB_KINDS, JobKind
from core.runs.jobs import Job
from core.runs.queue import hold_device, queue_device
from core.runs.queue_entries import runs_folder
from core.runs.recorder import EventSink, Recorder
from core.runs.status import JobStatus
from core.workflows.trainer_process.worker import failures_recorded


@dataclass(frozen=True, slots=True)
class JobContext:
    """What the work of a job has at hand.

    Attributes:
        job: The job's folder.
        recorder: Writes its status.
        log: Receives progress records, for a display.
        roots: Folders that images may be read under; ``None`` for no limit.
    """

    job: Job
    recorder: Recorder[JobStatus]
    log: EventSink
    roots: Sequence[Path] | None

    @property
    def runs_dir(self) -> Path:
        """Folder of the runs, where ``run:`` weights are looked up."""
        return runs_folder(self.job)

    def progress(self, doing: str, done: int = 0, total: int = 0, **more: Any) -> None:
        """Reports the step and how far it is; call it as often as there is something new."""
        record = {"doing": doing, "done": done, "total": total, **more}
        self.recorder.update(now=False, **record)
        self.log(record)

    def step(self, doing: str, done: int = 0, total: int = 0, **more: Any) -> None:
        """Reports as :meth:`progress` does, and ends the work where that was requested.

        Raises:
            Cancelled: It was.
        """
        self.progress(doing, done, total, **more)
        self.raise_if_cancelled()

    def cancelled(self) -> bool:
        """Returns whether the job was requested to stop."""
        return self.job.stop_requested

    def raise_if_cancelled(self) -> None:
        """Ends the work where that was requested.

        Raises:
            Cancelled: It was.
        """
        if self.cancelled():
            raise Cancelled


def work(job: Job, log: EventSink = lambda _: None, *, roots: Sequence[Path] | None = None) -> JobStatus:
    """Carries out a job in this process, unless that is done or under way.

    Args:
        job: A job in state *queued*.
        log: Receives progress records, for a display.
        roots: Folders that images may be read under; ``None`` for no limit.

    Returns:
        The job's final status.

    Raises:
        InputError: The job cannot be carried out, or the disk is full; its status holds the reason, too. Or it was done
            before, or is being done; then nothing is changed.
    """
    claim = filelock.FileLock(job.path / ".worker.lock", timeout=0)
    try:
        claimed = claim.acquire()
    except filelock.Timeout as error:
        raise InputError("This job is done by another process already.") from error
    with claimed:
        recorder = Recorder(job)
        if recorder.status.state != "queued":
            raise InputError("This job was done before. Start a new one.")
        kind = JOB_KINDS[job.kind]
        with failures_recorded(recorder, InputError(kind.unexpected)):
            recorder.update(state="queued", doing="queued", started=time.time())
            _carry_out(kind, JobContext(job, recorder, log, roots))
        return recorder.status


def _carry_out(kind: JobKind, context: JobContext) -> None:
    request, recorder = context.job.read_request(), context.recorder
    state = "stopped"
    with _turn(kind, request.device, context) as held, suppress(Cancelled):
        if held:
            recorder.update(state="running", doing="loading libraries", ahead=0, begun=time.time())
            kind.load("work")(request, context)
            state = "finished"
    recorder.update(state=state, doing="", ended=time.time())


@contextmanager
def _turn(kind: JobKind, name: str, context: JobContext) -> Iterator[bool]:
    """Waits for what the kind waits for, and holds it; yields ``False`` if the job was requested to stop meanwhile."""
    if kind.waits_for == "nothing":
        yield True
        return
    device = queue_device(name)
    context.recorder.update(queue_device=device)

    def wait(ahead: int) -> None:
        context.recorder.update(now=False, doing="queued", ahead=ahead)
        context.log({"doing": "queued", "ahead": ahead})

    with hold_device(context.job, device, wait) as held:
        yield held
