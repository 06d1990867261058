"""Growing pictures beside the page: activation maximisation and DeepDream in a process of their own.

Grown pictures go to the cache that :func:`core.interpret.visualization.activation_maximization.maximise` keeps, where
the page finds each as soon as it is there. A dreamt-into picture lies in the job's folder. This module loads no torch
before the work begins.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import Cancelled, InputError
from core.runs.files import write_atomic
from core.runs.jobs import Job, JobStore
from core.runs.launch import start_job
from core.runs.queue import queue_device
from core.runs.recorder import EventSink, Recorder
from core.workflows.jobs.job_process import carry_out, turn

if TYPE_CHECKING:
    from core.interpret.visualization.deepdream import DeepDream

KIND = "dreams"
PICTURE, ORIGINAL = "dream.png", "original.png"


@dataclass(frozen=True, slots=True)
class VisualizationJob:
    """What is to be grown.

    Attributes:
        reference: A run's id, or at a moment (``RUN@start``), or a backbone's name.
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
    def from_record(cls, record: Any) -> VisualizationJob:
        """Reads what :func:`dataclasses.asdict` made, also after JSON.

        Raises:
            InputError: It is damaged.
        """
        try:
            place = record.get("place")
            changes = {
                "channels": tuple(int(c) for c in record["channels"]),
                "place": tuple(int(p) for p in place) if isinstance(place, list | tuple) else place,
            }
            return cls(**{**record, **changes})
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise InputError("The request of this job is damaged. Make a new one.") from error


def start(wish: VisualizationJob, runs_dir: Path | str | None = None, *, owner: str = "") -> Job:
    """Starts a process that grows pictures; it queues for the device with the runs.

    Raises:
        InputError: The folder cannot be written, or no process can be started.
    """
    return start_job(KIND, "dream", dataclasses.asdict(wish), runs_dir, owner=owner)


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
    for job in JobStore(KIND, runs_dir).list():
        try:
            wish = VisualizationJob.from_record(job.request)
        except InputError:
            continue
        same = (wish.reference, wish.weights, not wish.channels) == (reference, weights, deep)
        if same and layer in (None, wish.layer):
            return job
    return None


def work(job: Job, tell: EventSink = lambda _: None) -> dict[str, Any]:
    """Carries out a job of :func:`start` in this process; returns its final status.

    Args:
        job: A job in state *queued*.
        tell: Receives what goes on, for a progress display.

    Raises:
        InputError: The request cannot be carried out; the status says why, too. Or the job was done before, or is
            being done; then nothing is changed.
    """
    return carry_out(
        job,
        lambda recorder: _work(job, recorder, tell),
        busy=InputError("These pictures are grown by another process already."),
        done=InputError("These pictures were grown before. Start again."),
        unforeseen=InputError("The work ended with an error that was not foreseen; its log has the details."),
    )


def _work(job: Job, recorder: Recorder, tell: EventSink) -> None:
    wish = VisualizationJob.from_record(job.request)

    def report(doing: str, done: int = 0, total: int = 0, **more: Any) -> None:
        recorder.update(now=False, doing=doing, done=done, total=total, **more)
        tell({"doing": doing, "done": done, "total": total, **more})
        if job.stop_requested:
            raise Cancelled

    with turn(job, recorder, queue_device(wish.device), tell) as held:
        if not held:
            return
        recorder.update(state="running", doing="loading libraries", ahead=0, begun=time.time())
        try:
            _grow(job, wish, report)
        except Cancelled:
            recorder.update(state="stopped", doing="", ended=time.time())
            return
    recorder.update(state="finished", doing="", ended=time.time())


def _grow(job: Job, wish: VisualizationJob, report: Callable[..., None]) -> None:
    from core.device import resolve_device, reuse_freed_memory
    from core.interpret.visualization import activation_maximization as dream
    from core.workflows.checkpoints import network_named

    device = resolve_device(wish.device)
    if device.type == "cpu":
        reuse_freed_memory()
    report("building the network")
    network = network_named(wish.reference, weights=wish.weights, runs_dir=job.path.parent.parent)
    network.model.to(device)
    if not wish.channels:
        keep(job, deep(network, wish, lambda done, total: report("dreaming", done, total)))
        return
    ready: list[int] = []
    common: dict[str, Any] = {
        "size": wish.size,
        "steps": wish.steps,
        "seed": wish.seed,
        "precision": wish.precision,
        "found": lambda one: ready.append(one.channel),
        "progress": lambda done, total: report("growing", done, total, ready=len(ready)),
    }
    if wish.layer:
        dream.maximise(network, wish.layer, wish.channels, place=wish.place, **common)  # type: ignore[arg-type]
    else:
        dream.maximise_classes(network, wish.channels, **common)


def deep(network: Any, wish: VisualizationJob, progress: Callable[[int, int], None] | None = None) -> DeepDream:
    """Dreams into a wish's picture.

    Raises:
        InputError: The picture cannot be read; or as :func:`core.interpret.visualization.deepdream.deep_dream`.
    """
    from core.data.images import open_image
    from core.interpret.visualization.deepdream import Depth, deep_dream

    try:
        content = base64.b64decode(wish.picture, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError("The request of this job is damaged. Make a new one.") from error
    depth = Depth(wish.octaves, steps=wish.steps, strength=wish.strength, side=wish.size, seed=wish.seed)
    return deep_dream(network, open_image(content), wish.layer, depth=depth, progress=progress)


def keep(job: Job, dream: DeepDream) -> None:
    """Writes a dreamt-into picture, and the picture before, into the job's folder."""
    from core.data.encoding import png

    for name, values in ((PICTURE, dream.image), (ORIGINAL, dream.original)):
        write_atomic(job.path / name, png(values, repeats=True))
    job.write_result({"layer": dream.layer, "before": dream.before, "after": dream.after})


def picture(job: Job, name: str = PICTURE) -> bytes | None:
    """Returns the picture that a job made, as a PNG file; ``None`` where there is none."""
    try:
        return (job.path / name).read_bytes()
    except OSError:
        return None
