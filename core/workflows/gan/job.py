"""Training a generator against a discriminator in a process of its own, and what its folder holds.

This module loads no torch before the work begins.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from core.errors import InputError
from core.runs.files import read_arrays, write_arrays
from core.runs.jobs import Job
from core.workflows import picture_networks, split_pictures
from core.workflows.gan.request import GanRequest
from core.workflows.jobs.job_process import JobContext
from core.workflows.picture_networks import SHOWN, Rows, read_result

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.training.gan.pictures import EpochResult, Generator

__all__ = ["GanRequest", "GanResult", "result", "work"]

KEPT, COUNTED = 24, 500
"""Noises whose pictures are kept over the epochs; pictures of which the nearest real ones are counted by class."""
WEIGHTS = "generator.safetensors"


@dataclass(frozen=True, slots=True)
class GanResult:
    """What a job has so far.

    Attributes:
        request: What was asked for.
        rows: For each epoch :class:`core.training.gan.pictures.EpochResult` as a record.
        parameters: Of the generator and of the discriminator.
        counts: For each class, of how many of 500 generated pictures the nearest real one is of it; empty before the
            end.
        seconds: Of the training.
        job: The job's folder.
    """

    request: GanRequest
    rows: tuple[Mapping[str, float], ...]
    parameters: tuple[int, int]
    counts: Mapping[str, int]
    seconds: float
    job: Job

    @property
    def whole(self) -> bool:
        """Whether it came to its end."""
        return bool(self.counts)

    def pictures(self, epoch: int) -> NDArray[np.uint8]:
        """Returns what became of the kept noises after an epoch, N x S x S x 3; 0 is before the first.

        Raises:
            InputError: They are not there any more.
        """
        return picture_networks.of_epoch(self.job, epoch)

    def nearest(self) -> NDArray[np.uint8]:
        """Returns for each of the last ones the real picture that is nearest to it, N x S x S x 3.

        Raises:
            InputError: They are not there (any more).
        """
        return read_arrays(self.job.path / SHOWN)["nearest"]

    def walk(self, first: int, last: int, count: int) -> NDArray[np.uint8]:
        """Returns the pictures on the way from one of the kept noises to another, count x S x S x 3.

        Raises:
            InputError: The weights are not there any more.
        """
        import torch

        from core.interpret.visualization.fourier_image import to_bytes
        from core.training.gan.pictures import between, generate

        noise = torch.from_numpy(read_arrays(self.job.path / SHOWN)["noise"])
        generator = picture_networks.loaded(self.job.path / WEIGHTS, self.request, _generator)
        return to_bytes(generate(generator, between(noise[first], noise[last], count)))


def result(job: Job) -> GanResult | None:
    """Returns what a job has so far; ``None`` where there is nothing yet, or it is damaged."""

    def made(request: GanRequest, rows: Rows, record: Mapping[str, Any]) -> GanResult:
        counts = {str(name): int(count) for name, count in record["counts"].items()}
        generator, discriminator = record["parameters"]
        return GanResult(request, rows, (int(generator), int(discriminator)), counts, float(record["seconds"]), job)

    return read_result(job, GanRequest, made)


def work(request: GanRequest, context: JobContext) -> None:
    """Trains the two and keeps what is to be seen."""
    import torch

    from core.device import resolve_device
    from core.interpret.visualization.fourier_image import to_bytes
    from core.models.network import save_state
    from core.training.gan.pictures import generate, make_pair, nearest, train

    device = resolve_device(request.device)
    context.step("reading images")
    found = split_pictures.read(
        request.data,
        {"train": request.images},
        channels=request.channels,
        side=request.side,
        seed=request.seed,
        roots=context.roots,
        progress=partial(context.step, "reading images"),
    )["train"]
    if len(found.values) < 2:
        raise InputError("There is no picture to learn from, or a single one. Choose other images.")
    generator, discriminator = make_pair(request.noise, request.channels, request.side, request.seed)
    generator, discriminator = generator.to(device), discriminator.to(device)
    draws = torch.Generator().manual_seed(request.seed + 1)
    noise = torch.randn(KEPT, request.noise, generator=draws)
    record: dict[str, Any] = {
        "rows": [],
        "parameters": [sum(value.numel() for value in one.parameters()) for one in (generator, discriminator)],
        "counts": {},
        "seconds": 0.0,
    }

    def keep(row: EpochResult | None) -> None:
        picture_networks.keep_epoch(context.job, 0 if row is None else row.epoch, generate(generator, noise))
        record["rows"] += [] if row is None else [asdict(row)]
        context.job.write_result(record)

    keep(None)
    begin = time.monotonic()
    train(
        (generator, discriminator),
        found.values.to(device),
        request.noise,
        request.recipe(),
        on_epoch=keep,
        on_step=partial(context.step, "training"),
    )
    record["seconds"] = round(time.monotonic() - begin, 2)
    alike = found.values[nearest(generate(generator, noise), found.values)]
    many = generate(generator, torch.randn(COUNTED, request.noise, generator=draws))
    labels = torch.bincount(found.labels[nearest(many, found.values)], minlength=len(found.classes)).tolist()
    write_arrays(context.job.path / SHOWN, noise=noise.numpy(), nearest=to_bytes(alike))
    save_state(generator.state_dict(), context.job.path / WEIGHTS)
    record["counts"] = dict(zip(found.classes, labels, strict=True))
    context.job.write_result(record)


def _generator(request: GanRequest) -> Generator:
    from core.training.gan.pictures import Generator

    return Generator(request.noise, request.channels, request.side)
