"""Draws which part of a picture a heatmap shows, its box, and what it is compared with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

MIN_WIDTH_PX = 320
"""Pixels that a smaller picture is enlarged to, about, by a whole factor."""
PALE = 0.45
"""Brightness of what lies outside the region."""
HEAT, OBJECT, DRAWN = (255, 255, 255), (0, 158, 115), (230, 159, 0)
"""Colours of the region and its box (white), the object (green) and the user's own box (orange)."""


def draw_region(
    picture: Image.Image,
    region: NDArray[np.bool_],
    box: tuple[int, int, int, int] | None = None,
    *,
    object_mask: NDArray[np.bool_] | None = None,
    drawn: tuple[float, float, float, float] | None = None,
) -> Image.Image:
    """Draws outlines over the picture, what is outside the region paler.

    Args:
        picture: The picture as the network saw it.
        region: The part that the heatmap shows, of the picture's height and width.
        box: Its box in pixels: left, top, right, bottom.
        object_mask: Where the object is, of the same size.
        drawn: A box that the user drew, in shares of width and height.

    Returns:
        RGB, enlarged by a whole factor.
    """
    scale = max(1, round(MIN_WIDTH_PX / picture.width))
    size = (picture.width * scale, picture.height * scale)
    pixels = np.asarray(picture.convert("RGB").resize(size, Image.Resampling.BILINEAR)).astype(np.float32)
    shown = _enlarged(region, scale)
    pixels = np.where(shown[..., None], pixels, PALE * pixels)
    pixels[rim(shown)] = HEAT
    if object_mask is not None:
        pixels[rim(_enlarged(object_mask, scale))] = OBJECT
    image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    if box is not None:
        left, top, right, bottom = (float(scale * side) for side in box)
        pen.rectangle((left, top, right - 1, bottom - 1), outline=HEAT, width=2)
    if drawn is not None:
        left, top, right, bottom = (side * length for side, length in zip(drawn, size * 2, strict=True))
        pen.rectangle((left, top, right - 1, bottom - 1), outline=DRAWN, width=3)
    return image


def rim(mask: NDArray[np.bool_], width: int = 2) -> NDArray[np.bool_]:
    """Returns the inner edge of a mask; the picture's own border is none.

    Args:
        mask: HxW.
        width: In pixels.
    """
    from scipy.ndimage import binary_erosion

    return np.asarray(mask & ~binary_erosion(mask, iterations=width, border_value=1))


def _enlarged(mask: NDArray[np.bool_], scale: int) -> NDArray[np.bool_]:
    return mask.repeat(scale, 0).repeat(scale, 1)
