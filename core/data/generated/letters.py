"""Letters A to Z in the fonts that come with matplotlib, or in Pillow's own: white on black, slanted and shifted."""

from __future__ import annotations

import importlib.util
import math
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from core.data.generated.drawn import gray, parts

CLASSES = tuple(chr(65 + place) for place in range(26))
EMPTY = "N/A"
"""A class without a picture, as EMNIST's letters have one, to be left out."""
_SCALE = 4


@cache
def _fonts() -> tuple[Path, ...]:
    """Returns the files of fonts with ordinary letters; none where the package is not there."""
    spec = importlib.util.find_spec("matplotlib")
    folders = (
        [Path(place) / "mpl-data" / "fonts" / "ttf" for place in (spec.submodule_search_locations or ())]
        if spec
        else []
    )
    files = [file for folder in folders for file in sorted(folder.glob("DejaVuS*.ttf")) if "Display" not in file.name]
    return tuple(files)


@cache
def _font(place: int, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    files = _fonts()
    return ImageFont.truetype(str(files[place]), size) if files else ImageFont.load_default(size)


def draw(key: str, size: int, seed: int) -> tuple[Image.Image, NDArray[np.bool_]]:
    """Draws one letter and where its strokes are."""
    label, number = parts(key, CLASSES)
    rng = np.random.default_rng([seed, 1, label, number])
    wide = size * _SCALE
    canvas = Image.new("L", (wide, wide))
    font = _font(int(rng.integers(max(1, len(_fonts())))), round(wide * rng.uniform(0.5, 0.75)))
    at = (wide / 2 + wide * rng.uniform(-0.08, 0.08), wide / 2 + wide * rng.uniform(-0.08, 0.08))
    ImageDraw.Draw(canvas).text(at, CLASSES[label], fill=255, font=font, anchor="mm")
    turn, slant = math.radians(rng.uniform(-12, 12)), rng.uniform(-0.25, 0.25)
    cosine, sine, middle = math.cos(turn), math.sin(turn), wide / 2
    rows = (cosine + slant * sine, slant * cosine - sine, sine, cosine)
    shift = (middle - rows[0] * middle - rows[1] * middle, middle - rows[2] * middle - rows[3] * middle)
    canvas = canvas.transform(
        canvas.size,
        Image.Transform.AFFINE,
        (rows[0], rows[1], shift[0], rows[2], rows[3], shift[1]),
        Image.Resampling.BILINEAR,
    )
    if rng.random() < 0.5:  # bolder strokes
        canvas = canvas.filter(ImageFilter.MaxFilter(2 * int(rng.integers(0, max(1, wide // 56) + 1)) + 1))
    share = np.asarray(canvas.reduce(_SCALE), dtype=np.float32) / 255
    noisy = share * rng.uniform(0.75, 1.0) + rng.normal(0, 0.02, share.shape)
    return gray(noisy), share > 0.5
