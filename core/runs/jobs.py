"""Jobs: work beside training that takes longer than a page should wait for, each a folder and a process of its own.

A job's folder lies beside the runs in a hidden folder of its kind, ``runs/.rankings/<utc>-<4 hex>``. ``request.json``
is written once; ``status.json`` and ``result.json`` are replaced by the job's process; ``control`` asks it to stop.
As with a run, whether it is alive is looked up and not believed.
"""

from __future__ import annotations

import re
import secrets
import shutil
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core import settings
from core.errors import InputError
from core.runs.files import read_json, write_atomic, write_json
from core.runs.store import ENDED, LIVE, checked_state

KEPT = 40
"""Ended jobs of a kind that are kept; older ones go when a new one is made."""


@dataclass(frozen=True, slots=True)
class Job:
    """One job's folder. Holds nothing but the path, so it is never out of date."""

    path: Path

    @property
    def id(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def kind(self) -> str:
        """Name of its kind, such as ``rankings``."""
        return self.path.parent.name.removeprefix(".")

    @property
    def name(self) -> str:
        """What people can call it, having given it no name."""
        return f"{self.kind} {self.id}"

    @property
    def exists(self) -> bool:
        """Whether the folder is still there."""
        try:
            return (self.path / "request.json").is_file()
        except (OSError, ValueError):
            return False

    @property
    def request(self) -> dict[str, Any]:
        """What the job does."""
        return read_json(self.path / "request.json")

    @property
    def result(self) -> dict[str, Any]:
        """What the job has found so far; empty before it found anything."""
        return read_json(self.path / "result.json")

    @property
    def state(self) -> str:
        """One of :data:`core.runs.store.LIVE` or :data:`core.runs.store.ENDED`, checked against the process."""
        return str(self.status()["state"])

    @property
    def stop_requested(self) -> bool:
        """Whether someone asked the job to stop."""
        return (self.path / "control").is_file()

    def status(self) -> dict[str, Any]:
        """Returns ``status.json`` with ``state`` checked against the process; a job that is gone is *interrupted*."""
        record = read_json(self.path / "status.json")
        return {**record, "state": checked_state(record, halting="stop" if self.stop_requested else None)}

    def request_stop(self) -> None:
        """Asks the job to stop; what it has found stays."""
        if self.exists and self.state in LIVE:
            write_atomic(self.path / "control", "stop\n")

    def write_result(self, record: dict[str, Any]) -> None:
        """Replaces what the job has found."""
        write_json(self.path / "result.json", record)


class JobStore:
    """All jobs of one kind.

    Args:
        kind: Name of the kind, such as ``rankings``.
        runs_dir: Folder of the runs; by default :func:`core.settings.runs_dir`.
    """

    def __init__(self, kind: str, runs_dir: Path | str | None = None) -> None:
        runs = Path(runs_dir).expanduser().absolute() if runs_dir else settings.runs_dir()
        self.root = runs / f".{kind}"

    def create(self, request: dict[str, Any], **status: Any) -> Job:
        """Makes the folder of a new job in state *queued*.

        Args:
            request: What it does.
            status: What its status says from the start, such as its ``owner``.

        Raises:
            InputError: The folder cannot be made or written.
        """
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
        path = self.root / f"{stamp}-{secrets.token_hex(2)}"
        try:
            path.mkdir(parents=True)
            write_json(
                path / "status.json",
                {"state": "queued", "doing": "queued", "launched": time.time(), "pid": None, **status},
            )
            write_json(path / "request.json", request)
        except OSError as error:
            shutil.rmtree(path, ignore_errors=True)
            raise InputError(
                "The job's folder cannot be written under {root}: {reason}.", root=self.root, reason=error.strerror
            ) from error
        for old in [job for job in self.list()[KEPT:] if job.state in ENDED]:
            shutil.rmtree(old.path, ignore_errors=True)
        return Job(path)

    def list(self) -> list[Job]:
        """Returns all jobs, the newest first."""
        try:
            names = sorted((path.name for path in self.root.iterdir()), reverse=True)
        except OSError:
            return []
        return [job for name in names if (job := Job(self.root / name)).exists]

    def get(self, job_id: str) -> Job:
        """Returns the job with this id, and never one outside the folder.

        Raises:
            InputError: There is none.
        """
        job = Job(self.root / job_id)
        if not re.fullmatch(r"[\w-]+", job_id) or not job.exists:
            raise InputError("The job {name} does not exist any more.", name=job_id)
        return job
