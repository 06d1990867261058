"""The life of a job beside the runs in its own process: claim it, do it once, and say how it ended.

This module loads no torch, so that a process that only waits stays small.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import filelock

from core.errors import InputError
from core.runs.jobs import Job
from core.runs.queue import hold_device
from core.runs.recorder import EventSink, Recorder
from core.workflows.trainer_process.worker import record_failure


def carry_out(
    job: Job, work: Callable[[Recorder], None], *, busy: InputError, done: InputError, unforeseen: InputError
) -> dict[str, Any]:
    """Does a job in this process, if nobody does or did it.

    Args:
        job: A job in state *queued*.
        work: Does it, and writes its status with the recorder.
        busy: Raised if another process does the job.
        done: Raised if the job was done before.
        unforeseen: What the status says after an error that has no sentence of its own.

    Returns:
        The job's final status.

    Raises:
        InputError: ``busy`` or ``done``, and then nothing is changed; or what ``work`` raises, which the status says,
            too.
    """
    claim = filelock.FileLock(job.path / ".worker.lock", timeout=0)
    try:
        claim.acquire()
    except filelock.Timeout as error:
        raise busy from error
    with claim:
        recorder = Recorder(job)
        if recorder.status.get("state", "queued") != "queued":
            raise done
        recorder.update(state="queued", doing="queued", started=time.time())
        try:
            work(recorder)
        except BaseException as error:
            record_failure(recorder, error, unforeseen)
            raise
        return recorder.status


@contextmanager
def turn(job: Job, recorder: Recorder, device: str, tell: EventSink) -> Iterator[bool]:
    """Waits for a device and holds it for as long as the block runs.

    Args:
        job: Who waits.
        recorder: Says so in its status.
        device: The device's id in the queue.
        tell: Receives how many are ahead.

    Yields:
        ``True`` once the device is held; ``False`` if the job was asked to stop meanwhile, which the status says.
    """
    recorder.update(queue_device=device)

    def wait(ahead: int) -> None:
        recorder.update(now=False, doing="queued", ahead=ahead)
        tell({"doing": "queued", "ahead": ahead})

    with hold_device(job, device, wait) as held:
        if not held:
            recorder.update(state="stopped", ended=time.time())
        yield held
