"""Style transfer outside of the page: the picture as it grows, its losses and its Gram matrices in the job's folder.

This module loads no torch before the work begins.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

from core.data.encoding import from_text
from core.errors import InputError
from core.runs.files import write_atomic
from core.runs.jobs import Job, JobRequest
from core.workflows.jobs.job_process import JobContext

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from core.interpret.visualization.style_transfer import StylePlan
    from core.models.network import Network

FRAMES = 24
"""About so many pictures on the way are kept."""
_FIRST = (1, 2, 5)
"""Steps after which the picture changes most, and is always kept."""
_EVERY_SECONDS = 1.0
"""Seconds between two writings of the losses."""
_GRAMS = "grams.npz"
_WORTH_TRYING = 50
"""Steps from which on it is worth finding out which number format is faster."""


@dataclass(frozen=True, slots=True)
class StyleRequest(JobRequest):
    """What is made in whose style.

    Attributes:
        reference: A backbone's name, or a run's id.
        content: The picture whose content is kept, an encoded file in base64.
        look: The picture whose style is taken over, likewise.
        weights: For a backbone, ``default``, ``none`` or the name of one of its entries.
        content_layer: See :class:`core.interpret.visualization.style_transfer.StylePlan`, as all that follow.
        style_layers: Likewise.
        style_weight: Likewise.
        start: Likewise.
        size: Likewise.
        steps: Likewise.
        seed: Likewise.
        coarse: Likewise.
        device: ``auto``, ``cpu``, ``cuda``, ...
    """

    kind: ClassVar[str] = "styles"
    reference: str
    content: str
    look: str
    weights: str = "default"
    content_layer: str = ""
    style_layers: tuple[str, ...] = ()
    style_weight: float = 100.0
    start: str = "picture"
    size: int = 256
    steps: int = 200
    seed: int = 0
    coarse: bool = False
    device: str = "auto"

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Reads what a request was written as."""
        return cls(**{**record, "style_layers": tuple(str(name) for name in record.get("style_layers", ()))})

    def plan(self) -> StylePlan:
        """Returns what is made similar to what.

        Raises:
            InputError: A value is out of range.
        """
        from core.interpret.visualization.style_transfer import StylePlan

        return StylePlan(
            self.content_layer,
            self.style_layers,
            self.style_weight,
            self.start,
            self.size,
            self.steps,
            self.seed,
            self.coarse,
        )


@dataclass(frozen=True, slots=True)
class StyleResult:
    """What a job has made so far.

    Attributes:
        frames: Steps after which the picture was kept, the last one last.
        losses: Of each step, ``total``, ``content`` and ``style``, before it.
        content_layer: The layer of the content.
        style_layers: Those of the style.
        seconds: That it took so far.
        job: The job's folder.
    """

    frames: tuple[int, ...]
    losses: Mapping[str, tuple[float, ...]]
    content_layer: str
    style_layers: tuple[str, ...]
    seconds: float
    job: Job

    def frame(self, step: int) -> bytes:
        """Returns the picture after a step, as PNG.

        Raises:
            InputError: It is not there any more.
        """
        try:
            return (self.job.path / _frame(step)).read_bytes()
        except OSError as error:
            raise InputError("The picture after step {step} is not there any more.", step=step) from error

    def grams(self) -> dict[str, dict[str, NDArray[np.float32]]]:
        """Returns the Gram matrices of each style layer: ``style``, ``content``, ``result``; empty until the end."""
        import numpy as np

        try:
            with np.load(self.job.path / _GRAMS) as stored:
                values = {name: stored[name] for name in stored.files}
        except (OSError, ValueError):
            return {}
        found: dict[str, dict[str, NDArray[np.float32]]] = {}
        for name, value in values.items():
            layer, _, which = name.rpartition("/")
            found.setdefault(layer, {})[which] = value
        return {name: found[name] for name in self.style_layers if name in found}


