"""Fetching a set of torchvision or Kaggle in a process of its own, with progress, that can be cancelled."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from core.runs.jobs import Job, JobRequest
from core.workflows.jobs.job_process import JobContext


@dataclass(frozen=True, slots=True)
class KnownSetRequest(JobRequest):
    """Which set is fetched.

    Attributes:
        name: As torchvision calls it; of a set of Kaggle ``kaggle:OWNER/NAME``.
        called: What the data source is called.
    """

    kind: ClassVar[str] = "known-sets"
    name: str
    called: str


def work(request: KnownSetRequest, context: JobContext) -> None:
    """Fetches the set and makes a data source of it."""
    from core.data.importing.kaggle import PREFIX, fetch_kaggle
    from core.data.importing.known_sets import fetch_set

    context.progress("loading libraries")
    fetch = fetch_kaggle if request.name.startswith(PREFIX) else fetch_set
    path = fetch(request.name, request.called, progress=context.step)
    context.job.write_result({"path": str(path)})


def result(job: Job) -> Path | None:
    """Returns the source's folder; ``None`` where it is not there (any more)."""
    path = job.result.get("path")
    return Path(path) if isinstance(path, str) and Path(path).is_dir() else None
