"""Writing a run's report, outside of the page: a job that leaves an HTML file in its folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from core.runs.jobs import Job, JobRequest
from core.workflows.jobs import data_check
from core.workflows.jobs.job_process import JobContext

if TYPE_CHECKING:
    from core.workflows.report.report import Written

FILE = "report.html"
"""The report's name in the job's folder."""


@dataclass(frozen=True, slots=True)
class ReportRequest(JobRequest):
    """Whose report is written.

    Attributes:
        run: The run's id.
        weights: Which of its weights, see :func:`core.workflows.checkpoints.network_at`.
        stamp: As :func:`core.workflows.jobs.heatmap_study.weights_stamp` returns it.
        language: Code of the language that it is written in.
    """

    kind: ClassVar[str] = "reports"
    run: str
    weights: str = "best"
    stamp: str = ""
    language: str = "en"

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Reads what a request was written as."""
        return cls(str(record["run"]), str(record["weights"]), str(record["stamp"]), str(record.get("language", "en")))


def work(request: ReportRequest, context: JobContext) -> None:
    """Writes the report."""
    from core.runs.store import RunStore
    from core.workflows.report.report import write_report

    run = RunStore(context.runs_dir).get(request.run)
    path = file_of(context.job)
    found = write_report(
        run,
        path,
        checkpoint=request.weights,
        roots=context.roots,
        language=request.language,
        check=data_check.kept(run.experiment.data, context.runs_dir),
        step=context.step,
    )
    context.job.write_result(asdict(found))


def file_of(job: Job) -> Path:
    """Returns the report that a finished job has left."""
    return job.path / FILE


def result(job: Job) -> Written | None:
    """Returns what was written; ``None`` before it is done, or where it is damaged."""
    from core.workflows.report.report import Written

    record = job.result
    try:
        found = Written(int(record["bytes"]), int(record["pictures"]), str(record["split"]))
    except (KeyError, TypeError, ValueError):
        return None
    return found if file_of(job).is_file() else None
