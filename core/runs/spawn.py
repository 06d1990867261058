"""Processes of their own: ``python -m core`` in a session of its own, its output in a folder's ``log.txt``."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from core import settings

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
