"""Starting and stopping training processes, and the queue for a device.

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

import filelock

from core import settings
from core.errors import InputError
from core.runs.store import ENDED, Run, RunStore
from core.specs import Experiment

POLL = 0.5
"""Seconds between two looks at the device's lock."""

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
    store = RunStore(runs_dir)
    run = store.create(experiment)
    _children[:] = [child for child in _children if child.poll() is None]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    limits = [word for root in roots or () for word in ("--within", str(root))]
    try:
        with (run.path / "log.txt").open("ab") as log:
            child = subprocess.Popen(
                [sys.executable, "-m", "core", "train", "--run", str(run.path), "--quiet", *limits],
                cwd=settings.PROJECT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
    except OSError as error:
        shutil.rmtree(run.path, ignore_errors=True)
        raise InputError("The training process cannot be started: {reason}.", reason=error.strerror) from error
    _children.append(child)
    return run


def stop(run: Run) -> None:
    """Asks a run to stop after the step it is in. Its best weights are kept."""
    run.request_stop()


@contextmanager
def hold_device(run: Run, device: str, waiting: Callable[[int], None]) -> Iterator[bool]:
    """Waits for a device and holds it for as long as the block runs.

    Args:
        run: The run that wants it; its status names ``queue_device``, so that others see it wait.
        device: The device's id, such as ``cpu`` or ``cuda:0``.
        waiting: Called with the number of runs ahead at every look that ends in waiting.

    Yields:
        ``True`` once the device is held; ``False`` if the run was asked to stop while it waited.
    """
    locks = run.path.parent / ".locks"
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


def _ahead(run: Run, device: str, *, include_running: bool = False) -> int:
    """Counts the older runs that wait for (or also hold) the device."""
    counted = ("queued", "starting", "running", "stopping") if include_running else ("queued",)
    mine = _age(run)
    count = 0
    for other in RunStore(run.path.parent).list():
        if other.id == run.id or _age(other) >= mine:
            continue
        status = other.status()
        if status["state"] in counted and status.get("queue_device", device) == device:
            count += 1  # one that has not said yet which device it wants is waited for
    return count


def _age(run: Run) -> tuple[float, str]:
    try:
        return (run.path / "experiment.json").stat().st_mtime_ns / 1e9, run.id
    except OSError:
        return float("inf"), run.id
