"""What a cell of a layer sees of an image: the window that it can see, and the pixels that it really looks at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from core.errors import InputError
from core.interpret.forward import check_image
from core.interpret.layout import require_map_layer, to_maps
from core.interpret.probe import Probe, device_of
from core.models.anatomy.examine import NO_FIELD
from core.models.modes import forward_to

if TYPE_CHECKING:
    from core.models.network import Network

DIRECTIONS = 8
"""Random weightings of the channels whose gradients are averaged."""


@dataclass(frozen=True, slots=True)
class Field:
    """The receptive field of one cell.

    Attributes:
        layer: Name of the layer.
        cell: Row and column of the cell in the layer's map.
        grid: Height and width of that map.
        effective: How much each pixel moves the cell's value, 0 to 1 with the strongest at 1; H x W float32.
        empty: Whether no pixel moves it at all, as where a ReLU is silent.
        window: Borders of what it can see, in pixels, clipped to the image: top, left, bottom, right. The whole image
            where ``reason`` is not empty.
        size: Height and width of that window before it was clipped; ``None`` where there is none.
        reason: Why there is no window of one size, a template to be translated; empty where there is one.
        extent: Side of the square around the cell's centre that holds 95 % of the squared influence, in pixels.
    """

    layer: str
    cell: tuple[int, int]
    grid: tuple[int, int]
    effective: np.ndarray
    empty: bool
    window: tuple[float, float, float, float]
    size: tuple[int, int] | None
    reason: str
    extent: int


def receptive_field(
    network: Network, x: Tensor, layer: str | None = None, *, cell: tuple[int, int] | None = None, seed: int = 0
) -> Field:
    """Finds the theoretical and the effective receptive field of one cell on one image.

    The effective field is the gradient of the cell's channels with respect to the pixels (Luo et al. 2016,
    arXiv:1701.04128): the root of the mean square over :data:`DIRECTIONS` random weightings of the channels and over
    the colours, so that channels of opposite sign do not cancel.

    Args:
        network: The network, in any mode and frozen or not; it is left as it was.
        x: One normalised image, 1xCxHxW.
        layer: Name of a layer that gives maps; ``None`` for the one that heatmaps look at.
        cell: Row and column in its map; ``None`` for the one in the middle.
        seed: Seed of the weightings.

    Raises:
        InputError: The layer does not exist or gives no maps, the cell lies outside of its map, or ``x`` is not one
            image.
    """
    check_image(x)
    anatomy = network.anatomy
    name = layer or anatomy.cam_layer
    layout = require_map_layer(name, anatomy)
    size = (int(x.shape[2]), int(x.shape[3]))
    with Probe(network, grad=True) as probe:
        image = x.detach().to(device_of(probe.model)).clone().requires_grad_()
        # a network may begin in place, which a leaf does not allow
        maps = to_maps(forward_to(probe.model, image * 1, name, anatomy.layer(name).calls), layout)
        grid = (int(maps.shape[1]), int(maps.shape[2]))
        row, column = _cell(cell, grid, name)
        effective = _influence(maps[:, row, column], image, seed)
    strongest = float(effective.max())
    empty = not np.isfinite(strongest) or strongest <= 0
    field = anatomy.layer(name).receptive
    window = (0.0, 0.0, float(size[0]), float(size[1]))
    if field is not None:
        top, left, bottom, right = field.window(row, column)
        window = (max(0.0, top), max(0.0, left), min(float(size[0]), bottom), min(float(size[1]), right))
    middle = ((row + 0.5) * size[0] / grid[0], (column + 0.5) * size[1] / grid[1])
    return Field(
        layer=name,
        cell=(row, column),
        grid=grid,
        effective=np.zeros(size, np.float32) if empty else (effective / strongest).astype(np.float32),
        empty=empty,
        window=window,
        size=field.size if field else None,
        reason="" if field else NO_FIELD[anatomy.layer(name).receptive_reason],
        extent=0 if empty else _extent(effective, middle),
    )


def _cell(cell: tuple[int, int] | None, grid: tuple[int, int], layer: str) -> tuple[int, int]:
    if cell is None:
        return grid[0] // 2, grid[1] // 2
    if not (0 <= cell[0] < grid[0] and 0 <= cell[1] < grid[1]):
        raise InputError(
            "The map of {layer} has {rows} × {columns} cells. Row {row}, column {column} is not among them: count "
            "from 0.",
            layer=layer,
            rows=grid[0],
            columns=grid[1],
            row=cell[0],
            column=cell[1],
        )
    return cell


def _influence(values: Tensor, image: Tensor, seed: int) -> np.ndarray:
    """Returns the root mean square gradient of a cell's channels with respect to each pixel, H x W float64."""
    generator = torch.Generator().manual_seed(seed)
    total = torch.zeros(image.shape[2:], dtype=torch.float64)
    for turn in range(DIRECTIONS):
        weights = torch.randn(values.shape, generator=generator, dtype=torch.float32).to(values)
        keep = turn < DIRECTIONS - 1
        (gradient,) = torch.autograd.grad((values * weights).sum(), image, retain_graph=keep, allow_unused=True)
        if gradient is None:
            break
        total += gradient[0].detach().double().square().mean(0).cpu()
    return (total / DIRECTIONS).sqrt().numpy()


def _extent(effective: np.ndarray, middle: tuple[float, float], share: float = 0.95) -> int:
    """Returns the side of the smallest square around a place that holds a share of the squared influence."""
    rows, columns = np.indices(effective.shape) + 0.5
    reach = np.maximum(abs(rows - middle[0]), abs(columns - middle[1]))
    order = np.argsort(reach, axis=None)
    held = np.cumsum(np.square(effective).ravel()[order])
    place = int(np.searchsorted(held, share * held[-1]))
    return int(np.ceil(2 * reach.ravel()[order[min(place, len(order) - 1)]]))
