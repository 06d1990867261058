"""Marks to plant on pictures: a coloured corner or a watermark, as scanners, hospitals and photo agencies leave them.

A mark that comes with one class only is a shortcut: a network that learns the mark is right without having looked at
the object. Real data had them (Lapuschkin et al. 2019, arXiv:1902.10178).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw

from core.errors import InputError
from core.specs.checks import number, one_of

MARK_KINDS = ("corner", "watermark")
CORNERS = ("top-left", "top-right", "bottom-left", "bottom-right")
INSET = 0.08
"""Distance of a mark from the edges of the middle square, as a share of its side: a centre crop cuts about 0.06 off."""
MIN_MARK_PX = 8
"""Smallest side of a picture that a mark can be planted on, in pixels."""
_COLOUR = (240, 60, 200)
_SMOOTH = 4


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark on a picture.

    Attributes:
        kind: ``corner`` for a square of one colour, ``watermark`` for a pale emblem through which the picture shows.
        size: Its side, as a share of the side of the picture's middle square.
        corner: One of :data:`CORNERS`.
    """

    kind: str = "corner"
    size: float = 0.2
    corner: str = "bottom-right"

    def __post_init__(self) -> None:
        one_of("kind", self.kind, MARK_KINDS)
        number("size", self.size, low=0.02, high=0.5)
        one_of("corner", self.corner, CORNERS)

    def box(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Returns where the mark is on a picture of that size, in pixels: left, top, right, bottom."""
        square = min(width, height)
        side, inset = max(2, round(self.size * square)), round(INSET * square)
        low, left = self.corner.startswith("bottom"), self.corner.endswith("left")
        x = (width - square) // 2 + (inset if left else square - inset - side)
        y = (height - square) // 2 + (square - inset - side if low else inset)
        return x, y, x + side, y + side

    def mask(self, width: int, height: int) -> NDArray[np.bool_]:
        """Returns which pixels of a picture of that size the mark's box covers, HxW."""
        left, top, right, bottom = self.box(width, height)
        found = np.zeros((height, width), bool)
        found[top:bottom, left:right] = True
        return found


def planted(image: Image.Image, mark: Mark) -> Image.Image:
    """Returns the picture with the mark on it, RGB; the picture itself stays as it is."""
    if min(image.size) < MIN_MARK_PX:
        raise InputError(
            "A picture of {width} × {height} px is too small for a mark.", width=image.width, height=image.height
        )
    picture = image.convert("RGB")
    if picture is image:
        picture = image.copy()
    box = mark.box(*picture.size)
    side = box[2] - box[0]
    if mark.kind == "corner":
        picture.paste(_COLOUR, box)
        return picture
    picture.paste("white", box, _emblem(side))
    return picture


def _emblem(side: int) -> Image.Image:
    """Draws the emblem's opacity: a ring with a bar through it, smooth and half transparent."""
    wide = side * _SMOOTH
    drawn = Image.new("L", (wide, wide))
    pen = ImageDraw.Draw(drawn)
    pen.ellipse((0, 0, wide - 1, wide - 1), outline=255, width=max(1, wide // 6))
    pen.rectangle((wide * 0.2, wide * 0.42, wide * 0.8, wide * 0.58), fill=255)
    return ImageChops.multiply(drawn.reduce(_SMOOTH), Image.new("L", (side, side), 190))
