"""Starting and stopping training processes and other jobs, and their queue for a device.

A run trains in a process of its own, in a session of its own: closing the tab or restarting the server changes nothing
for it. Each process waits for its device itself. The lock is a file under the runs folder that the system frees when
its holder dies; among those that wait, the oldest goes first.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock

from core import settings
from core.errors import InputError, RunMissing
from core.runs.jobs import Job, JobStore
from core.runs.store import ENDED, Run, RunStore
from core.specs import Experiment

POLL = 0.5
"""Seconds between two looks at the device's lock."""

QUEUED = ("rankings",)
"""Kinds of jobs that compute on a device and queue for it with the runs."""

_children: list[subprocess.Popen[bytes]] = []


def start(experiment: Experiment, runs_dir: Path | str | None = None, *, roots: Sequence[Path] | None = None) -> Run:
    """Makes a run and starts the process that trains it.

    Args:
        experiment: What to do.
        runs_dir: Folder of the runs; by default :func:`core.settings.runs_dir`.
        roots: Folders that the process may read images under, links resolved; ``None`` for no limit.

    Returns:
        The run, in state *queued*.

    Raises:
        InputError: The folder cannot be written, or no process can be started; then no run is left behind.
    """
    run = RunStore(runs_dir).create(experiment)
    try:
        _spawn(run.path, ("train", "--run", str(run.path)), roots)
    except OSError as error:
        shutil.rmtree(run.path, ignore_errors=True)
        raise InputError("The training process cannot be started: {reason}.", reason=error.strerror) from error
    return run


def start_job(
    kind: str,
    verb: str,
    request: dict[str, Any],
    runs_dir: Path | str | None = None,
    *,
    roots: Sequence[Path] | None = None,
) -> Job:
    """Makes a job and starts the process that does it: ``python -m core VERB --job FOLDER``.

    Args:
        kind: Name of its kind, such as ``rankings``.
        verb: Verb of the command line that does jobs of this kind.
        request: What to do, JSON-ready.
        runs_dir: Folder of the runs; by default :func:`core.settings.runs_dir`.
        roots: Folders that the process may read images under, links resolved; ``None`` for no limit.

    Returns:
        The job, in state *queued*.

    Raises:
        InputError: The folder cannot be written, or no process can be started; then no job is left behind.
    """
    job = JobStore(kind, runs_dir).create(request)
    try:
        _spawn(job.path, (verb, "--job", str(job.path)), roots)
    except OSError as error:
        shutil.rmtree(job.path, ignore_errors=True)
        raise InputError("The process cannot be started: {reason}.", reason=error.strerror) from error
    return job


def _spawn(folder: Path, words: Sequence[str], roots: Sequence[Path] | None) -> None:
    """Starts ``python -m core`` in a session of its own, its output going to ``log.txt`` in ``folder``."""
    _children[:] = [child for child in _children if child.poll() is None]
    limits = [word for root in roots or () for word in ("--within", str(root))]
    with (folder / "log.txt").open("ab") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "core", *words, "--quiet", *limits],
            cwd=settings.PROJECT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _children.append(child)


def stop(run: Run) -> None:
    """Asks a run to stop after the step it is in. Its best weights are kept."""
    run.request_stop()


@contextmanager
def hold_device(run: Run | Job, device: str, waiting: Callable[[int], None]) -> Iterator[bool]:
    """Waits for a device and holds it for as long as the block runs.

    Args:
        run: The run or job that wants it; its status names ``queue_device``, so that others see it wait.
        device: The device's id, such as ``cpu`` or ``cuda:0``.
        waiting: Called with the number of runs ahead at every look that ends in waiting.

    Yields:
        ``True`` once the device is held; ``False`` if the run was asked to stop while it waited.
    """
    locks = _runs_folder(run) / ".locks"
    locks.mkdir(exist_ok=True)
    lock = filelock.FileLock(locks / f"{device.replace(':', '-')}.lock", timeout=0)
    while True:
        if run.stop_requested:
            yield False
            return
        ahead = _ahead(run, device)
        if not ahead:
            try:
                lock.acquire()
                break
            except filelock.Timeout:
                ahead = 1
        waiting(ahead)
        time.sleep(POLL)
    try:
        yield True
    finally:
        lock.release()


def queue_position(run: Run) -> int:
    """Returns how many live runs on the same device were there before this one."""
    status = run.status()
    device = status.get("queue_device")
    return _ahead(run, str(device), include_running=True) if device and status["state"] not in ENDED else 0


def _ahead(run: Run | Job, device: str, *, include_running: bool = False) -> int:
    """Counts the older runs and jobs that wait for (or also hold) the device."""
    counted = ("queued", "starting", "running", "stopping") if include_running else ("queued",)
    mine = _age(run)
    root = _runs_folder(run)
    others: list[Run | Job] = [*RunStore(root).list(), *(job for kind in QUEUED for job in JobStore(kind, root).list())]
    count = 0
    for other in others:
        if other.path == run.path or _age(other) >= mine:
            continue
        try:
            status = other.status()
        except RunMissing:  # deleted since it was listed
            continue
        if status["state"] in counted and status.get("queue_device", device) == device:
            count += 1  # one that has not said yet which device it wants is waited for
    return count


def _runs_folder(run: Run | Job) -> Path:
    """Returns the folder of the runs: a job lies two levels below it."""
    return run.path.parent.parent if isinstance(run, Job) else run.path.parent


def _age(run: Run | Job) -> tuple[float, str]:
    written = "request.json" if isinstance(run, Job) else "experiment.json"
    try:
        return (run.path / written).stat().st_mtime_ns / 1e9, run.id
    except OSError:
        return float("inf"), run.id
