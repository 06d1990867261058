"""Draws heatmaps over pictures: everything is a look-up in a table of 256 colours. Feature maps: see ``sheets``."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.errors import InputError
from core.interpret.drawing.colormaps import COLORMAPS, DIVERGING, lookup

__all__ = ["COLORMAPS", "DIVERGING", "colorbar", "draw_heatmap", "heat_image", "overlay", "stretch", "unit"]


class Drawable(Protocol):
    """What :func:`draw_heatmap` needs of a heatmap."""

    @property
    def values(self) -> NDArray[np.float32]: ...
    @property
    def signed(self) -> bool: ...
    @property
    def per_pixel(self) -> bool: ...


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
    """Lays a heatmap over a picture in the way that suits it.

    Signed maps are drawn in the diverging colours and fade towards zero; maps of single pixels are stretched first.

    Args:
        image: The picture, of any size.
        heatmap: A :class:`core.interpret.attribution.explain.Heatmap`.
        opacity: How much of the heatmap's colours is laid on, 0 to 1.
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


def unit(
    values: NDArray[np.floating], *, low: float | None = None, high: float | None = None, signed: bool = False
) -> NDArray[np.float32]:
    """Brings values to the range that is drawn: 0..1 from lowest to highest, or -1..1 about a zero that stays zero.

    Args:
        values: Of any shape. A value that is no finite number counts as zero.
        low: The value that becomes 0; by default the lowest. Signed values have none.
        high: The value that becomes 1; by default the highest, or the largest size of signed ones.
        signed: Whether zero stays zero.
    """
    finite = np.nan_to_num(np.asarray(values, dtype=np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    if signed:
        return finite / np.float32((float(np.abs(finite).max()) if high is None else high) or 1.0)
    bottom = float(finite.min()) if low is None else low
    spread = (float(finite.max()) if high is None else high) - bottom
    return (finite - np.float32(bottom)) / np.float32(spread or 1.0)


def heat_image(heat: NDArray[np.floating], *, colormap: str = "viridis", signed: bool = False) -> Image.Image:
    """Draws a heatmap alone, RGB, one pixel a value. Arguments as :func:`overlay`."""
    return _coloured(_index(np.asarray(heat, dtype=np.float32), signed), colormap)


def colorbar(colormap: str = "viridis", *, width: int = 256, height: int = 12) -> Image.Image:
    """Draws a colour map from its lowest colour on the left to its highest on the right, RGB."""
    row = np.linspace(0, 255, width).round().astype(np.uint8)
    return _coloured(np.tile(row, (height, 1)), colormap)


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
