"""Checking images outside of the page: a job that looks at every picture, and its findings while they grow."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from core.errors import Cancelled, InputError
from core.runs.files import is_file
from core.runs.jobs import Job, JobRequest, JobStore
from core.specs import DataSpec, from_record
from core.workflows.jobs.job_process import JobContext

if TYPE_CHECKING:
    from core.workflows.data_check.report import Check

FORMAT = 1
"""Goes up when what is looked for changes; what was found in another format is looked for anew."""
NICENESS = 5
"""How far the process stands back behind others."""


@dataclass(frozen=True, slots=True)
class CheckRequest(JobRequest):
    """Which images are checked.

    Attributes:
        data: The images, as they lie there: their division and what was repaired of them since play no part.
        stamp: Which state of the files it is, in words of who asks.
        features: Whether the packaged network looks, too.
        format: See :data:`FORMAT`.
    """

    kind: ClassVar[str] = "checks"
    data: DataSpec
    stamp: str = ""
    features: bool = True
    format: int = FORMAT

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Reads what a request was written as."""
        data = from_record(DataSpec, "data", record["data"])
        return cls(data, str(record["stamp"]), bool(record["features"]), int(record["format"]))

    def identity(self) -> dict[str, Any]:
        """Returns the images in their state: a check with the network answers for one without it."""
        return {"data": asdict(self.data), "stamp": self.stamp, "format": self.format}


def check_request(spec: DataSpec, stamp: str = "", *, features: bool = True) -> CheckRequest:
    """Returns the request to check the images of a spec, however they are divided.

    Args:
        spec: The images.
        stamp: Which state of their files it is.
        features: Whether the packaged network looks, too.
    """
    from core.data.sources import is_embedded

    drawn = is_embedded(spec.source) or spec.images_per_class is not None
    plain = DataSpec(spec.source, seed=spec.seed if drawn else 0, images_per_class=spec.images_per_class)
    return CheckRequest(replace(plain, classes=spec.classes), stamp, features)


def latest(request: CheckRequest, runs_dir: Path | str | None = None) -> Job | None:
    """Returns the newest job on these images that the network ended, else that found something, else any."""
    return _best(JobStore(request.kind, runs_dir).matching(request.identity()))


def kept(spec: DataSpec, runs_dir: Path | str | None = None) -> tuple[Check, float] | None:
    """Returns what the newest check of a spec's images found that is there, and when (Unix seconds).

    Args:
        spec: The images, however they are divided; what has become of their files since plays no part.
        runs_dir: Folder of the runs; by default :func:`core.settings.runs_dir`.
    """
    request = check_request(spec)
    wanted = {"data": asdict(request.data), "format": request.format}
    job = _best(JobStore(request.kind, runs_dir).matching(wanted))
    found = result(job) if job is not None else None
    if job is None or found is None:
        return None
    return found, job.recorded.ended or job.recorded.launched or 0.0


def _best(some: Iterable[Job]) -> Job | None:
    jobs = list(some)
    found = [job for job in jobs if is_file(job.path / "result.json")]
    ended = [job for job in found if job.request.get("features") and job.recorded.state == "finished"]
    return next(iter([*ended, *found, *jobs]), None)


def work(request: CheckRequest, context: JobContext) -> None:
    """Checks the images; what is known before the network looks is a result already."""
    from core.data.sources import open_spec
    from core.workflows.data_check.check import check

    os.nice(NICENESS)

    def progress(doing: str, done: int, total: int) -> None:
        if context.cancelled():
            raise Cancelled
        context.progress(doing, done, total)

    found = check(
        open_spec(request.data, roots=context.roots),
        features=request.features,
        progress=progress,
        found=lambda quick: context.job.write_result(quick.to_dict()),
    )
    context.job.write_result(found.to_dict())


def result(job: Job) -> Check | None:
    """Returns what a check has found so far; ``None`` before it found anything, or where it is damaged."""
    from core.workflows.data_check.report import Check

    record = job.result
    try:
        return Check.from_dict(record) if record else None
    except InputError:
        return None
