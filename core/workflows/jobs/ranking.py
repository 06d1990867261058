"""Ranking backbones outside of the page: a job that scores each, and its result while it grows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from core.errors import Cancelled, InputError
from core.runs.jobs import Job, JobRequest, JobStore
from core.specs import DataSpec, ModelSpec, from_record
from core.workflows.advisor.ranking import IMAGES, Ranking
from core.workflows.jobs.job_process import JobContext


@dataclass(frozen=True, slots=True)
class RankingRequest(JobRequest):
    """Which backbones are ranked on which images.

    Attributes:
        data: The images and their division, by which a ranking is found again.
        models: Networks with their weights.
        images: Training images to look at, at most.
        device: ``auto``, ``cpu``, ``cuda``, ...
    """

    kind: ClassVar[str] = "rankings"
    data: DataSpec
    models: tuple[ModelSpec, ...] = ()
    images: int = IMAGES
    device: str = "auto"

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Reads what a request was written as."""
        models = tuple(from_record(ModelSpec, "model", model) for model in record["models"])
        data = from_record(DataSpec, "data", record["data"])
        return cls(data, models, int(record["images"]), str(record["device"]))

    def identity(self) -> dict[str, Any]:
        """Returns the images: rankings of any backbones on them are found."""
        return {"data": asdict(self.data)}


def result(job: Job) -> Ranking | None:
    """Returns what a ranking has found so far; ``None`` before its first backbone is done, or where it is damaged."""
    record = job.result
    try:
        return Ranking.from_record(record) if record else None
    except InputError:
        return None


def latest(
    data: DataSpec, *, model: ModelSpec | None = None, least: int = 1, runs_dir: Path | str | None = None
) -> Ranking | None:
    """Returns the newest ranking on these images, divided alike, that found something.

    Args:
        data: The images and their division.
        model: A network that the ranking must have scored.
        least: How many networks it must have been made for.
        runs_dir: Folder of the runs.
    """
    for job in JobStore(RankingRequest.kind, runs_dir).matching(RankingRequest(data).identity()):
        ranking = result(job)
        if ranking is None or not ranking.ordered() or len(job.request.get("models", ())) < least:
            continue
        row = ranking.find(model) if model is not None else None
        if model is None or (row is not None and row.scores is not None):
            return ranking
    return None


def work(request: RankingRequest, context: JobContext) -> None:
    """Ranks the backbones; the result holds those that are done."""
    from core.workflows.advisor.rank_backbones import rank

    ranking = rank(
        request.data,
        request.models,
        device=request.device,
        images_limit=request.images,
        roots=context.roots,
        runs_dir=context.runs_dir,
        progress=lambda step: context.progress(**step._asdict()),
        found=lambda so_far: context.job.write_result(so_far.as_record()),
        stop=context.cancelled,
    )
    context.job.write_result(ranking.as_record())
    if not ranking.complete:
        raise Cancelled
