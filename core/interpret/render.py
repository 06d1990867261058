"""Draws heatmaps over pictures and feature maps side by side.

Everything is a look-up in a table of 256 colours; feature maps stay one byte a pixel up to the PNG (a palette image).
"""

from __future__ import annotations

import io
import math
import zlib
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from core.errors import InputError
from core.interpret.colormaps import COLORMAPS, DIVERGING, lookup

__all__ = [
    "COLORMAPS",
    "DIVERGING",
    "FeatureSheet",
    "colorbar",
    "draw_heatmap",
    "feature_sheet",
    "heat_image",
    "overlay",
    "png",
    "stretch",
    "tile",
]

SCALES = ("channel", "layer")
GUTTER = 255
"""Palette index of the gaps between tiles: transparent. Values take the 255 indices below it."""

_CONSTANT = 1e-6  # a channel whose deviation is smaller, relative to its mean, is the same everywhere


class Drawable(Protocol):
    """What :func:`draw_heatmap` asks of a heatmap."""

    @property
    def values(self) -> NDArray[np.float32]: ...
    @property
    def signed(self) -> bool: ...
    @property
    def per_pixel(self) -> bool: ...


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


def overlay(
    image: Image.Image,
    heat: NDArray[np.floating],
    *,
    opacity: float = 0.5,
    colormap: str = "viridis",
    signed: bool = False,
    fade: bool = False,
) -> Image.Image:
    """Lays a heatmap over a picture.

    Args:
        image: The picture as the network saw it.
        heat: HxW, 0..1, or -1..1 if ``signed``; brought to the picture's size.
        opacity: 0 for the picture alone, 1 for the map alone.
        colormap: One of :data:`COLORMAPS` or :data:`DIVERGING`.
        signed: Whether the map has a true zero in the middle of the colours.
        fade: Whether the map grows transparent towards zero, so that the picture stays clear where nothing is.

    Returns:
        RGB, of the picture's size.

    Raises:
        InputError: The opacity is not within 0..1, or there is no such colour map.
    """
    if not 0.0 <= opacity <= 1.0:
        raise InputError("The opacity is {opacity}. It must be a number from 0 to 1.", opacity=opacity)
    picture = image if image.mode == "RGB" else image.convert("RGB")
    index = _index(_at_size(heat, picture.size), signed)
    colours = _coloured(index, colormap)
    if not fade:
        return Image.blend(picture, colours, opacity)
    strength = np.abs(index.astype(np.int16) - 128).clip(0, 127) * 2 if signed else index
    mask = np.rint(strength * opacity).astype(np.uint8)
    return Image.composite(colours, picture, Image.fromarray(mask))


def draw_heatmap(
    image: Image.Image, heatmap: Drawable, *, opacity: float = 0.5, colormap: str | None = None
) -> Image.Image:
    """Lays a heatmap over a picture in the way that suits it. Arguments as :func:`overlay`.

    Signed maps are drawn in the diverging colours and fade towards zero; maps of single pixels are stretched first.

    Args:
        heatmap: A :class:`core.interpret.attribution.Heatmap`.
        colormap: ``None`` for viridis, or for the diverging map if the heatmap is signed.
    """
    values = stretch(heatmap.values) if heatmap.per_pixel else heatmap.values
    chosen = colormap or (DIVERGING[0] if heatmap.signed else COLORMAPS[0])
    return overlay(image, values, opacity=opacity, colormap=chosen, signed=heatmap.signed, fade=heatmap.signed)


def stretch(heat: NDArray[np.floating], share: float = 0.01) -> NDArray[np.float32]:
    """Lets the strongest pixels saturate, so that a handful of them do not leave the rest in the dark.

    Args:
        heat: HxW, 0..1 or -1..1.
        share: Share of the pixels that may reach full strength, 0 up to 1.
    """
    values = np.asarray(heat, dtype=np.float32)
    limit = float(np.quantile(np.abs(values), 1.0 - share))
    return np.clip(values / limit, -1.0, 1.0) if limit > 0 else values


def heat_image(heat: NDArray[np.floating], *, colormap: str = "viridis", signed: bool = False) -> Image.Image:
    """Draws a heatmap alone, RGB, one pixel a value. Arguments as :func:`overlay`."""
    return _coloured(_index(np.asarray(heat, dtype=np.float32), signed), colormap)


def colorbar(colormap: str = "viridis", *, width: int = 256, height: int = 12) -> Image.Image:
    """Draws a colour map from its lowest colour on the left to its highest on the right, RGB."""
    row = np.linspace(0, 255, width).round().astype(np.uint8)
    return _coloured(np.tile(row, (height, 1)), colormap)


