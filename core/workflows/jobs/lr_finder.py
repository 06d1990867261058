"""Finding a learning rate outside of the page: a range test in a process of its own, kept, and found again.

A test is kept by what it depends on (:func:`core.training.lr_finder.only_phase`): taking the suggested rate, or giving
the run another name or length, finds the same test again. This module loads no torch before a test is made.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from core.errors import Cancelled
from core.runs.jobs import Job, JobRequest
from core.runs.recorder import EventSink
from core.specs import Experiment
from core.workflows.jobs.job_process import JobContext

if TYPE_CHECKING:
    import torch

    from core.data.dataset import Dataset
    from core.models.network import Network
    from core.training.features.batch_sources import Material
    from core.training.lr_finder import RateCurve


@dataclass(frozen=True, slots=True)
class RateRequest(JobRequest):
    """Which phase's rate is looked for.

    Attributes:
        experiment: What is to be trained, the phase alone; a test is found again by it.
        phase: The phase's place in the whole experiment, from 0.
    """

    kind: ClassVar[str] = "rates"
    experiment: Experiment
    phase: int

    @property
    def device(self) -> str:
        """The one that is trained on."""
        return self.experiment.training.device

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Reads what a request was written as."""
        return cls(Experiment.from_json(json.dumps(record["experiment"])), int(record["phase"]))

    def as_record(self) -> dict[str, Any]:
        """Returns it as JSON can hold it."""
        return {**self.identity(), "phase": self.phase}

    def identity(self) -> dict[str, Any]:
        """Returns the experiment of the phase, wherever the phase stands."""
        return {"experiment": json.loads(self.experiment.to_json())}


def rate_request(experiment: Experiment, phase: int = 0) -> RateRequest:
    """Returns the request to look for a phase's rate.

    Args:
        experiment: What is to be trained.
        phase: The phase's place, from 0.

    Raises:
        InputError: There is no such phase.
    """
    from core.training.lr_finder import only_phase

    return RateRequest(only_phase(experiment, phase), phase)


def result(job: Job) -> RateCurve | None:
    """Returns what a job found; ``None`` before it did, or where that is damaged."""
    from core.training.lr_finder import RateCurve

    record = job.result
    try:
        return RateCurve.from_record(record) if record else None
    except (KeyError, TypeError, ValueError):
        return None


def work(request: RateRequest, context: JobContext) -> None:
    """Makes the range test."""
    found = find_now(
        request.experiment,
        runs_dir=context.runs_dir,
        roots=context.roots,
        emit=lambda record: context.progress(**record),
        stop=context.cancelled,
    )
    context.job.write_result(found.as_record())


def find_now(
    experiment: Experiment,
    phase: int | str = 0,
    *,
    steps: int | None = None,
    runs_dir: Path | str | None = None,
    roots: Sequence[Path] | None = None,
    emit: EventSink = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
) -> RateCurve:
    """Looks for a phase's learning rate in this process.

    Args:
        experiment: What is to be trained.
        phase: The phase's place, from 0, or its name.
        steps: Optimizer steps of the test; as many as usual by default.
        runs_dir: Where ``run:`` weights are looked up.
        roots: Folders that images and weight files may be read under; ``None`` for no limit.
        emit: Receives progress records: ``doing``, ``done``, ``total``, and while the test runs ``rate`` and ``loss``.
        stop: Called several times a second.

    Raises:
        InputError: The experiment cannot be carried out, or the test cannot be made.
        Cancelled: ``stop`` returned true.
    """
    from core.device import resolve_device, reuse_freed_memory
    from core.models.catalog import catalog
    from core.training import lr_finder
    from core.workflows.network_loading import build_network

    device = resolve_device(experiment.training.device)
    if device.type == "cpu":
        reuse_freed_memory()

    def report(doing: str, done: int = 0, total: int = 0, **more: float) -> None:
        emit({"doing": doing, "done": done, "total": total, **more})
        if stop():
            raise Cancelled

    alone = lr_finder.only_phase(experiment, phase)
    spec = alone.model
    catalog.fetch(spec.backbone, spec.weights, lambda now: report("downloading the weights", now.done, now.total or 0))
    report("building the network")
    dataset = _divided(alone, roots)
    network = build_network(spec, dataset.classes, seed=alone.training.seed, runs_dir=runs_dir, roots=roots)
    alone = _settled(alone, len(dataset.classes), device)
    count = lr_finder.DEFAULT_STEPS if steps is None else steps
    material = _material(dataset, network, alone, lr_finder.images_needed(alone, count), report)
    with material.store:
        for event in lr_finder.find_rate(
            network, material, alone, device, steps=count, poll_requests=lambda: lr_finder.stop_requests(stop())
        ):
            if isinstance(event, lr_finder.RateCurve):
                return event
            if isinstance(event, lr_finder.Tried):
                report("trying rates", event.done, event.total, rate=event.rate, loss=event.loss)
            else:
                report(event.doing, event.done, event.total)
    raise Cancelled


def _divided(experiment: Experiment, roots: Sequence[Path] | None) -> Dataset:
    from core.data.sources import open_spec
    from core.workflows.data_check.dividing import divide

    return divide(open_spec(experiment.data, roots=roots), experiment.data)


def _settled(experiment: Experiment, classes: int, device: torch.device) -> Experiment:
    """Returns the experiment with a number as its batch size."""
    from dataclasses import replace

    from core.training.estimate import batch_size

    if experiment.training.batch_size != "auto":
        return experiment
    size = batch_size.batch_size(experiment, classes, device)
    return replace(experiment, training=replace(experiment.training, batch_size=size))


def _material(
    dataset: Dataset, network: Network, experiment: Experiment, limit: int, report: Callable[..., None]
) -> Material:
    """Decodes the training images that the test looks at, and no others; leaves out what cannot be read."""
    import torch

    from core import settings
    from core.data.pixel_store import PixelStore
    from core.training.features.batch_sources import Material

    positions = torch.tensor(dataset.positions("train"))
    generator = torch.Generator().manual_seed(experiment.training.seed)
    positions = positions[torch.randperm(len(positions), generator=generator)[:limit]].sort().values
    chosen = dataset.subset(positions.tolist())
    store = PixelStore(
        chosen, network.preprocessing, canvas=experiment.augment.active, max_bytes=settings.pixel_cache_limit()
    )
    broken = {bad.key for bad in store.fill(progress=lambda done, total: report("reading images", done, total))}
    readable = torch.tensor(
        [place for place, item in enumerate(chosen.items) if item.key not in broken], dtype=torch.long
    )
    return Material(store, readable, readable[:1])
