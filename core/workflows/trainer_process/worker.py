"""The life of a training process: claim the run, wait for the device, train, and record how it ended.

This module loads no torch, so that a process that only waits in the queue stays small.
"""

from __future__ import annotations

import errno
import os
import time
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import filelock

from core.errors import InputError
from core.runs import control
from core.runs.queue import hold_device, queue_devices
from core.runs.recorder import EventSink, Recorder
from core.runs.status import RunStatus
from core.runs.store import Run, RunStore


def work(run: Run, emit: EventSink = lambda _: None, *, roots: Sequence[Path] | None = None) -> RunStatus:
    """Trains a run in this process, from the queue to its final status.

    Args:
        run: A run in state *queued*.
        emit: Receives progress records, for a display.
        roots: Folders that images may be read under; ``None`` for no limit.

    Returns:
        The run's final status.

    Raises:
        InputError: The experiment cannot be carried out; the status holds the reason, too. Or the run was trained
            before, or is being trained; then nothing is changed.
    """
    claim = filelock.FileLock(run.path / ".trainer.lock", timeout=0)
    try:
        claim.acquire()
    except filelock.Timeout as error:
        raise InputError("The run {name} is being trained by another process already.", name=run.name) from error
    with claim:
        recorder = Recorder(run)
        if recorder.status.state != "queued":
            raise InputError("The run {name} was trained before. Make a new one to train again.", name=run.name)
        recorder.update(state="queued", doing="queued", started=time.time())
        try:
            devices = queue_devices(run.experiment.training.device)
            recorder.update(queue_device=devices[0], queue_devices=list(devices))
            with hold_device(run, devices, lambda ahead: _wait(recorder, emit, ahead)) as held:
                if held:
                    recorder.update(state="starting", doing="loading libraries", ahead=0)
                    from core.workflows.trainer_process.runner import train

                    train(run, recorder, emit, roots)
                else:
                    state = "paused" if run.halting == "pause" else "stopped"
                    recorder.update(state=state, doing="", ended=time.time())
        except BaseException as error:
            unforeseen = InputError("The run ended with an error that was not foreseen; its log has the details.")
            record_failure(recorder, error, unforeseen)
            raise
    if control.halt(run.path, 0) == "discard" and recorder.status.state == "stopped":
        RunStore(run.path.parent).delete(run)
        return replace(recorder.status, state="discarded")
    return recorder.status


def explain_failure(error: BaseException) -> InputError | None:
    """Turns an exception into a sentence for the user, where there is one for it."""
    if isinstance(error, InputError):
        return error
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return InputError(
            "The disk is full, so the run ended; the last good weights are kept. Free some room and train again."
        )
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
        return InputError(
            "{path} cannot be written, so the run ended. Check the folder's permissions.", path=str(error.filename)
        )
    return None


def record_failure(recorder: Recorder, error: BaseException, unforeseen: InputError) -> None:
    """Writes how a run or a job failed, as far as the disk still lets it.

    Args:
        recorder: Writes its folder.
        error: What ended it; an interruption from outside is no failure.
        unforeseen: The sentence for an error that has none of its own.
    """
    known = explain_failure(error) or unforeseen
    state = "stopped" if isinstance(error, KeyboardInterrupt) else "failed"
    changes: dict[str, Any] = {"state": state, "ended": time.time()}
    if state == "failed":
        values = {key: value if isinstance(value, int | float) else str(value) for key, value in known.values.items()}
        changes |= {"message": str(known), "message_template": known.template, "message_values": values}
    try:
        recorder.update(**changes)
        recorder.log("".join(traceback.format_exception(error)) if state == "failed" else "interrupted from outside")
    except OSError as second:
        os.write(2, f"the status cannot be written: {second}\n".encode())


def _wait(recorder: Recorder, emit: EventSink, ahead: int) -> None:
    if recorder.status.ahead != ahead:
        emit({"event": "waiting", "ahead": ahead})
    recorder.update(now=False, doing="queued", ahead=ahead)