def tile(
    maps: Tensor,
    *,
    columns: int = 16,
    tile_px: int | None = None,
    gutter: int = 1,
    colormap: str = "viridis",
    scale: str = "channel",
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
            ``layer``: from the layer's lowest to its highest value.

    Returns:
        A palette image; gaps and unused places are transparent.

    Raises:
        InputError: ``columns``, ``tile_px``, ``scale`` or the colour map cannot be.
    """
    return _tile(maps, columns, tile_px, gutter, colormap, scale)[0]


def feature_sheet(
    maps: Tensor,
    *,
    columns: int = 16,
    tile_px: int | None = None,
    gutter: int = 1,
    colormap: str = "viridis",
    scale: str = "channel",
) -> FeatureSheet:
    """Draws all channels of a layer as one PNG, with what is needed to find a tile in it. Arguments as :func:`tile`."""
    image, size, limits = _tile(maps, columns, tile_px, gutter, colormap, scale)
    across = min(columns, maps.shape[0])
    return FeatureSheet(
        png=png(image, enlarged=max(size) > max(maps.shape[1:])),
        width=image.width,
        height=image.height,
        columns=across,
        rows=math.ceil(maps.shape[0] / across),
        channels=maps.shape[0],
        tile=size,
        gutter=gutter,
        low=limits[0],
        high=limits[1],
    )


def png(image: Image.Image, *, enlarged: bool = False) -> bytes:
    """Encodes a picture as PNG, quickly: level 1, and runs of equal pixels instead of a search for repetitions.

    Args:
        image: The picture.
        enlarged: Whether its pixels were multiplied, so that rows repeat and the search pays.
    """
    stream = io.BytesIO()
    strategy = zlib.Z_DEFAULT_STRATEGY if enlarged else zlib.Z_RLE
    image.save(stream, "PNG", compress_level=1, compress_type=strategy)
    return stream.getvalue()


def _tile(
    maps: Tensor, columns: int, tile_px: int | None, gutter: int, colormap: str, scale: str
) -> tuple[Image.Image, tuple[int, int], tuple[float | None, float | None]]:
    _check_sheet(maps, columns, tile_px, gutter, scale)
    table = lookup(colormap)
    maps = maps.detach()
    longer = max(maps.shape[1:])
    if tile_px is not None and longer > tile_px:
        size = [max(1, round(side * tile_px / longer)) for side in maps.shape[1:]]
        maps = F.interpolate(maps[None].float(), size, mode="area")[0]
    tiles, limits = _levels(maps.float().cpu().numpy(), scale, colormap in DIVERGING)
    factor = max(1, (tile_px or 1) // max(tiles.shape[1:]))
    if factor > 1:
        tiles = tiles.repeat(factor, axis=1).repeat(factor, axis=2)
    image = Image.fromarray(_grid(tiles, min(columns, len(tiles)), gutter))
    image.putpalette(
        np.concatenate([table[np.linspace(0, 255, GUTTER).round().astype(int)], [[0, 0, 0]]]).astype(np.uint8).tobytes()
    )
    image.info["transparency"] = GUTTER
    return image, (tiles.shape[1], tiles.shape[2]), limits


def _check_sheet(maps: Tensor, columns: int, tile_px: int | None, gutter: int, scale: str) -> None:
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


def _levels(
    maps: NDArray[np.float32], scale: str, diverging: bool
) -> tuple[NDArray[np.uint8], tuple[float | None, float | None]]:
    """Brings maps CxHxW to palette indices 0..254, and tells the values of both ends where they hold for all.

    Plain numpy: as fast here as torch on one thread, and it wakes no second one.
    """
    top = GUTTER - 1
    flat = maps.reshape(maps.shape[0], -1)
    if scale == "layer":
        low, high = float(flat.min()), float(flat.max())
        if diverging:
            high = max(abs(low), abs(high))
            low = -high
        levels = (flat - np.float32(low)) * np.float32(top / (high - low) if high > low else 0.0)
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


def _coloured(index: NDArray[np.uint8], colormap: str) -> Image.Image:
    image = Image.fromarray(index)
    image.putpalette(lookup(colormap).tobytes())
    return image.convert("RGB")


def _index(heat: NDArray[np.floating], signed: bool) -> NDArray[np.uint8]:
    scaled = heat * 127.5 + 127.5 if signed else heat * 255.0
    return np.rint(np.clip(scaled, 0.0, 255.0)).astype(np.uint8)


def _at_size(heat: NDArray[np.floating], size: tuple[int, int]) -> NDArray[np.float32]:
    values = np.asarray(heat, dtype=np.float32)
    if values.ndim != 2:
        raise InputError(
            "A heatmap of shape HxW is needed, and this is {shape}.", shape="x".join(map(str, values.shape))
        )
    if (values.shape[1], values.shape[0]) == size:
        return values
    return np.asarray(Image.fromarray(values).resize(size, Image.Resampling.BILINEAR))