def precision_for(network: Network, content: Image, look: Image, plan: StylePlan) -> str:
    """Returns the number format in which a network looks: on a CPU the faster one, tried at half the size.

    Few steps are not worth the trial.

    Args:
        network: The network, on its device.
        content: The picture whose content is kept.
        look: The picture whose style is taken over.
        plan: What is to be done.

    Raises:
        InputError: As :func:`core.interpret.visualization.style_transfer.transfer_style`.
    """
    from core.interpret.probe import device_of
    from core.interpret.visualization.style_transfer import SIZES, transfer_style
    from core.training.optim.precision import choose_precision

    device = device_of(network.model)
    if device.type != "cpu" or plan.steps < _WORTH_TRYING:
        return "fp32"
    small = replace(plan, size=max(SIZES[0], plan.size // 2), steps=1, coarse=False)
    of = f"style {network.name} {small.size} {small.content_layer} {small.style_layers}"
    return choose_precision("auto", device, lambda: transfer_style(network, content, look, small), of)


def work(request: StyleRequest, context: JobContext) -> None:
    """Lets the picture grow, and keeps it as it goes."""
    import numpy as np

    from core.data.images import open_image
    from core.device import resolve_device, reuse_freed_memory
    from core.interpret.visualization.style_transfer import transfer_style, usual_layers
    from core.workflows.checkpoints import network_named

    plan = request.plan()
    content, look = (open_image(from_text(text)) for text in (request.content, request.look))
    device = resolve_device(request.device)
    if device.type == "cpu":
        reuse_freed_memory()
    context.progress("building the network")
    network = network_named(request.reference, weights=request.weights, runs_dir=context.runs_dir)
    network.model.to(device)
    usual = usual_layers(network.name, network.anatomy)
    keeper = _Keeper(context, plan, plan.content_layer or usual[0], plan.style_layers or usual[1])
    precision = precision_for(network, content, look, plan)
    done = transfer_style(network, content, look, plan, precision=precision, on_step=keeper)
    stream = io.BytesIO()
    grams = {f"{layer}/{which}": value for layer, found in done.grams.items() for which, value in found.items()}
    np.savez_compressed(stream, allow_pickle=False, **grams)
    write_atomic(context.job.path / _GRAMS, stream.getvalue())
    keeper.write()


class _Keeper:
    """Keeps pictures and losses of a job as they come."""

    def __init__(self, context: JobContext, plan: StylePlan, content_layer: str, style_layers: tuple[str, ...]) -> None:
        self._context, self._steps = context, plan.steps
        self._layers = {"content_layer": content_layer, "style_layers": list(style_layers)}
        self._every = max(1, plan.steps // FRAMES)
        self._frames: list[int] = []
        self._losses: dict[str, list[float]] = {"total": [], "content": [], "style": []}
        self._begun, self._written = time.monotonic(), 0.0

    def __call__(self, step: int, losses: Mapping[str, float], picture: Callable[[], NDArray[np.uint8]]) -> None:
        from core.data.encoding import png

        for name, values in self._losses.items():
            values.append(round(losses[name], 6))
        if step in _FIRST or step % self._every == 0 or step == self._steps:
            write_atomic(self._context.job.path / _frame(step), png(picture()))
            self._frames.append(step)
            if time.monotonic() - self._written > _EVERY_SECONDS:
                self.write()
        self._context.progress("painting", step, self._steps)
        self._context.raise_if_cancelled()

    def write(self) -> None:
        """Writes down what there is so far."""
        self._written = time.monotonic()
        seconds = round(self._written - self._begun, 2)
        self._context.job.write_result(
            {"frames": self._frames, "losses": self._losses, "seconds": seconds, **self._layers}
        )


def _frame(step: int) -> str:
    return f"step-{step:05d}.png"


def result(job: Job) -> StyleResult | None:
    """Returns what a job has made so far; ``None`` where there is nothing yet, or it is damaged."""
    record = job.result
    try:
        return StyleResult(
            tuple(int(step) for step in record["frames"]),
            {str(name): tuple(float(v) for v in values) for name, values in record["losses"].items()},
            str(record["content_layer"]),
            tuple(str(name) for name in record["style_layers"]),
            float(record["seconds"]),
            job,
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
