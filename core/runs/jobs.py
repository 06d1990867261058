"""Jobs: work beside training that takes longer than a page should wait for, each a folder and a process of its own.

A job's folder lies beside the runs in a hidden folder of its kind, ``runs/.rankings/<utc>-<4 hex>``. ``request.json``
is written once; ``status.json`` and ``result.json`` are replaced by the job's process; ``control`` requests its stop.
As with a run, whether it is alive is looked up and not believed. What kinds there are, and how to add one, is in
:mod:`core.runs.job_kinds`.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Self

from core import settings
from core.errors import InputError
from core.runs.files import is_file, read_json, write_atomic, write_json
from core.runs.job_kinds import JOB_KINDS
from core.runs.status import ENDED, LIVE, JobStatus, State
from core.runs.store import checked_state


@dataclass(frozen=True, slots=True)
class JobRequest:
    """What a job does. Each kind derives from it a frozen dataclass of its parameters."""

    kind: ClassVar[str]

    @property
    def device(self) -> str:
        """What it computes on: ``auto``, ``cpu``, ``cuda``, ... A field of this name replaces it."""
        return "auto"

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Reads what :meth:`as_record` made, also after JSON; a damaged record raises any of the usual errors."""
        return cls(**record)

    def as_record(self) -> dict[str, Any]:
        """Returns it as JSON can hold it."""
        return asdict(self)

    def identity(self) -> dict[str, Any]:
        """Returns the part of the record by which an earlier job is found again; by default all of it."""
        return self.as_record()


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
        return is_file(self.path / "request.json")

    @property
    def request(self) -> dict[str, Any]:
        """What the job does."""
        return read_json(self.path / "request.json")

    def read_request(self) -> JobRequest:
        """Returns what the job does, as its kind reads it.

        Raises:
            InputError: The request is damaged, or of a kind that is not known.
        """
        try:
            kind = JOB_KINDS[self.kind]
            request: JobRequest = kind.load(kind.request).from_record(self.request)
        except InputError:
            raise
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputError("The request of this job is damaged. Make a new one.") from error
        return request

    @property
    def result(self) -> dict[str, Any]:
        """What the job has found so far; empty before it found anything."""
        return read_json(self.path / "result.json")

    def read_result(self) -> Any:  # noqa: ANN401 - each kind has a result of its own
        """Returns what the job has found, as its kind reads it; ``None`` before it did, or where that is damaged."""
        return JOB_KINDS[self.kind].load("result")(self)

    @property
    def state(self) -> State:
        """One of :data:`core.runs.status.LIVE` or :data:`core.runs.status.ENDED`, checked against the process."""
        return self.status().state

    @property
    def recorded(self) -> JobStatus:
        """What ``status.json`` says, the state not checked against the process."""
        return JobStatus.load(self.path)

    @property
    def stop_requested(self) -> bool:
        """Whether someone asked the job to stop."""
        return is_file(self.path / "control")

    def status(self) -> JobStatus:
        """Returns what ``status.json`` says, ``state`` checked against the process that should be writing it."""
        recorded = self.recorded
        return replace(recorded, state=checked_state(recorded, halting="stop" if self.stop_requested else None))

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
        kind: Id of a row of :data:`core.runs.job_kinds.JOB_KINDS`.
        runs_dir: Folder of the runs; by default :func:`core.settings.runs_dir`.
    """

    def __init__(self, kind: str, runs_dir: Path | str | None = None) -> None:
        runs = Path(runs_dir).expanduser().absolute() if runs_dir else settings.runs_dir()
        self.root = runs / f".{kind}"
        self._kept = JOB_KINDS[kind].kept

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
            JobStatus(**{"doing": "queued", "launched": time.time(), **status}).write(path)
            write_json(path / "request.json", request)
        except OSError as error:
            shutil.rmtree(path, ignore_errors=True)
            raise InputError(
                "The job's folder cannot be written under {root}: {reason}.", root=self.root, reason=error.strerror
            ) from error
        for old in [job for job in self.list()[self._kept :] if job.state in ENDED]:
            shutil.rmtree(old.path, ignore_errors=True)
        return Job(path)

    def list(self) -> list[Job]:
        """Returns all jobs, the newest first."""
        try:
            names = sorted((path.name for path in self.root.iterdir()), reverse=True)
        except OSError:
            return []
        return [job for name in names if (job := Job(self.root / name)).exists]

    def matching(self, wanted: Mapping[str, Any]) -> Iterator[Job]:
        """Yields the jobs whose requests hold these values, whatever became of them, the newest first."""
        wanted = json.loads(json.dumps(wanted))
        return (job for job in self.list() if wanted.items() <= job.request.items())

    def get(self, job_id: str) -> Job:
        """Returns the job with this id, and never one outside the folder.

        Raises:
            InputError: There is none.
        """
        job = Job(self.root / job_id)
        if not re.fullmatch(r"[\w-]+", job_id) or not job.exists:
            raise InputError("The job {name} does not exist any more.", name=job_id)
        return job


def latest_job(request: JobRequest, runs_dir: Path | str | None = None) -> Job | None:
    """Returns the newest job that had the same request, whatever became of it."""
    return next(JobStore(request.kind, runs_dir).matching(request.identity()), None)
