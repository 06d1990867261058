"""What each normalisation is worth, measured outside of the page: a job that asks the frozen network under each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

from core.runs.jobs import Job, JobRequest
from core.specs import DataSpec, ModelSpec, from_record
from core.workflows.jobs.job_process import JobContext

if TYPE_CHECKING:
    from core.workflows.advisor.normalisations import Normalised


@dataclass(frozen=True, slots=True)
class NormalisationRequest(JobRequest):
    """What is measured.

    Attributes:
        data: The images and their division.
        model: The network with its weights; whatever normalisation it names plays no part.
        stamp: Which state of the files it is, in words of who asks.
    """

    kind: ClassVar[str] = "normalisations"
    data: DataSpec
    model: ModelSpec
    stamp: str = ""

    @classmethod
    def of(cls, data: DataSpec, model: ModelSpec, stamp: str) -> Self:
        """Returns the request for a network, which is the same under every normalisation."""
        return cls(data, replace(model, normalise="weights", colours=()), stamp)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Reads what a request was written as."""
        data = from_record(DataSpec, "data", record["data"])
        return cls(data, from_record(ModelSpec, "model", record["model"]), str(record["stamp"]))


def work(request: NormalisationRequest, context: JobContext) -> None:
    """Measures the images' colours and then the accuracy of frozen features under each normalisation."""
    from core.data import statistics
    from core.data.sources import open_spec
    from core.models.catalog.catalog import prepared
    from core.workflows.advisor.normalisations import compare_normalisations
    from core.workflows.data_check.dividing import divide

    def report(_doing: str, done: int, total: int) -> None:
        context.raise_if_cancelled()
        context.progress("computing features", done, total)

    context.progress("measuring colours")
    divided = divide(open_spec(request.data, roots=context.roots), request.data)
    colours = statistics.colours(divided, prepared(request.model))
    context.raise_if_cancelled()
    rows = compare_normalisations(request.data, request.model, colours, roots=context.roots, progress=report)
    context.job.write_result({"rows": [row.as_record() for row in rows]})


def result(job: Job) -> list[Normalised] | None:
    """Returns a row a normalisation; ``None`` before they were measured, or where the record is damaged."""
    from core.workflows.advisor.normalisations import Normalised

    try:
        return [Normalised.from_record(row) for row in job.result["rows"]]
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
