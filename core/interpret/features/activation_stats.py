"""What the channels of layers answer to many images, gathered in one pass: the ground of figures over a data set."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from core.data.images import normalise
from core.data.pixel_store import PixelStore
from core.device import batch_that_fits
from core.errors import InputError
from core.interpret.layout import Layout, batch_maps, no_map, require_map_layer
from core.interpret.probe import Probe, device_of, reach
from core.messages import Progress
from core.models.anatomy.examine import Anatomy

if TYPE_CHECKING:
    from core.models.network import Network

MAX_BATCH = 16
MAX_BATCH_BYTES = 400_000_000
"""Bytes that the kept outputs of one batch may take."""
MAX_BATCH_MACS = 100e9
"""Multiply-adds that one batch may cost: so that it can be given up in time."""
MAX_VALUES = 1_500_000
"""Values that are measured at a time."""
PATCH_SIDE = 7
"""Maps are averaged down to so many rows and columns before cells are drawn from them."""


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What one layer's channels answered to N images.

    Attributes:
        layer: Name of the layer.
        grid: Height and width of its maps.
        means: Mean of each map, NxC float32.
        squares: Mean square of each map, NxC float32.
        maxima: Largest value of each map, NxC float32.
        places: Where that is, NxC int32: row times the map's width, plus column.
        off: Share of each image's values at or below zero, N float32.
        zeros: Share of each image's values that are exactly zero, N float32.
        hoyer: Sparseness of each image's values after Hoyer (2004, https://jmlr.org/papers/v5/hoyer04a.html): 0 where
            all are equally large, 1 where a single one is not zero; N float32.
        broken: Number of each image's values that are not finite (they are taken for zeros), N int64.
        cells: Values of a few cells of each image's maps, averaged down to at most 7x7: NxKxC float32; K may be 0.
        colours: Mean colour of the part of the normalised image that lies under each of these cells, NxKxcolours.
    """

    layer: str
    grid: tuple[int, int]
    means: NDArray[np.float32]
    squares: NDArray[np.float32]
    maxima: NDArray[np.float32]
    places: NDArray[np.int32]
    off: NDArray[np.float32]
    zeros: NDArray[np.float32]
    hoyer: NDArray[np.float32]
    broken: NDArray[np.int64]
    cells: NDArray[np.float32]
    colours: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.means)

    @property
    def channels(self) -> int:
        """Number of channels."""
        return int(self.means.shape[1])


def survey(
    network: Network,
    store: PixelStore,
    positions: Sequence[int],
    layers: Sequence[str],
    *,
    cells: int = 0,
    seed: int = 0,
    budget: float | None = None,
    progress: Progress | None = None,
) -> dict[str, Answers]:
    """Runs images through a network once and gathers what the channels of some layers answer.

    The network is held for one batch at a time, so that others who look into it get their turns.

    Args:
        network: The network, in any mode; it is left as it was.
        store: The images as the network sees them (not a canvas).
        positions: Which of them, in which order.
        layers: Names of layers that give maps.
        cells: How many cells of each image's maps are kept whole.
        seed: Seed of the draw of these cells.
        budget: Seconds after which no further batch is begun; ``None`` for no limit. What was gathered counts.
        progress: Called with images done and images altogether after each batch; what it raises ends the work.

    Returns:
        Name -> answers, for as many of the first images as there was time for, at least one batch.

    Raises:
        InputError: A layer does not exist or gives no maps, there are no images, or one cannot be read.
    """
    if not len(positions):
        raise InputError("There are no images to look at. Choose a split that has some.")
    anatomy = network.anatomy
    layouts = {name: require_map_layer(name, anatomy) for name in layers}
    parts: dict[str, list[tuple[NDArray, ...]]] = {name: [] for name in layouts}
    size = batch_size(anatomy, layers)
    begin = time.monotonic()
    for start in range(0, len(positions), size):
        x = normalise(store.batch(positions[start : start + size]), network.preprocessing)
        drawn = _draw(len(x), cells, seed, start)
        for name, maps, pixels in _maps(network, x, layouts):
            parts[name].append(_figures(maps, pixels, drawn))
        done = min(start + size, len(positions))
        if progress is not None:
            progress(done, len(positions))
        if budget is not None and time.monotonic() - begin > budget:
            break
    return {name: _joined(name, rows) for name, rows in parts.items()}


