"""Growing pictures outside of the page: activation maximisation and DeepDream in a process of their own.

Grown pictures go to the cache that :func:`core.interpret.visualization.activation_maximization.maximise` keeps, where
the page finds each as soon as it is there. A DeepDream lies in the job's folder. This module loads no torch
before the work begins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from core.data.encoding import from_text
from core.messages import Progress
from core.runs.files import write_atomic
from core.runs.jobs import Job, JobRequest, JobStore
from core.workflows.jobs.job_process import JobContext

if TYPE_CHECKING:
    from core.interpret.visualization.deepdream import DeepDream
    from core.models.network import Network

PICTURE, ORIGINAL = "dream.png", "original.png"


@dataclass(frozen=True, slots=True)
class VisualizationJob(JobRequest):
    """What is to be grown.

    Attributes:
        reference: A run's id, or at a checkpoint (``RUN@start``), or a backbone's name.
        layer: The layer; empty for the classes of the network's head.
        weights: For a backbone, ``default``, ``none`` or the name of one of its entries.
        channels: Channels, or classes. Empty for a DeepDream.
        size: Pixels a side; for a DeepDream the longest side.
        steps: Steps of ascent; for a DeepDream those at each size.
        seed: Of starts and movements.
        place: A neuron's row and column, or ``centre``; ``None`` for whole channels.
        octaves: Sizes of a DeepDream.
        strength: Strength of a DeepDream.
        picture: The picture of a DeepDream, an encoded file in base64.
        precision: ``fp32``, ``bf16`` or ``auto``; it is part of the name under which pictures are kept.
        device: ``auto``, ``cpu``, ``cuda``, ...
    """

    kind: ClassVar[str] = "dreams"
    reference: str
    layer: str
    weights: str = "default"
    channels: tuple[int, ...] = ()
    size: int = 128
    steps: int = 128
    seed: int = 0
    place: tuple[int, int] | str | None = None
    octaves: int = 4
    strength: float = 1.0
    picture: str = ""
    precision: str = "auto"
    device: str = "auto"

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Reads what a request was written as."""
        place = record.get("place")
        changes = {
            "channels": tuple(int(c) for c in record["channels"]),
            "place": tuple(int(p) for p in place) if isinstance(place, list | tuple) else place,
        }
        return cls(**{**record, **changes})


def latest(
    reference: str, weights: str, *, deep: bool, layer: str | None = None, runs_dir: Path | str | None = None
) -> Job | None:
    """Returns the newest job that looks into a network, whatever became of it.

    Args:
        reference: A run's id or a backbone's name.
        weights: The backbone's weights.
        deep: Whether DeepDreams are meant.
        layer: The layer, empty for the classes; ``None`` for any.
        runs_dir: Folder of the runs.
    """
    wanted = {"reference": reference, "weights": weights, **({} if layer is None else {"layer": layer})}
    found = JobStore(VisualizationJob.kind, runs_dir).matching(wanted)
    return next((job for job in found if deep is not bool(job.request.get("channels"))), None)


def work(request: VisualizationJob, context: JobContext) -> None:
    """Grows the pictures, each cached once it is there, or makes a DeepDream."""
    from core.device import resolve_device, reuse_freed_memory
    from core.interpret.visualization.activation_maximization import maximise, maximise_classes
    from core.workflows.checkpoints import network_named

    device = resolve_device(request.device)
    if device.type == "cpu":
        reuse_freed_memory()
    context.step("building the network")
    network = network_named(request.reference, weights=request.weights, runs_dir=context.runs_dir)
    network.model.to(device)
    if not request.channels:
        keep(context.job, deep(network, request, lambda done, total: context.step("dreaming", done, total)))
        return
    ready: list[int] = []
    common: dict[str, Any] = {
        "size": request.size,
        "steps": request.steps,
        "seed": request.seed,
        "precision": request.precision,
        "on_image": lambda one: ready.append(one.channel),
        "progress": lambda done, total: context.step("growing", done, total, ready=len(ready)),
    }
    if request.layer:
        maximise(network, request.layer, request.channels, place=request.place, **common)  # type: ignore[arg-type]
    else:
        maximise_classes(network, request.channels, **common)


def deep(network: Network, request: VisualizationJob, progress: Progress | None = None) -> DeepDream:
    """Makes the DeepDream of a request's picture.

    Raises:
        InputError: The picture cannot be read; or as :func:`core.interpret.visualization.deepdream.deep_dream`.
    """
    from core.data.images import open_image
    from core.interpret.visualization.deepdream import Depth, deep_dream

    picture = open_image(from_text(request.picture))
    depth = Depth(request.octaves, steps=request.steps, strength=request.strength, side=request.size, seed=request.seed)
    return deep_dream(network, picture, request.layer, depth=depth, progress=progress)


def keep(job: Job, dream: DeepDream) -> None:
    """Writes a DeepDream, and the picture before, into the job's folder."""
    from core.data.encoding import png

    for name, values in ((PICTURE, dream.image), (ORIGINAL, dream.original)):
        write_atomic(job.path / name, png(values, repeats=True))
    job.write_result({"layer": dream.layer, "before": dream.before, "after": dream.after})


def result(job: Job) -> DeepDream | None:
    """Returns a job's DeepDream, with the picture before; ``None`` where there is none.

    Grown pictures are not here but in their cache.
    """
    import numpy as np
    from PIL import Image

    from core.interpret.visualization.deepdream import DeepDream

    try:
        image, original = (np.array(Image.open(job.path / name).convert("RGB")) for name in (PICTURE, ORIGINAL))
        record = job.result
        return DeepDream(image, original, str(record["layer"]), float(record["before"]), float(record["after"]))
    except (OSError, KeyError, TypeError, ValueError):
        return None
