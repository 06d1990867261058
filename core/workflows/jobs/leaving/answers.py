"""Predictions of many new images, outside of the page."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from core.runs.jobs import Job, JobRequest, JobStore
from core.runs.status import LIVE
from core.workflows.jobs.job_process import JobContext

if TYPE_CHECKING:
    from core.workflows.new_images.answers import Answers


@dataclass(frozen=True, slots=True)
class AnswersRequest(JobRequest):
    """Which network is asked about which images.

    Attributes:
        run: The run's id.
        weights: Which of its weights, see :func:`core.workflows.checkpoints.network_at`.
        stamp: When they were written: others are asked anew.
        lot: Id of the images, see :mod:`core.workflows.new_images.lots`.
    """

    kind: ClassVar[str] = "answers"
    run: str
    weights: str = "best"
    stamp: str = ""
    lot: str = ""

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Reads what a request was written as."""
        return cls(str(record["run"]), str(record["weights"]), str(record["stamp"]), str(record["lot"]))


def work(request: AnswersRequest, context: JobContext) -> None:
    """Asks the network, and keeps what it says in the job's folder."""
    from core.runs.store import RunStore
    from core.workflows.checkpoints import network_at
    from core.workflows.images import learned_from
    from core.workflows.new_images.answers import answer, keep
    from core.workflows.new_images.listing import images_below
    from core.workflows.new_images.lots import open_lot

    run = RunStore(context.runs_dir).get(request.run)
    lot = open_lot(request.lot)
    context.progress("building the network")
    network = network_at(run, request.weights, roots=context.roots)
    dataset = images_below(lot.path, network.classes, roots=context.roots)

    progress = partial(context.step, "predicting")
    progress(0, len(dataset))
    found = answer(network, dataset, learned=learned_from(run, dataset, roots=context.roots), progress=progress)
    keep(context.job.path, found)
    context.job.write_result({"images": len(found)})


def result(job: Job) -> Answers | None:
    """Returns what the network said; ``None`` before it did, or where that is damaged."""
    from core.workflows.new_images.answers import kept

    return kept(job.path) if job.result else None


def forget(lot: str, runs_dir: Path | str | None = None) -> None:
    """Deletes what was said of images that are forgotten; a job that is at work on them is ended."""
    store = JobStore(AnswersRequest.kind, runs_dir)
    for job in list(store.matching({"lot": lot})):
        if job.state in LIVE:
            job.request_stop()
        else:
            shutil.rmtree(job.path, ignore_errors=True)
