"""Kernels: the small patterns that a convolution looks for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from core.errors import InputError
from core.interpret.drawing.colormaps import lookup
from core.interpret.layout import unknown_layer
from core.interpret.probe import lock_of, model_of

if TYPE_CHECKING:
    from core.models.network import Network

_DEFAULT_OUTPUTS = 32
_DEFAULT_INPUTS = 16


@dataclass(frozen=True, slots=True)
class ConvLayer:
    """A convolution.

    Attributes:
        name: The module's name.
        shape: Shape of its weights, OxIxkhxkw; I counts the inputs that one output sees (1 if depthwise).
        stride: Steps down and across.
        groups: Number of groups the channels are divided into.
        rgb: Whether it looks at the picture's own colours.
    """

    name: str
    shape: tuple[int, int, int, int]
    stride: tuple[int, int]
    groups: int
    rgb: bool


@dataclass(frozen=True, slots=True)
class KernelSheet:
    """Kernels drawn side by side.

    Attributes:
        image: RGBA; gaps are transparent.
        layer: The layer's name.
        shape: Shape of all its weights, OxIxkhxkw.
        minimum: Smallest weight drawn.
        maximum: Largest weight drawn.
        limit: The weight at both ends of the scale, which runs from -limit to limit with zero in the middle.
        rgb: Whether a tile is a kernel in its own colours (zero is mid grey) rather than one input channel of it.
        outputs: Indices of the output filters drawn, in order.
        inputs: Indices of the input channels drawn, in order.
        rows: Rows of tiles.
        columns: Tiles a row. With several inputs a row is a filter and a column an input channel.
        tile: Height and width of a tile, in pixels.
        gutter: Gap between tiles, in pixels.
        broken: Number of weights among those drawn that are no finite numbers; they are drawn as zeros.
    """

    image: Image.Image
    layer: str
    shape: tuple[int, int, int, int]
    minimum: float
    maximum: float
    limit: float
    rgb: bool
    outputs: tuple[int, ...]
    inputs: tuple[int, ...]
    rows: int
    columns: int
    tile: tuple[int, int]
    gutter: int
    broken: int = 0


def conv_layers(network: Network | nn.Module) -> tuple[ConvLayer, ...]:
    """Returns the two-dimensional convolutions of a network, in the order they are defined."""
    found: list[ConvLayer] = []
    for name, module in model_of(network).named_modules():
        if isinstance(module, nn.Conv2d):
            out, into, high, wide = module.weight.shape
            stride = (int(module.stride[0]), int(module.stride[-1]))
            rgb = into == 3 and module.groups == 1 and not found
            found.append(ConvLayer(name, (out, into, high, wide), stride, module.groups, rgb))
    return tuple(found)


def kernels(network: Network | nn.Module, layer: str) -> Tensor:
    """Returns a copy of a convolution's weights, OxIxkhxkw, float32 on the CPU.

    Raises:
        InputError: The layer does not exist or is no two-dimensional convolution.
    """
    convolution = dict(model_of(network).named_modules()).get(layer)
    if not isinstance(convolution, nn.Conv2d):
        raise unknown_layer(layer, [row.name for row in conv_layers(network)])
    with lock_of(network):
        return convolution.weight.detach().to("cpu", copy=True).float()


def kernel_tiles(
    network: Network | nn.Module,
    layer: str,
    *,
    outputs: Sequence[int] | None = None,
    inputs: Sequence[int] | None = None,
    columns: int = 16,
    tile_px: int = 32,
    gutter: int = 2,
    colormap: str = "blue-red",
) -> KernelSheet:
    """Draws kernels on one symmetric scale, so that zero looks the same in all of them.

    The first layer's kernels are drawn in their own colours: a weight of zero is mid grey, a positive one brighter in
    its colour. Deeper kernels are drawn channel by channel in a diverging colour map: a row is an output filter and a
    column an input channel, or, where only one input is drawn, filters fill rows of ``columns``.

    Args:
        network: The network, or any module.
        layer: Name of a two-dimensional convolution.
        outputs: Output filters to draw; ``None`` for all of a first layer, else the first 32.
        inputs: Input channels to draw; ``None`` for the first 16 (all three, in colour, of a first layer).
        columns: Tiles a row, where filters fill rows.
        tile_px: About the size of a tile: kernels are enlarged by a whole factor.
        gutter: Gap between tiles, in pixels.
        colormap: For deeper kernels, one of :data:`core.interpret.drawing.colormaps.DIVERGING`.

    Raises:
        InputError: The layer, a filter or a channel does not exist, or a size is not positive.
    """
    weights = kernels(network, layer)
    if min(columns, tile_px, gutter + 1) < 1:
        raise InputError("Columns and tile size must be 1 or more, and the gap 0 or more.")
    first = next(row.rgb for row in conv_layers(network) if row.name == layer)
    rgb = first and inputs is None
    shown = _indices("filter", outputs, weights.shape[0], weights.shape[0] if first else _DEFAULT_OUTPUTS)
    seen = _indices("input channel", inputs, weights.shape[1], _DEFAULT_INPUTS)
    picked = weights[list(shown)][:, list(seen)].numpy()
    broken = int((~np.isfinite(picked)).sum())
    picked = np.nan_to_num(picked, nan=0.0, posinf=0.0, neginf=0.0)
    limit = float(np.abs(picked).max())
    unit = picked / limit if limit > 0 else picked
    if rgb:
        tiles = np.rint(unit * 127.0 + 128.0).astype(np.uint8).transpose(0, 2, 3, 1)
    else:
        index = np.rint(unit * 127.5 + 127.5).astype(np.uint8)
        tiles = lookup(colormap)[index].reshape(-1, *index.shape[2:], 3)
    across = columns if rgb or len(seen) == 1 else len(seen)
    across = min(across, len(tiles))
    factor = max(1, tile_px // max(tiles.shape[1:3]))
    tiles = tiles.repeat(factor, axis=1).repeat(factor, axis=2)
    return KernelSheet(
        image=_mosaic(tiles, across, gutter),
        layer=layer,
        shape=(weights.shape[0], weights.shape[1], weights.shape[2], weights.shape[3]),
        minimum=float(picked.min()),
        maximum=float(picked.max()),
        limit=limit,
        rgb=rgb,
        outputs=shown,
        inputs=seen,
        rows=math.ceil(len(tiles) / across),
        columns=across,
        tile=(tiles.shape[1], tiles.shape[2]),
        gutter=gutter,
        broken=broken,
    )


def _indices(what: str, chosen: Sequence[int] | None, count: int, default: int) -> tuple[int, ...]:
    if chosen is None:
        return tuple(range(min(count, default)))
    if not chosen:
        raise InputError("No {what} is chosen. Choose some from 0 to {last}.", what=what, last=count - 1)
    for index in chosen:
        if not 0 <= index < count:
            raise InputError(
                "There is no {what} {index}. Choose from 0 to {last}.", what=what, index=index, last=count - 1
            )
    return tuple(int(index) for index in chosen)


def _mosaic(tiles: NDArray[np.uint8], columns: int, gutter: int) -> Image.Image:
    """Places tiles NxHxWx3 in rows, with transparent gaps."""
    count, height, width, _ = tiles.shape
    rows = math.ceil(count / columns)
    sheet = np.zeros((rows, columns, height + gutter, width + gutter, 4), np.uint8)
    cells = sheet.reshape(rows * columns, height + gutter, width + gutter, 4)
    cells[:count, :height, :width, :3] = tiles
    cells[:count, :height, :width, 3] = 255
    flat = sheet.transpose(0, 2, 1, 3, 4).reshape(rows * (height + gutter), columns * (width + gutter), 4)
    return Image.fromarray(np.ascontiguousarray(flat[: flat.shape[0] - gutter, : flat.shape[1] - gutter]))
