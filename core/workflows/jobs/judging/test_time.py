"""Test-time augmentation outside of the page: a job that judges several views of each picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from core.runs.jobs import Job, JobRequest
from core.runs.store import RunStore
from core.workflows.jobs.job_process import JobContext

if TYPE_CHECKING:
    from core.workflows.judging.test_time import TestTime


@dataclass(frozen=True, slots=True)
class ViewsRequest(JobRequest):
    """What is judged.

    Attributes:
        run: The run's id.
        stamp: As :func:`core.workflows.jobs.heatmap_study.weights_stamp` returns it.
        split: ``test``, ``val`` or ``train``.
        most: Pictures at most; 0 for all.
        way: One of :data:`core.workflows.judging.test_time.WAYS`.
        draws: Draws of each picture.
        seed: Seed of the draws.
    """

    kind: ClassVar[str] = "views"
    run: str
    stamp: str
    split: str
    most: int
    way: str
    draws: int
    seed: int = 0

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Reads what a request was written as."""
        return cls(
            str(record["run"]),
            str(record["stamp"]),
            str(record["split"]),
            int(record["most"]),
            str(record["way"]),
            int(record["draws"]),
            int(record["seed"]),
        )


def work(request: ViewsRequest, context: JobContext) -> None:
    """Judges the views."""
    from core.workflows.judging.test_time import Views, average_views

    found = average_views(
        RunStore(context.runs_dir).get(request.run),
        Views(request.way, request.draws, request.seed),
        split=request.split,
        most=request.most,
        device=request.device,
        roots=context.roots,
        progress=context.step,
    )
    context.job.write_result(found.as_record())


def result(job: Job) -> TestTime | None:
    """Returns what was found; ``None`` before it was, or where that is damaged."""
    from core.workflows.judging.test_time import TestTime

    try:
        return TestTime.from_record(job.result) if job.result else None
    except (KeyError, TypeError, ValueError):
        return None
