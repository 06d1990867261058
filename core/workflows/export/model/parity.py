"""Whether a written network answers as the checkpoint does."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from core.data.images import fit
from core.data.sources import Dataset, open_dataset
from core.errors import InputError
from core.models.network import Network
from core.runs.store import Run
from core.workflows.export.model import formats
from core.workflows.images import reopen

LIMIT = 1e-5
"""Largest difference with which a file is handed out."""
BATCHES = (1, 2, 5)
"""Sizes of batches that must agree: an exporter may fix the size that it saw."""
PICTURES = 10


@dataclass(frozen=True, slots=True)
class Parity:
    """How a file's answers compare with the checkpoint's.

    Attributes:
        max_difference: Largest difference of a probability, or of a logit as a share of the largest (at least 1).
        pictures: How many pictures were asked, each at every size of batch.
        own: Whether they are the run's own pictures; else generated ones.
        milliseconds: Median time of one picture on this machine's CPU, by the file.
        before_milliseconds: The same by the checkpoint.
    """

    max_difference: float
    pictures: int
    own: bool
    milliseconds: float
    before_milliseconds: float

    @property
    def agrees(self) -> bool:
        """Whether the file may be handed out."""
        return self.max_difference <= LIMIT


def pictures_of(run: Run, *, roots: Sequence[Path] | None = None) -> tuple[list[Image.Image], bool]:
    """Returns pictures to compare on: of the run's images, those it did not learn from first; and whether they are.

    Where the run's images are not there any more, generated pictures stand in for them.
    """
    try:
        return _first(reopen(run, roots=roots)), True
    except InputError:
        return _first(open_dataset("shapes?size=128&per_class=4")), False


def _first(dataset: Dataset) -> list[Image.Image]:
    rank = {"test": 0, "val": 1}
    order = sorted(range(len(dataset.items)), key=lambda place: rank.get(dataset.items[place].split, 2))
    found: list[Image.Image] = []
    for place in order[:: max(1, len(order) // (4 * PICTURES))]:
        if len(found) == PICTURES:
            break
        try:
            found.append(dataset.read(place).image)
        except InputError:
            continue
    if not found:
        raise InputError("None of the images of {title} can be read.", title=dataset.title)
    return found


def as_input(images: Sequence[Image.Image], network: Network) -> Tensor:
    """Returns pictures as a written network takes them: ``N x 3 x S x S`` colours between 0 and 1."""
    rows = [np.asarray(fit(image.convert("RGB"), network.preprocessing)) for image in images]
    return torch.from_numpy(np.stack(rows)).permute(0, 3, 1, 2).contiguous().float() / 255


def compare(network: Network, run: formats.Run, images: Sequence[Image.Image], *, own: bool = True) -> Parity:
    """Asks both the same and returns how far they differ.

    Args:
        network: With the checkpoint's weights, in eval mode on the CPU.
        run: What runs the written file.
        images: The pictures.
        own: Whether they are the person's own.
    """
    before = formats.without_gradients(formats.Deployed(network.model, network.preprocessing).eval())
    inputs = as_input(images, network)
    largest = 0.0
    with network.lock:
        for size in BATCHES:
            for start in range(0, len(inputs), size):
                batch = inputs[start : start + size]
                if len(batch) < size:
                    batch = torch.cat([batch, inputs])[:size]
                largest = max(largest, _difference(before(batch), run(batch)))
        seconds = [seconds_of(one, inputs[:1]) for one in (run, before)]
    return Parity(largest, len(inputs), own, 1000 * seconds[0], 1000 * seconds[1])


def _difference(one: Tensor, other: Tensor) -> float:
    """Returns the larger of the differences of probabilities and logits; ``inf`` where they cannot be compared."""
    if one.shape != other.shape or not bool(other.isfinite().all()):
        return float("inf")
    scale = max(1.0, float(one.abs().max()))
    return max(float((one.softmax(1) - other.softmax(1)).abs().max()), float((one - other).abs().max()) / scale)


def seconds_of(run: formats.Run, picture: Tensor) -> float:
    """Returns the median time of one picture, ``1 x 3 x S x S``, in seconds."""
    run(picture)
    taken = []
    for _turn in range(5):
        begin = time.perf_counter()
        run(picture)
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken)
