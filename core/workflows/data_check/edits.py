"""Copies as people make them: the edits that a search for copies has to see through."""

from __future__ import annotations

import io
import math
from collections.abc import Callable

from PIL import Image, ImageEnhance, ImageOps

Edit = Callable[[Image.Image], Image.Image]


def _saved_again(image: Image.Image) -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=20)
    return Image.open(stream).convert("RGB")


def _scaled(image: Image.Image) -> Image.Image:
    return image.resize((max(1, image.width // 2), max(1, image.height // 2)), Image.Resampling.BILINEAR)


def _cropped(image: Image.Image) -> Image.Image:
    left, top = round(image.width * 0.06), round(image.height * 0.04)
    return image.crop((left, top, left + round(image.width * 0.9), top + round(image.height * 0.9)))


def _mapped(image: Image.Image, coefficients: tuple[float, ...]) -> Image.Image:
    return image.transform(image.size, Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR)


EDITS: dict[str, Edit] = {
    "saved again": _saved_again,
    "half the size": _scaled,
    "gray": lambda image: image.convert("L").convert("RGB"),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "more contrast": lambda image: ImageEnhance.Contrast(image).enhance(1.3),
    "mirrored": ImageOps.mirror,
    "a quarter turn": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "rotated by 10 degrees": lambda image: image.rotate(10, Image.Resampling.BILINEAR),
    "cropped by 10 %": _cropped,
    "shifted by 10 %": lambda image: _mapped(image, (1, 0, 0.1 * image.width, 0, 1, -0.1 * image.height)),
    "sheared by 10 degrees": lambda image: _mapped(
        image, (1, math.tan(math.radians(10)), -math.tan(math.radians(10)) * image.height / 2, 0, 1, 0)
    ),
    "with a border": lambda image: ImageOps.expand(image, max(1, round(0.05 * min(image.size))), "white"),
}
"""Twelve kinds by name."""

PLANTED = ("brighter", "mirrored", "rotated by 10 degrees", "cropped by 10 %", "shifted by 10 %", "with a border")
"""Those that are planted to see what a search finds."""
