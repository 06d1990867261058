"""Finding a learning rate beside the page: a range test in a process of its own, kept, and found again.

A test is kept by what it depends on (:func:`core.training.lr_finder.only_phase`): taking the suggested rate, or giving
the run another name or length, finds the same test again. This module loads no torch before a test is made.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import Cancelled, InputError
from core.runs.jobs import Job, JobStore
from core.runs.launch import start_job
from core.runs.queue import queue_device
from core.runs.recorder import EventSink, Recorder
from core.specs import Experiment
from core.workflows.jobs.job_process import carry_out, turn

if TYPE_CHECKING:
    from core.training.lr_finder import RateCurve

KIND = "rates"


def start(
    experiment: Experiment,
    phase: int = 0,
    runs_dir: Path | str | None = None,
    *,
    roots: Sequence[Path] | None = None,
    owner: str = "",
) -> Job:
    """Starts a process that looks for a phase's learning rate; it queues for the device with the runs.

    Args:
        experiment: What is to be trained.
        phase: The phase's place, from 0.
        runs_dir: Folder of the runs, beside which the job is kept.
        roots: Folders that images may be read under, links resolved; ``None`` for no limit.
        owner: Who starts it; owners take turns at a device.

    Raises:
        InputError: There is no such phase, the folder cannot be written, or no process can be started.
    """
    return start_job(KIND, "lr-find", _request(experiment, phase), runs_dir, roots=roots, owner=owner)


def latest(experiment: Experiment, phase: int = 0, runs_dir: Path | str | None = None) -> Job | None:
    """Returns the newest job that looked for this phase's rate, whatever became of it.

    Raises:
        InputError: There is no such phase.
    """
    wanted = _request(experiment, phase)["experiment"]
    return next((job for job in JobStore(KIND, runs_dir).list() if job.request.get("experiment") == wanted), None)


def result(job: Job) -> RateCurve | None:
    """Returns what a job found; ``None`` before it did, or where that is damaged."""
    from core.training.lr_finder import RateCurve

    record = job.result
    try:
        return RateCurve.from_record(record) if record else None
    except (KeyError, TypeError, ValueError):
        return None


def find_now(
    experiment: Experiment,
    phase: int | str = 0,
    *,
    steps: int | None = None,
    runs_dir: Path | str | None = None,
    roots: Sequence[Path] | None = None,
    tell: EventSink = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
) -> RateCurve:
    """Looks for a phase's learning rate in this process.

    Args:
        experiment: What is to be trained.
        phase: The phase's place, from 0, or its name.
        steps: Optimizer steps of the test; as many as usual by default.
        runs_dir: Where ``run:`` weights are looked up.
        roots: Folders that images and weight files may be read under; ``None`` for no limit.
        tell: Receives what goes on: ``doing``, ``done``, ``total``, and while the test runs ``rate`` and ``loss``.
        stop: Asked several times a second.

    Raises:
        InputError: The experiment cannot be carried out, or the test cannot be made.
        Cancelled: ``stop`` said so.
    """
    from core.device import resolve_device, reuse_freed_memory
    from core.models.catalog import catalog
    from core.training import lr_finder
    from core.workflows.network_loading import build_network

    device = resolve_device(experiment.training.device)
    if device.type == "cpu":
        reuse_freed_memory()

    def report(doing: str, done: int = 0, total: int = 0, **more: float) -> None:
        tell({"doing": doing, "done": done, "total": total, **more})
        if stop():
            raise Cancelled

    alone = lr_finder.only_phase(experiment, phase)
    spec = alone.model
    catalog.fetch(spec.backbone, spec.weights, lambda now: report("downloading the weights", now.done, now.total or 0))
    report("building the network")
    dataset = _divided(alone, roots)
    network = build_network(spec, dataset.classes, seed=alone.training.seed, runs_dir=runs_dir, roots=roots)
    alone = _settled(alone, len(dataset.classes), device)
    count = lr_finder.STEPS if steps is None else steps
    material = _material(dataset, network, alone, lr_finder.images_needed(alone, count), report)
    with material.store:
        for event in lr_finder.find_rate(
            network, material, alone, device, steps=count, listen=lambda: lr_finder.stop_if(stop())
        ):
            if isinstance(event, lr_finder.RateCurve):
                return event
            if isinstance(event, lr_finder.Tried):
                report("trying rates", event.done, event.total, rate=event.rate, loss=event.loss)
            else:
                report(event.doing, event.done, event.total)
    raise Cancelled


def work(job: Job, tell: EventSink = lambda _: None, *, roots: Sequence[Path] | None = None) -> dict[str, Any]:
    """Carries out a job of :func:`start` in this process; returns its final status.

    Args:
        job: A job in state *queued*.
        tell: Receives what goes on, for a progress display.
        roots: Folders that images may be read under; ``None`` for no limit.

    Raises:
        InputError: The request cannot be carried out; the status says why, too. Or the job was done before, or is
            being done; then nothing is changed.
    """
    return carry_out(
        job,
        lambda recorder: _work(job, recorder, tell, roots),
        busy=InputError("This learning rate is looked for by another process already."),
        done=InputError("This learning rate was looked for before. Start a new search."),
        unforeseen=InputError(
            "The search for a learning rate ended with an error that was not foreseen; its log has the details."
        ),
    )


def _work(job: Job, recorder: Recorder, tell: EventSink, roots: Sequence[Path] | None) -> None:
    experiment = Experiment.from_json(json.dumps(job.request.get("experiment")))

    def report(record: dict[str, Any]) -> None:
        recorder.update(now=False, **record)
        tell(record)

    with turn(job, recorder, queue_device(experiment.training.device), tell) as held:
        if not held:
            return
        recorder.update(state="running", doing="loading libraries", ahead=0, begun=time.time())
        try:
            found = find_now(
                experiment, runs_dir=job.path.parent.parent, roots=roots, tell=report, stop=lambda: job.stop_requested
            )
        except Cancelled:
            recorder.update(state="stopped", doing="", ended=time.time())
            return
    job.write_result(found.as_record())
    recorder.update(state="finished", doing="", ended=time.time(), seconds=found.seconds)


def _request(experiment: Experiment, phase: int) -> dict[str, Any]:
    from core.training.lr_finder import only_phase

    return {"experiment": json.loads(only_phase(experiment, phase).to_json()), "phase": phase}


def _divided(experiment: Experiment, roots: Sequence[Path] | None) -> Any:
    from core.data.sources import open_dataset
    from core.data.splits import split

    spec = experiment.data
    dataset = open_dataset(spec.source, roots=roots, seed=spec.seed, images_per_class=spec.images_per_class)
    return split(dataset, spec)


def _settled(experiment: Experiment, classes: int, device: Any) -> Experiment:
    """Returns the experiment with a number as its batch size."""
    from dataclasses import replace

    from core.training.estimate import batch_size

    if experiment.training.batch_size != "auto":
        return experiment
    size = batch_size.batch_size(experiment, classes, device)
    return replace(experiment, training=replace(experiment.training, batch_size=size))


def _material(dataset: Any, network: Any, experiment: Experiment, most: int, report: Callable[..., None]) -> Any:
    """Decodes the training images that the test looks at, and no others; leaves out what cannot be read."""
    import torch

    from core import settings
    from core.data.pixel_store import PixelStore
    from core.training.features.batch_sources import Material

    positions = torch.tensor(dataset.positions("train"))
    chance = torch.Generator().manual_seed(experiment.training.seed)
    positions = positions[torch.randperm(len(positions), generator=chance)[:most]].sort().values
    chosen = dataset.subset(positions.tolist())
    store = PixelStore(
        chosen, network.preprocessing, canvas=experiment.augment.active, max_bytes=settings.pixel_cache_limit()
    )
    broken = {bad.key for bad in store.fill(progress=lambda done, total: report("reading images", done, total))}
    kept = torch.tensor([place for place, item in enumerate(chosen.items) if item.key not in broken], dtype=torch.long)
    return Material(store, kept, kept[:1])
