"""Draws what a snapshot of a training holds: heat over an image, feature maps, kernels. Loads no torch."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.interpret.drawing.colormaps import lookup

GAP = 2
"""Transparent pixels between tiles."""


def heat_over(image: NDArray[np.uint8], heat: NDArray[np.uint8], *, opacity: float = 0.5) -> Image.Image:
    """Lays a heatmap over an image.

    Args:
        image: Height x width x 3.
        heat: On the layer's own grid, 0 to 255.
        opacity: 0 for the image alone, 1 for the map alone.
    """
    picture = Image.fromarray(image)
    levels = np.asarray(Image.fromarray(heat).resize(picture.size, Image.Resampling.BILINEAR))
    return Image.blend(picture, Image.fromarray(lookup("viridis")[levels]), opacity)


def map_sheet(maps: NDArray[np.uint8], *, columns: int = 8, tile_px: int = 96) -> Image.Image:
    """Draws feature maps side by side, all on one scale.

    Args:
        maps: Channels x height x width, 0 to 255.
        columns: Tiles a row.
        tile_px: About the side of a tile: maps are enlarged by a whole factor.
    """
    return _sheet(_enlarged(lookup("viridis")[maps], tile_px), columns)


def kernel_sheet(kernels: NDArray[np.floating], *, limit: float, columns: int = 16, tile_px: int = 36) -> Image.Image:
    """Draws the kernels of a first layer side by side; zero is mid grey, or near white where there are no colours.

    Args:
        kernels: Outputs x inputs x height x width. With three inputs they are drawn in their own colours, else the
            first input in a diverging colour map.
        limit: The weight at both ends of the scale; one for all snapshots, so that they can be compared.
        columns: Tiles a row.
        tile_px: About the side of a tile: kernels are enlarged by a whole factor.
    """
    unit = np.clip(np.asarray(kernels, np.float32) / (limit or 1.0), -1.0, 1.0)
    if unit.shape[1] == 3:
        tiles = np.rint(unit * 127.0 + 128.0).astype(np.uint8).transpose(0, 2, 3, 1)
    else:
        tiles = lookup("blue-red")[np.rint(unit[:, 0] * 127.5 + 127.5).astype(np.uint8)]
    return _sheet(_enlarged(tiles, tile_px), columns)


def _enlarged(tiles: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Enlarges tiles N x H x W x 3 by a whole factor to about a side."""
    factor = max(1, side // max(tiles.shape[1:3]))
    return tiles.repeat(factor, axis=1).repeat(factor, axis=2)


def _sheet(tiles: NDArray[np.uint8], columns: int) -> Image.Image:
    """Places tiles N x H x W x 3 in rows with transparent gaps."""
    count, height, width, _ = tiles.shape
    across = min(columns, count)
    rows = math.ceil(count / across)
    sheet = np.zeros((rows * (height + GAP) - GAP, across * (width + GAP) - GAP, 4), np.uint8)
    for index, tile in enumerate(tiles):
        top, left = (index // across) * (height + GAP), (index % across) * (width + GAP)
        sheet[top : top + height, left : left + width, :3] = tile
        sheet[top : top + height, left : left + width, 3] = 255
    return Image.fromarray(sheet)
