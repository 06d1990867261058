"""The life of a ranking in a process of its own: wait for the device, rank, and say how it ended.

This module loads no torch, so that pages can start and read rankings, and a process that waits stays small.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.errors import InputError
from core.runs.jobs import Job, JobStore
from core.runs.launch import start_job
from core.runs.queue import queue_device
from core.runs.recorder import EventSink, Recorder
from core.specs import DataSpec, ModelSpec, from_record
from core.workflows.advisor.ranking import IMAGES, Ranking
from core.workflows.jobs.job_process import carry_out, turn

KIND = "rankings"


def start(
    data: DataSpec,
    models: Sequence[ModelSpec],
    *,
    images: int = IMAGES,
    device: str = "auto",
    runs_dir: Path | str | None = None,
    roots: Sequence[Path] | None = None,
) -> Job:
    """Makes a ranking and starts the process that computes it.

    Args:
        data: The images and their division.
        models: Networks with their weights.
        images: Training images to look at, at most.
        device: ``auto``, ``cpu``, ``cuda``, ...
        runs_dir: Folder of the runs, beside which the ranking is kept.
        roots: Folders that images may be read under, links resolved; ``None`` for no limit.

    Raises:
        InputError: The folder cannot be written, or no process can be started.
    """
    request = {
        "data": dataclasses.asdict(data),
        "models": [dataclasses.asdict(model) for model in models],
        "images": images,
        "device": device,
    }
    return start_job(KIND, "rank", request, runs_dir, roots=roots)


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
    for job in jobs(data, runs_dir):
        ranking = result(job)
        if ranking is None or not ranking.ordered() or len(job.request.get("models", ())) < least:
            continue
        row = ranking.find(model) if model is not None else None
        if model is None or (row is not None and row.scores is not None):
            return ranking
    return None


def jobs(data: DataSpec, runs_dir: Path | str | None = None) -> list[Job]:
    """Returns the rankings on these images, divided alike, the newest first, whatever became of them."""
    wanted = dataclasses.asdict(data)
    return [job for job in JobStore(KIND, runs_dir).list() if job.request.get("data") == wanted]


def work(job: Job, tell: EventSink = lambda _: None, *, roots: Sequence[Path] | None = None) -> dict[str, Any]:
    """Computes a ranking in this process, from the queue to the last word in its status.

    Args:
        job: A job in state *queued*.
        tell: Receives what goes on, for a progress display.
        roots: Folders that images may be read under; ``None`` for no limit.

    Returns:
        The job's final status.

    Raises:
        InputError: The request cannot be carried out; the status says why, too. Or the job was done before, or is
            being done; then nothing is changed.
    """
    return carry_out(
        job,
        lambda recorder: _work(job, recorder, tell, roots),
        busy=InputError("This ranking is computed by another process already."),
        done=InputError("This ranking was computed before. Make a new one."),
        unforeseen=InputError("The ranking ended with an error that was not foreseen; its log has the details."),
    )


def _work(job: Job, recorder: Recorder, tell: EventSink, roots: Sequence[Path] | None) -> None:
    request = job.request
    try:
        data = from_record(DataSpec, "data", request.get("data"))
        models = [from_record(ModelSpec, "model", model) for model in request["models"]]
        images, device = int(request["images"]), str(request["device"])
    except (KeyError, TypeError) as error:
        raise InputError("The request of this ranking is damaged. Make a new one.") from error
    with turn(job, recorder, queue_device(device), tell) as held:
        if not held:
            return
        recorder.update(state="starting", doing="loading libraries", ahead=0)
        from core.workflows.advisor.rank_backbones import Progress, rank

        def progress(step: Progress) -> None:
            recorder.update(now=False, **step._asdict())
            tell(step._asdict())

        recorder.update(state="running", begun=time.time())
        ranking = rank(
            data,
            models,
            device=device,
            images_limit=images,
            roots=roots,
            runs_dir=job.path.parent.parent,
            progress=progress,
            found=lambda so_far: job.write_result(so_far.as_record()),
            stop=lambda: job.stop_requested,
        )
    job.write_result(ranking.as_record())
    recorder.update(
        state="finished" if ranking.complete else "stopped", doing="", ended=time.time(), seconds=ranking.seconds
    )
