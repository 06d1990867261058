"""Writing changed copies of the training images, as a data source of its own, in a process of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Self

from core import settings
from core.errors import InputError
from core.runs.jobs import Job, JobRequest
from core.specs import AugmentSpec, DataSpec, from_record
from core.specs.checks import whole
from core.workflows.jobs.job_process import JobContext

MOST_COPIES = 200
"""Times that an image is written at most."""
_WEIGHED = 24
"""Images whose size stands for all."""
_NAME = re.compile(r"[\w][\w .-]{0,59}")


@dataclass(frozen=True, slots=True)
class CopiesRequest(JobRequest):
    """What is written.

    Attributes:
        data: The images, and how they are divided.
        augment: The changes.
        copies: Times that each training image is written, itself among them.
        seed: Seed of the changes.
        name: Folder of the new data source, below that of uploads.
    """

    kind: ClassVar[str] = "copies"
    data: DataSpec
    augment: AugmentSpec
    copies: int
    seed: int
    name: str

    def __post_init__(self) -> None:
        whole("copies", self.copies, low=2, high=MOST_COPIES)
        if not _NAME.fullmatch(self.name):
            raise InputError(
                "{name} is no name for a folder. Take up to 60 letters, digits, spaces, dots or hyphens.",
                name=self.name[:80],
            )

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Reads what a request was written as."""
        data, augment = (
            from_record(DataSpec, "data", record["data"]),
            from_record(AugmentSpec, "augment", record["augment"]),
        )
        return cls(data, augment, int(record["copies"]), int(record["seed"]), str(record["name"]))


@dataclass(frozen=True, slots=True)
class Copies:
    """What was written.

    Attributes:
        name: The new data source.
        before: Training images by class.
        after: The same, with their copies.
    """

    name: str
    before: dict[str, int]
    after: dict[str, int]


def work(request: CopiesRequest, context: JobContext) -> None:
    """Divides the images, writes them and their copies, and counts what stands there."""
    from core.data.division.offline_copies import write_copies
    from core.data.division.on_disk import stored
    from core.data.sources import open_dataset, open_spec
    from core.uploads import check_room, usage
    from core.workflows.data_check.dividing import divide

    context.progress("reading images")
    dataset = divide(open_spec(request.data, roots=context.roots), request.data)
    before = dataset.counts()["train"]
    root = settings.uploads_dir()
    root.mkdir(parents=True, exist_ok=True)
    some = [len(stored(dataset, item)) for item in dataset.items[:_WEIGHED]]
    files = len(dataset) + sum(before.values()) * (request.copies - 1)
    check_room(round(files * sum(some) / len(some)), request.name, root, usage())

    target = write_copies(
        dataset,
        request.augment,
        request.copies,
        root / request.name,
        seed=request.seed,
        progress=partial(context.step, "writing copies"),
    )
    after = open_dataset(str(target)).counts()["train"]
    context.job.write_result({"name": target.name, "before": before, "after": after})


def result(job: Job) -> Copies | None:
    """Returns what was written; ``None`` where nothing was."""
    record = job.result
    try:
        return Copies(str(record["name"]), dict(record["before"]), dict(record["after"]))
    except (KeyError, TypeError, ValueError):
        return None
