"""Starting, resuming and stopping training processes and other jobs.

A run trains in a process of its own, in a session of its own: closing the tab or restarting the server changes nothing
for it. It waits for its device itself, see :mod:`core.runs.queue`.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from core.errors import InputError
from core.runs import control
from core.runs.jobs import Job, JobRequest, JobStore
from core.runs.process import launch_stamp, spawn
from core.runs.queue import changing, known_device
from core.runs.status import LIVE, JobStatus, RunStatus
from core.runs.status_parts import LaunchStamp
from core.runs.store import Run, RunStore
from core.specs import Experiment

REPEAT_SECONDS = 2.0
"""Seconds within which the same start by the same owner is a double click, and means one run."""
_LOOKED_AT = 50
_OF_THE_START = ("owner", "queue_device", "queue_devices", "estimate_seconds")
"""What stays in the status of a run that begins again."""


def start(
    experiment: Experiment,
    runs_dir: Path | str | None = None,
    *,
    roots: Sequence[Path] | None = None,
    owner: str = "",
    estimate_seconds: float | None = None,
    pinned: Sequence[str] = (),
) -> Run:
    """Makes a run and starts the process that trains it.

    The same experiment, started again by the same owner within :data:`REPEAT_SECONDS`, is the run that it made first.

    Args:
        experiment: What to do.
        runs_dir: Folder of the runs; by default :func:`core.settings.runs_dir`.
        roots: Folders that the process may read images under, links resolved; ``None`` for no limit.
        owner: Who starts it; owners take turns at a device.
        estimate_seconds: How long it is expected to take, for those that wait behind it.
        pinned: Keys of images that snapshots are taken of; by default one or two a class.

    Returns:
        The run, in state *queued*.

    Raises:
        InputError: The folder cannot be written, or no process can be started; then no run is left behind.
    """
    store = RunStore(runs_dir)
    with changing(store.root):
        first = _twin(store, experiment, owner)
        if first is not None:
            return first
        run = store.create(
            experiment,
            owner=owner,
            estimate_seconds=estimate_seconds,
            spawned=launch_stamp(),
            queue_device=known_device(experiment.training.device) or "",
        )
    try:
        if pinned:
            from core.runs.snapshots import request_pins  # loads numpy

            request_pins(run.path, pinned)
        spawn(run.path, ("train", "--run", str(run.path)), roots, processes=experiment.training.processes)
    except OSError as error:
        shutil.rmtree(run.path, ignore_errors=True)
        raise InputError("The training process cannot be started: {reason}.", reason=error.strerror) from error
    return run


def resume(run: Run, *, roots: Sequence[Path] | None = None) -> None:
    """Starts a process that goes on with a run from where it was interrupted; called twice at once, it does so once.

    Args:
        run: A run that is paused, stopped, interrupted or failed and kept its state.
        roots: Folders that the process may read images under, links resolved; ``None`` for no limit.

    Raises:
        InputError: The run is at work, has finished or kept no state, its folder cannot be written, or no process can
            be started.
    """
    with changing(run.path.parent):
        before = run.recorded
        if run.state in LIVE and before.spawned and _just_now(before):
            return
        processes = run.experiment.training.processes
        _requeue(run, before, spawned=launch_stamp())
    try:
        spawn(run.path, ("train", "--run", str(run.path)), roots, processes=processes)
    except OSError as error:
        before.write(run.path)
        raise InputError("The training process cannot be started: {reason}.", reason=error.strerror) from error


def resume_here(run: Run) -> None:
    """Puts a run back into the queue, for this process to go on with.

    Raises:
        InputError: The run is at work, has finished or kept no state, or its folder cannot be written.
    """
    with changing(run.path.parent):
        _requeue(run, run.recorded, foreground=True)


def _requeue(run: Run, before: RunStatus, *, foreground: bool = False, spawned: LaunchStamp | None = None) -> None:
    if not run.can_resume:
        raise InputError(
            "The run {name} is {state} and cannot go on. Only a run that was paused, stopped or interrupted can, and "
            "only with the state that it kept.",
            name=run.name,
            state=run.state,
        )
    began = before if run.has_state else RunStatus(**{name: getattr(before, name) for name in _OF_THE_START})
    asleep = replace(
        began,
        state="queued",
        doing="queued",
        ahead=0,
        launched=time.time(),
        pid=None,
        ended=None,
        eta_seconds=None,
        message="",
        message_template="",
        message_values={},
        requests_read=control.read(run.path)[1],
        foreground=foreground,
        spawned=spawned,
    )
    try:
        asleep.write(run.path)
    except OSError as error:
        raise InputError("The run {name} cannot be written: {reason}.", name=run.name, reason=error.strerror) from error


def start_job(
    request: JobRequest, runs_dir: Path | str | None = None, *, roots: Sequence[Path] | None = None, owner: str = ""
) -> Job:
    """Makes a job and starts the process that does it: ``python -m core job FOLDER``.

    Args:
        request: What to do.
        runs_dir: Folder of the runs; by default :func:`core.settings.runs_dir`.
        roots: Folders that the process may read images under, links resolved; ``None`` for no limit.
        owner: Who starts it; owners take turns at a device.

    Returns:
        The job, in state *queued*; or the one that does the very same already.

    Raises:
        InputError: The folder cannot be written, or no process can be started; then no job is left behind.
    """
    store, record = JobStore(request.kind, runs_dir), request.as_record()
    same = next(store.matching(record), None)
    if same is not None and same.state in LIVE and not same.stop_requested:
        return same
    job = store.create(record, owner=owner, spawned=launch_stamp())
    try:
        spawn(job.path, ("job", str(job.path)), roots)
    except OSError as error:
        shutil.rmtree(job.path, ignore_errors=True)
        raise InputError("The process cannot be started: {reason}.", reason=error.strerror) from error
    return job


def restart_job(job: Job, *, roots: Sequence[Path] | None = None) -> None:
    """Starts a process that goes on with a job that ended; one at work is left alone.

    Only kinds whose work takes up what was found before are started again.

    Args:
        job: The job.
        roots: Folders that the process may read images under, links resolved; ``None`` for no limit.

    Raises:
        InputError: Its folder cannot be written, or no process can be started.
    """
    with changing(job.path.parent.parent):
        before = job.recorded
        if job.state in LIVE:
            return
        (job.path / "control").unlink(missing_ok=True)
        JobStatus(doing="queued", owner=before.owner, launched=time.time(), spawned=launch_stamp()).write(job.path)
    try:
        spawn(job.path, ("job", str(job.path)), roots)
    except OSError as error:
        before.write(job.path)
        raise InputError("The process cannot be started: {reason}.", reason=error.strerror) from error


def stop(run: Run) -> None:
    """Asks a run to stop after the step it is in. Its best weights are kept."""
    run.request_stop()


def _twin(store: RunStore, experiment: Experiment, owner: str) -> Run | None:
    """Returns the run that the same owner started with the same experiment just now."""
    text = experiment.to_json() + "\n"
    for run in store.list()[:_LOOKED_AT]:
        status = run.recorded
        if _just_now(status) and status.spawned and status.owner == owner:
            try:
                if (run.path / "experiment.json").read_text(encoding="utf-8") == text:
                    return run
            except OSError:
                continue
    return None


def _just_now(status: RunStatus) -> bool:
    return abs(time.time() - (status.launched or 0.0)) < REPEAT_SECONDS
