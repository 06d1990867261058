"""The map of all images outside of the page: a job that looks at every picture and lays them out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from core.errors import Cancelled
from core.runs.jobs import Job, JobRequest
from core.specs import DataSpec, from_record
from core.workflows.jobs.data_check import NICENESS, CheckRequest
from core.workflows.jobs.job_process import JobContext

if TYPE_CHECKING:
    from core.workflows.data_check.picture_map import PictureMap


@dataclass(frozen=True, slots=True)
class MapRequest(JobRequest):
    """Which images are laid out.

    Attributes:
        data: The images, as they lie there.
        stamp: Which state of the files it is, in words of who asks.
    """

    kind: ClassVar[str] = "maps"
    data: DataSpec
    stamp: str = ""

    @classmethod
    def of(cls, check: CheckRequest) -> Self:
        """Returns the request to lay out the images that a check is of, whose features it shares."""
        return cls(check.data, check.stamp)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Reads what a request was written as."""
        return cls(from_record(DataSpec, "data", record["data"]), str(record["stamp"]))


def work(request: MapRequest, context: JobContext) -> None:
    """Looks at the images and lays them out."""
    from core.data.sources import open_spec
    from core.workflows.data_check.picture_map import draw_map

    os.nice(NICENESS)

    def progress(doing: str, done: int, total: int) -> None:
        if context.cancelled():
            raise Cancelled
        context.progress(doing, done, total)

    context.job.write_result(draw_map(open_spec(request.data, roots=context.roots), progress).as_record())


def result(job: Job) -> PictureMap | None:
    """Returns the map; ``None`` where there is none yet, or it is damaged."""
    from core.workflows.data_check.picture_map import PictureMap

    try:
        return PictureMap.from_record(job.result) if job.result else None
    except (KeyError, TypeError, ValueError):
        return None