def batch_size(anatomy: Anatomy, layers: Sequence[str]) -> int:
    """Returns how many images are run at a time, within :data:`MAX_BATCH_BYTES` and :data:`MAX_BATCH_MACS`."""
    each = sum(anatomy.layer(name).activation_bytes for name in layers)
    return batch_that_fits(MAX_BATCH, (MAX_BATCH_BYTES, each), (MAX_BATCH_MACS, anatomy.macs))


def _maps(network: Network, x: Tensor, layouts: dict[str, Layout]) -> list[tuple[str, Tensor, Tensor]]:
    """Returns each layer's name and maps, and the images on the same device."""
    with Probe(network, tuple(layouts)) as probe:
        reach(probe, x, layouts, network.anatomy)
        pixels = x.to(device_of(probe.model))
    for name in layouts:
        if name not in probe.outputs:
            raise no_map(name, network.anatomy)
    return [(name, batch_maps(probe.outputs.pop(name), layout).float(), pixels) for name, layout in layouts.items()]


def _draw(images: int, cells: int, seed: int, start: int) -> Tensor:
    """Draws places in a map as shares of its cells, images x cells; the same for an image whatever the batches."""
    rows = [
        torch.rand(cells, generator=torch.Generator().manual_seed(seed * 1_000_003 + start + index))
        for index in range(images)
    ]
    return torch.stack(rows) if rows else torch.zeros(0, cells)


def _figures(maps: Tensor, pixels: Tensor, drawn: Tensor) -> tuple[NDArray, ...]:
    """Measures a batch a few images at a time: what is worked out on the way stays in the processor's cache."""
    few = max(1, MAX_VALUES // max(maps[0].numel(), 1))
    parts = [_measured(*part) for part in zip(maps.split(few), pixels.split(few), drawn.split(few), strict=True)]
    found = [torch.cat(column).cpu().numpy() for column in zip(*parts, strict=True)]
    return (*found, np.array([maps.shape[2:]]))


def _measured(maps: Tensor, pixels: Tensor, drawn: Tensor) -> tuple[Tensor, ...]:
    count, channels, height, width = maps.shape
    flat = maps.flatten(2)
    broken = torch.zeros(count, dtype=torch.long)
    if not bool(flat.sum().isfinite()):
        broken = (~flat.isfinite()).flatten(1).sum(1)
        flat = flat.nan_to_num(0.0, 0.0, 0.0)
    energy = torch.linalg.vector_norm(flat, dim=2).square()
    maxima, places = flat.max(2)
    length = energy.sum(1).sqrt()
    number = float(channels * height * width)
    spread = torch.linalg.vector_norm(flat, 1, dim=2).sum(1) / length.clamp_min(1e-30)
    hoyer = (number**0.5 - spread) / max(number**0.5 - 1.0, 1e-9)
    hoyer = torch.where(length > 0, hoyer, torch.ones_like(hoyer)).clamp(0, 1)
    zeros = (flat == 0).flatten(1).float().mean(1)
    off = (flat <= 0).flatten(1).float().mean(1) if bool(flat.amin() < 0) else zeros
    chosen, colours = _cells(flat.unflatten(2, (height, width)), pixels, drawn)
    return (flat.mean(2), energy / (height * width), maxima, places.int(), off, zeros, hoyer, broken, chosen, colours)


def _cells(maps: Tensor, pixels: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the drawn cells' values BxKxC and the colours under them BxKx3."""
    if not drawn.shape[1]:
        return maps.new_zeros(len(maps), 0, maps.shape[1]), pixels.new_zeros(len(maps), 0, pixels.shape[1])
    side = (min(maps.shape[2], PATCH_SIDE), min(maps.shape[3], PATCH_SIDE))
    small = F.adaptive_avg_pool2d(maps, side).flatten(2)
    under = F.adaptive_avg_pool2d(pixels.float(), side).flatten(2)
    place = (drawn * small.shape[2]).long().to(maps.device).clamp_max(small.shape[2] - 1)[:, None, :]
    values = small.gather(2, place.expand(-1, small.shape[1], -1)).transpose(1, 2)
    return values, under.gather(2, place.expand(-1, under.shape[1], -1)).transpose(1, 2)


def _joined(layer: str, rows: list[tuple[NDArray, ...]]) -> Answers:
    columns = [np.concatenate(column) for column in zip(*rows, strict=True)]
    height, width = (int(value) for value in columns[-1][0])
    return Answers(layer, (height, width), *columns[:-1])
