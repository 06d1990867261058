"""Measuring a run under corruptions and attacks, outside of the page: a job that fills the run's own record of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from core.errors import InputError
from core.runs.jobs import Job, JobRequest
from core.runs.store import RunStore
from core.workflows.jobs.job_process import JobContext

if TYPE_CHECKING:
    from core.workflows.judging.robustness import Robustness


@dataclass(frozen=True, slots=True)
class RobustnessRequest(JobRequest):
    """What is measured.

    Attributes:
        run: The run's id.
        stamp: As :func:`core.workflows.jobs.heatmap_study.weights_stamp` returns it.
        split: ``test``, ``val`` or ``train``.
        most: Pictures at most; 0 for all.
        corruptions: Corruptions and attacks, by name.
    """

    kind: ClassVar[str] = "robustness"
    run: str
    stamp: str
    split: str
    most: int
    corruptions: tuple[str, ...]

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Reads what a request was written as."""
        return cls(
            str(record["run"]),
            str(record["stamp"]),
            str(record["split"]),
            int(record["most"]),
            tuple(map(str, record["corruptions"])),
        )

    def identity(self) -> dict[str, Any]:
        """Returns all but the corruptions: what is measured of the same pictures is one record."""
        return {name: value for name, value in self.as_record().items() if name != "corruptions"}


def work(request: RobustnessRequest, context: JobContext) -> None:
    """Measures what was not measured yet; the corruptions that were done before a cancel are kept."""
    from core.workflows.judging.robustness import measure

    run = RunStore(context.runs_dir).get(request.run)

    measure(
        run,
        request.corruptions,
        split=request.split,
        most=request.most,
        device=request.device,
        roots=context.roots,
        progress=context.step,
    )


def result(job: Job) -> Robustness | None:
    """Returns what the run's folder holds by now; ``None`` where that is nothing."""
    from core.runs.queue_entries import runs_folder
    from core.workflows.judging.robustness import measured

    try:
        request = RobustnessRequest.from_record(job.request)
        return measured(RunStore(runs_folder(job)).get(request.run), request.split, most=request.most)
    except (InputError, AttributeError, KeyError, TypeError, ValueError):
        return None
