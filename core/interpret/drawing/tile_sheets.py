"""Draws feature maps side by side; they stay one byte a pixel up to the PNG (a palette image)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from core.data.encoding import png
from core.errors import InputError
from core.interpret.drawing.colormaps import DIVERGING, lookup

SCALES = ("channel", "layer", "network")
GUTTER = 255
"""Palette index of the gaps between tiles: transparent. Values take the 255 indices below it."""

_CONSTANT = 1e-6  # a channel whose deviation is smaller, relative to its mean, is the same everywhere


@dataclass(frozen=True, slots=True)
class FeatureSheet:
    """All channels of a layer as one picture.

    Attributes:
        png: The picture, a PNG with a palette; gaps are transparent.
        width: Its width, in pixels.
        height: Its height, in pixels.
        columns: Tiles a row.
        rows: Rows of tiles.
        channels: Number of tiles.
        tile: Height and width of a tile, in pixels.
        gutter: Width of the gaps, in pixels; tile k starts at ``(k % columns) * (tile[1] + gutter)`` from the left.
        low: Value of the first colour where one scale holds for the layer, else ``None``.
        high: Value of the last colour, likewise.
    """

    png: bytes
    width: int
    height: int
    columns: int
    rows: int
    channels: int
    tile: tuple[int, int]
    gutter: int
    low: float | None
    high: float | None


def tile(
    maps: Tensor,
    *,
    columns: int = 16,
    tile_px: int | None = None,
    gutter: int = 1,
    colormap: str = "viridis",
    scale: str = "channel",
    limits: tuple[float, float] | None = None,
) -> Image.Image:
    """Draws every channel as a tile, in rows.

    Args:
        maps: CxHxW.
        columns: Tiles a row.
        tile_px: Longer side of a tile, in pixels: smaller maps are enlarged by a whole factor, so that their pixels
            stay exact, larger ones are averaged down; ``None`` for the maps' own size.
        gutter: Gap between tiles, in pixels.
        colormap: One of :data:`COLORMAPS` or :data:`DIVERGING`. With a diverging one, zero is in the middle.
        scale: ``channel``: each channel by itself, (value - mean) / deviation x 64 + 128, clipped; a channel that is
            the same everywhere gets the first colour if it is off (not above zero), else the middle one.
            ``layer``: from the layer's lowest to its highest value. ``network``: from ``limits``' first to its second
            value, so that several layers can be compared.
        limits: Lowest and highest value of all layers, as :func:`limits_of` finds them.

    Returns:
        A palette image; gaps and unused places are transparent. Values that are not finite count as zero.

    Raises:
        InputError: ``columns``, ``tile_px``, ``scale`` or the colour map cannot be.
    """
    return _tile(maps, columns, tile_px, gutter, colormap, scale, limits)[0]


def feature_sheet(
    maps: Tensor,
    *,
    columns: int = 16,
    tile_px: int | None = None,
    gutter: int = 1,
    colormap: str = "viridis",
    scale: str = "channel",
    limits: tuple[float, float] | None = None,
) -> FeatureSheet:
    """Draws all channels of a layer as one PNG, with what is needed to find a tile in it. Arguments as :func:`tile`."""
    image, size, ends = _tile(maps, columns, tile_px, gutter, colormap, scale, limits)
    across = min(columns, maps.shape[0])
    return FeatureSheet(
        png=png(image, repeats=max(size) > max(maps.shape[1:])),
        width=image.width,
        height=image.height,
        columns=across,
        rows=math.ceil(maps.shape[0] / across),
        channels=maps.shape[0],
        tile=size,
        gutter=gutter,
        low=ends[0],
        high=ends[1],
    )


def comparison_sheet(
    sides: Sequence[Tensor], change: Tensor | None = None, *, tile_px: int = 96, columns: int = 4
) -> Image.Image:
    """Draws the same channels of several sides next to one another, and their difference.

    Args:
        sides: Maps of each side, CxHxW; all share one scale.
        change: The last of them less the first, CxHxW, drawn around zero; ``None`` for no difference.
        tile_px: Longer side of a tile, in pixels.
        columns: Tiles a row of each side.

    Returns:
        RGB on white: the sides from left to right, the difference last.
    """
    limits = limits_of(sides)
    parts = [tile(maps, columns=columns, tile_px=tile_px, gutter=2, scale="network", limits=limits) for maps in sides]
    if change is not None:
        parts.append(tile(change, columns=columns, tile_px=tile_px, gutter=2, scale="layer", colormap=DIVERGING[0]))
    gap = 16
    width = sum(part.width for part in parts) + gap * (len(parts) - 1)
    picture = Image.new("RGB", (width, max(part.height for part in parts)), "white")
    left = 0
    for part in parts:
        drawn = part.convert("RGBA")
        picture.paste(drawn, (left, 0), drawn)
        left += part.width + gap
    return picture


def limits_of(layers: Iterable[Tensor]) -> tuple[float, float]:
    """Returns the lowest and the highest finite value of several layers' maps; 0 and 0 where there is none."""
    low, high = float("inf"), float("-inf")
    for maps in layers:
        ends = [float(end) for end in maps.aminmax()]
        if not all(math.isfinite(end) for end in ends):
            ends = [float(end) for end in maps.nan_to_num(0.0, 0.0, 0.0).aminmax()]
        low, high = min(low, ends[0]), max(high, ends[1])
    return (low, high) if low <= high else (0.0, 0.0)


