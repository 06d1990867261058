"""The life of a training process: claim the run, wait for the device, train, and record how it ended.

This module loads no torch, so that a process that only waits in the queue stays small.
"""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import filelock

from core.errors import InputError, StorageError, storage_error
from core.runs import control
from core.runs.queue import hold_device, queue_devices
from core.runs.recorder import EventSink, Recorder
from core.runs.status import RunStatus, Status
from core.runs.store import Run, RunStore

if TYPE_CHECKING:
    from core.workflows.trainer_process.image_shelf import ImageShelf

RESERVED_BYTES = 1 << 16
"""Room that is kept on the disk while a process works, for what its status and log say at a failure."""
_S = TypeVar("_S", bound=Status)


def work(
    run: Run, emit: EventSink = lambda _: None, *, roots: Sequence[Path] | None = None, shelf: ImageShelf | None = None
) -> RunStatus:
    """Trains a run in this process, from the queue to its final status.

    Args:
        run: A run in state *queued*.
        emit: Receives progress records, for a display.
        roots: Folders that images may be read under; ``None`` for no limit.
        shelf: Keeps images for the next run that this process trains; ``None`` where there is none.

    Returns:
        The run's final status.

    Raises:
        InputError: The experiment cannot be carried out, or the disk is full; the status holds the reason, too. Or the
            run was trained before, or is being trained; then nothing is changed.
    """
    claim = filelock.FileLock(run.path / ".trainer.lock", timeout=0)
    try:
        claimed = claim.acquire()
    except filelock.Timeout as error:
        raise InputError("The run {name} is being trained by another process already.", name=run.name) from error
    with claimed:
        recorder = Recorder(run)
        if recorder.status.state != "queued":
            raise InputError("The run {name} was trained before. Make a new one to train again.", name=run.name)
        unforeseen = InputError("The run ended with an error that was not foreseen; its log has the details.")
        with failures_recorded(recorder, unforeseen):
            recorder.update(state="queued", doing="queued", done=0, total=0, started=time.time())
            devices = queue_devices(run.experiment.training.device)
            recorder.update(queue_device=devices[0], queue_devices=list(devices))
            with hold_device(run, devices, lambda ahead: _wait(recorder, emit, ahead)) as held:
                if held:
                    recorder.update(state="starting", doing="loading libraries", ahead=0)
                    from core.workflows.trainer_process.runner import train

                    train(run, recorder, emit, roots, shelf)
                else:
                    state = "paused" if run.halting == "pause" else "stopped"
                    recorder.update(state=state, doing="", ended=time.time())
    if control.halt(run.path, 0) == "discard" and recorder.status.state == "stopped":
        RunStore(run.path.parent).delete(run)
        return replace(recorder.status, state="discarded")
    return recorder.status


@contextmanager
def failures_recorded(recorder: Recorder[_S], unforeseen: InputError) -> Iterator[None]:
    """Records how a run's or a job's work fails; some room is kept for that on the disk.

    Args:
        recorder: Writes its folder.
        unforeseen: The sentence for an error that has none of its own.

    Raises:
        StorageError: The disk is full, or may not be written; other errors stay what they are.
    """
    reserve = recorder.run.path / ".reserve"
    try:
        reserve.write_bytes(os.urandom(RESERVED_BYTES))
        yield
    except BaseException as error:
        with suppress(OSError):
            reserve.unlink(missing_ok=True)
        known = error if isinstance(error, InputError) else storage_error(error)
        _record_failure(recorder, error, known or unforeseen)
        if known is None or known is error:
            raise
        raise known from error
    reserve.unlink(missing_ok=True)


def _record_failure(recorder: Recorder[_S], error: BaseException, known: InputError) -> None:
    """Writes how a run or a job failed, as far as the disk still lets it; an interruption from outside is no failure.

    A run that only lacked room is interrupted, so that it can go on from where it was.
    """
    state = "stopped" if isinstance(error, KeyboardInterrupt) else "failed"
    changes: dict[str, Any] = {"ended": time.time()}
    if state == "failed":
        state = "interrupted" if isinstance(known, StorageError) and isinstance(recorder.run, Run) else "failed"
        values = {key: value if isinstance(value, int | float) else str(value) for key, value in known.values.items()}
        changes |= {"message": str(known), "message_template": known.template, "message_values": values}
    try:
        recorder.update_at_last(state=state, **changes)
        recorder.log(f"ended: {known}\n{_trace(error)}" if changes.get("message") else "interrupted from outside")
    except OSError as second:
        os.write(2, f"the status cannot be written: {second}\n".encode())


def _trace(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


def _wait(recorder: Recorder, emit: EventSink, ahead: int) -> None:
    if recorder.status.ahead != ahead:
        emit({"event": "waiting", "ahead": ahead})
    recorder.update(now=False, doing="queued", ahead=ahead)
