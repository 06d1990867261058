"""The leak lab outside of the page: a job that computes features, divides twice and judges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self

from core.errors import InputError
from core.runs.jobs import Job, JobRequest
from core.workflows.jobs.job_process import JobContext

if TYPE_CHECKING:
    from core.workflows.leak.record import LeakPlan, LeakResult


@dataclass(frozen=True, slots=True)
class LeakRequest(JobRequest):
    """What is tried.

    Attributes:
        plan: The fields of a :class:`core.workflows.leak.record.LeakPlan`.
        device: ``auto``, ``cpu``, ``cuda``, ...
    """

    kind: ClassVar[str] = "leaks"
    plan: dict[str, Any] = field(default_factory=dict)
    device: str = "auto"

    @classmethod
    def of(cls, plan: LeakPlan, device: str = "auto") -> Self:
        """Returns the request for a plan."""
        return cls(asdict(plan), device)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Reads what a request was written as."""
        return cls(dict(record["plan"]), str(record["device"]))

    def identity(self) -> dict[str, Any]:
        """Returns the plan: what it found is found again on any device."""
        return {"plan": self.plan}


def result(job: Job) -> LeakResult | None:
    """Returns what a job found; ``None`` where it found nothing or is damaged."""
    from core.workflows.leak.record import LeakResult

    try:
        return LeakResult.from_record(job.result) if job.result else None
    except (KeyError, TypeError, ValueError, InputError):
        return None


def work(request: LeakRequest, context: JobContext) -> None:
    """Carries out the plan."""
    from core.workflows.leak.experiment import run
    from core.workflows.leak.record import LeakPlan

    def progress(done: int, total: int) -> None:
        context.raise_if_cancelled()
        context.progress("computing features" if done < total else "judging", done, total)

    plan = LeakPlan(**request.plan)
    found = run(plan, device=request.device, roots=context.roots, progress=progress)
    context.job.write_result(found.as_record())
