"""Two networks side by side: how alike their layers are over a user's images, and how far apart their weights."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from core import settings
from core.data.dataset import Dataset
from core.data.pixel_store import PixelStore
from core.errors import InputError
from core.interpret.features.depth_profile import depth_layers
from core.interpret.features.similarity import LayerChange, Side, cka, weight_change
from core.messages import StagedProgress
from core.models.network import Network
from core.workflows.inspection.channel_survey import BUDGET, read_ahead

LAYERS = 16
"""Layers of each network that are compared, at most."""


@dataclass(frozen=True, slots=True, eq=False)
class Similarity:
    """How alike the layers of two networks are.

    Attributes:
        rows: Layers of the first network.
        columns: Layers of the second.
        values: Linear CKA, rows x columns; nan where a layer answers the same to all images.
        images: How many images it was worked out on.
        asked: How many there were; more than that if time ran out.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: NDArray[np.float64]
    images: int
    asked: int

    def least_alike(self) -> tuple[str, float]:
        """Returns, for networks with the same layers, the one that is least like itself, and how alike it is.

        The first layer, with nan, where none can be compared.
        """
        itself = np.diagonal(self.values)
        least = int(np.nanargmin(itself)) if np.isfinite(itself).any() else 0
        return self.rows[least], float(itself[least])


def similarity(
    first: Network,
    second: Network,
    images: Dataset,
    *,
    layers: int = LAYERS,
    budget: float | None = BUDGET,
    progress: StagedProgress | None = None,
) -> Similarity:
    """Compares the layers of two networks, or of one with themselves, by what they answer to the same images.

    Each network sees an image as it wants it: its own size and normalisation.

    Args:
        first: A network.
        second: Another, or the same.
        images: The images.
        layers: How many layers of each at most.
        budget: Seconds after which no further images are read or compared; ``None`` for no limit.
        progress: Called with ``reading`` or ``comparing``, images done and images altogether; what it raises ends the
            work with nothing left behind.

    Raises:
        InputError: Fewer than four images can be read, or a network has no layers with maps.
    """
    rows, columns = depth_layers(first.anatomy, layers), depth_layers(second.anatomy, layers)
    if not rows or not columns:
        raise InputError("No layer of this network keeps the picture's layout, so there is nothing to compare.")
    report = progress or (lambda _doing, _done, _total: None)
    max_bytes = settings.pixel_cache_limit()
    begin, seen = time.monotonic(), 0

    def count_compared(done: int, total: int) -> None:
        nonlocal seen
        seen = done
        report("comparing", done, total)

    with PixelStore(images, first.preprocessing, canvas=False, max_bytes=max_bytes) as store:
        positions, asked = read_ahead(store, budget=budget, progress=partial(report, "reading"))
        left = None if budget is None else budget - (time.monotonic() - begin)
        one = Side(first, rows, store)
        if second is first:
            values = cka(one, one, positions, budget=left, progress=count_compared)
        elif second.preprocessing == first.preprocessing:
            values = cka(one, Side(second, columns, store), positions, budget=left, progress=count_compared)
        else:
            with PixelStore(images, second.preprocessing, canvas=False, max_bytes=max_bytes) as other:
                values = cka(one, Side(second, columns, other), positions, budget=left, progress=count_compared)
    return Similarity(rows, columns, values, seen, asked)


def same_build(first: Network, second: Network) -> bool:
    """Whether two networks are the same but for the values of their weights and for their heads."""
    shapes = [
        {
            name: tuple(value.shape)
            for name, value in network.model.named_parameters()
            if not name.startswith(network.anatomy.head)
        }
        for network in (first, second)
    ]
    return shapes[0] == shapes[1]


def moved(before: Network, after: Network) -> tuple[LayerChange, ...]:
    """Returns how far each layer of one network lies from the same layer of the other.

    Raises:
        InputError: They are not the same network with other weights.
    """
    if not same_build(before, after):
        raise InputError("These two are different networks: there is no telling which weight belongs to which.")
    with before.lock, after.lock:
        return weight_change(before.model, after.model)
