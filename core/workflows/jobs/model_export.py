"""Writing a run's network for use elsewhere, outside of the page: a job that leaves a zip in its folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from core.errors import InputError
from core.runs.jobs import Job, JobRequest
from core.workflows.jobs.job_process import JobContext

if TYPE_CHECKING:
    from core.workflows.export.model.package import Exported

PACKAGE = "model.zip"
"""The zip's name in the job's folder."""


@dataclass(frozen=True, slots=True)
class ExportRequest(JobRequest):
    """Which network is written, and how.

    Attributes:
        run: The run's id.
        weights: Which of its weights: ``best``, ``last``, or an epoch.
        stamp: As :func:`core.workflows.jobs.heatmap_study.weights_stamp` returns it: better weights are written anew.
        format: A format of :data:`core.workflows.export.model.formats.FORMATS`.
    """

    kind: ClassVar[str] = "exports"
    run: str
    weights: str = "best"
    stamp: str = ""
    format: str = "onnx"

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Reads what a request was written as."""
        return cls(str(record["run"]), str(record["weights"]), str(record["stamp"]), str(record["format"]))


def work(request: ExportRequest, context: JobContext) -> None:
    """Writes the zip, and what was measured of it."""
    from core.runs.store import RunStore
    from core.workflows.export.model.package import export_package

    run = RunStore(context.runs_dir).get(request.run)

    with (context.job.path / PACKAGE).open("wb") as file:
        found = export_package(
            run, request.format, file, checkpoint=request.weights, roots=context.roots, step=context.step
        )
    context.job.write_result(found.as_record())


def package_of(job: Job) -> Path:
    """Returns the zip that a finished job has left."""
    return job.path / PACKAGE


def result(job: Job) -> Exported | None:
    """Returns what was written; ``None`` before it is done, or where it is damaged."""
    from core.workflows.export.model.package import Exported

    record = job.result
    try:
        return Exported.from_record(record) if record and package_of(job).is_file() else None
    except (InputError, KeyError, TypeError, ValueError):
        return None