def _tile(
    maps: Tensor,
    columns: int,
    tile_px: int | None,
    gutter: int,
    colormap: str,
    scale: str,
    limits: tuple[float, float] | None,
) -> tuple[Image.Image, tuple[int, int], tuple[float | None, float | None]]:
    _check_sheet(maps, columns, tile_px, gutter, scale, limits)
    table = lookup(colormap)
    maps = maps.detach()
    longer = max(maps.shape[1:])
    if tile_px is not None and longer > tile_px:
        size = [max(1, round(side * tile_px / longer)) for side in maps.shape[1:]]
        maps = F.interpolate(maps[None].float(), size, mode="area")[0]
    values = maps.float().cpu().numpy()
    if not np.isfinite(values.sum()):
        values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    tiles, ends = _levels(values, scale, colormap in DIVERGING, limits)
    factor = max(1, (tile_px or 1) // max(tiles.shape[1:]))
    if factor > 1:
        tiles = tiles.repeat(factor, axis=1).repeat(factor, axis=2)
    image = Image.fromarray(_grid(tiles, min(columns, len(tiles)), gutter))
    image.putpalette(
        np.concatenate([table[np.linspace(0, 255, GUTTER).round().astype(int)], [[0, 0, 0]]]).astype(np.uint8).tobytes()
    )
    image.info["transparency"] = GUTTER
    return image, (tiles.shape[1], tiles.shape[2]), ends


def _check_sheet(
    maps: Tensor, columns: int, tile_px: int | None, gutter: int, scale: str, limits: tuple[float, float] | None
) -> None:
    if maps.ndim != 3 or 0 in maps.shape:
        raise InputError("Maps of shape CxHxW are needed, and these are {shape}.", shape="x".join(map(str, maps.shape)))
    if columns < 1:
        raise InputError("{columns} tiles a row cannot be drawn. Choose 1 or more.", columns=columns)
    if tile_px is not None and tile_px < 1:
        raise InputError("Tiles of {size} pixels cannot be drawn. Choose 1 or more.", size=tile_px)
    if gutter < 0:
        raise InputError("A gap of {size} pixels cannot be drawn. Choose 0 or more.", size=gutter)
    if scale not in SCALES:
        raise InputError("There is no scale {scale}. Choose one of: {known}.", scale=scale, known=", ".join(SCALES))
    if scale == "network" and limits is None:
        raise InputError("One scale for the whole network needs the lowest and the highest value of its layers.")


def _levels(
    maps: NDArray[np.float32], scale: str, diverging: bool, limits: tuple[float, float] | None
) -> tuple[NDArray[np.uint8], tuple[float | None, float | None]]:
    """Brings maps CxHxW to palette indices 0..254, and returns the values of both ends where they hold for all.

    Plain numpy: as fast here as torch on one thread, and it wakes no second one.
    """
    top = GUTTER - 1
    flat = maps.reshape(maps.shape[0], -1)
    if scale != "channel":
        low, high = limits if scale == "network" and limits else (float(flat.min()), float(flat.max()))
        if diverging:
            high = max(abs(low), abs(high))
            low = -high
        if not high > low:  # the same everywhere: nothing, or zero in the middle of the colours
            return np.full(maps.shape, top // 2 if diverging else 0, np.uint8), (low, high)
        levels = (flat - np.float32(low)) * np.float32(top / (high - low))
        np.rint(levels, out=levels).clip(0, top, out=levels)
        return levels.astype(np.uint8).reshape(maps.shape), (low, high)
    mean = flat.mean(1, keepdims=True)
    levels = flat - mean
    std = np.sqrt(np.einsum("ij,ij->i", levels, levels) / flat.shape[1])[:, None]
    alive = std > _CONSTANT * np.abs(mean)
    levels *= np.divide(64.0, std, out=np.zeros_like(std), where=alive)
    levels += np.where(alive | (mean > 0), 128.0, 128.0 if diverging else 0.0).astype(np.float32)
    np.clip(levels, 0, top, out=levels)
    return levels.astype(np.uint8).reshape(maps.shape), (None, None)


def _grid(tiles: NDArray[np.uint8], columns: int, gutter: int) -> NDArray[np.uint8]:
    """Places tiles CxHxW in rows, all of them in one or two copies."""
    channels, height, width = tiles.shape
    rows = math.ceil(channels / columns)
    sheet = np.full((rows, height + gutter, columns, width + gutter), GUTTER, np.uint8)
    whole = channels // columns
    full = tiles[: whole * columns].reshape(whole, columns, height, width)
    sheet[:whole, :height, :, :width] = full.transpose(0, 2, 1, 3)
    if whole < rows:
        rest = tiles[whole * columns :]
        sheet[whole, :height, : len(rest), :width] = rest.transpose(1, 0, 2)
    flat = sheet.reshape(rows * (height + gutter), columns * (width + gutter))
    return np.ascontiguousarray(flat[: flat.shape[0] - gutter, : flat.shape[1] - gutter])
