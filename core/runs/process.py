"""Which process a status names, and whether it is still at work.

A pid alone is not enough: pids are used again, and after a restart of the machine all of them are. Where the system
tells, a process is known by the machine's boot and by its start in clock ticks since then, which no change of the
clock moves; elsewhere by its time of creation.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import psutil

from core import settings
from core.runs.status import Status
from core.runs.status_parts import LaunchStamp

START_GRACE = 90.0
"""Seconds that a launched process has to write its first status before the run counts as interrupted."""
_CREATED_WITHIN = 2.0
_START_FIELD = 19
"""Place of the start time in ``/proc/PID/stat``, counted from the state, the first field behind the name."""


def process_stamp() -> dict[str, Any]:
    """Returns what identifies this process for as long as the machine is up."""
    pid = os.getpid()
    return {"pid": pid, "create_time": psutil.Process().create_time(), "boot": boot(), "ticks": _ticks(pid)}


def launch_stamp() -> LaunchStamp:
    """Returns what shows later how long ago a process was launched, whatever was done to the clock meanwhile."""
    return LaunchStamp(time.monotonic(), boot())


def alive(recorded: Status) -> bool:
    """Returns whether the process that a status names is at work; one not yet named has a while to appear.

    Args:
        recorded: A status with what :func:`process_stamp` gave, or (no ``pid`` yet) the time of its launch in
            ``launched`` and what :func:`launch_stamp` gave in ``spawned``.
    """
    if recorded.pid is None:
        return _may_appear(recorded)
    if boot() and recorded.ticks is not None:
        return recorded.boot == boot() and _ticks(recorded.pid) == recorded.ticks
    try:
        process = psutil.Process(recorded.pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return bool(abs(process.create_time() - (recorded.create_time or 0.0)) < _CREATED_WITHIN)
    except (psutil.Error, ValueError, OverflowError):
        return False


def _may_appear(recorded: Status) -> bool:
    spawned = recorded.spawned
    if spawned is None:
        return abs(time.time() - (recorded.launched or 0.0)) < START_GRACE
    return spawned.boot == boot() and 0 <= time.monotonic() - spawned.uptime < START_GRACE


@cache
def boot() -> str | None:
    """Returns the id of this start of the machine, or ``None`` where the system gives none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip() or None
    except OSError:
        return None


def _ticks(pid: int) -> int | None:
    """Returns when a process started, in clock ticks since the machine did; ``None`` if it is gone or a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    if len(fields) <= _START_FIELD or fields[0] in ("Z", "X"):
        return None
    return int(fields[_START_FIELD])


_children: list[subprocess.Popen[bytes]] = []


def program(processes: int = 1) -> list[str]:
    """Returns the command line of this project's core in one process, or in several that train together."""
    if processes == 1:
        return [sys.executable, "-m", "core"]
    several = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    return [sys.executable, *several, "-m", "--", "core"]  # behind "--" torchrun reads no word as its own


def spawn(folder: Path, words: Sequence[str], roots: Sequence[Path] | None, *, processes: int = 1) -> None:
    """Starts a process that outlives this one.

    Args:
        folder: The run's or job's folder.
        words: Verb and arguments of the command line.
        roots: Folders that the process may read images under, links resolved; ``None`` for no limit.
        processes: With more than one, ``torchrun`` starts them, and they find each other on this machine.

    Raises:
        OSError: It cannot be started.
    """
    _children[:] = [child for child in _children if child.poll() is None]
    limits = [word for root in roots or () for word in ("--within", str(root))]
    with (folder / "log.txt").open("ab") as log:
        child = subprocess.Popen(
            [*program(processes), *words, "--quiet", *limits],
            cwd=settings.PROJECT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _children.append(child)
