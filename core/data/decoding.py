"""From a file's own pixels, of any mode and depth, to 8 bits of red, green and blue; large pictures at once smaller.

A picture of more than :data:`LARGE_PIXELS` is never held in full beside its file's own pixels: it is converted in
bands, each reduced before the next one is touched. Cameras that record 10, 12 or 14 bits save them in files of 16,
which say nothing of it: scaled by the file's range they are black. So greys are scaled by the bits in use: of a set of
pictures (:class:`SetDepth`), else of the picture itself.
"""

from __future__ import annotations

import math
import struct
import threading
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

LARGE_PIXELS = 40_000_000
"""Pictures of more pixels are reduced by a whole factor while they are decoded."""

DEPTHS = (8, 10, 12, 14, 16)
"""Bits that greys are recorded with."""

DEEP_SUFFIXES = frozenset({".png", ".tif", ".tiff"})
"""Endings of files that may hold 16 bits a pixel without saying how many are in use."""

MOST_LOOKED_AT = 256
"""Pictures of a set, evenly over its list, whose bits are counted."""

_BAND_PIXELS = 4_000_000

BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    EOFError,
    AttributeError,
    RuntimeError,
    AssertionError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
"""What Pillow's decoders are known to raise on damaged files."""


def factor_of(size: tuple[int, int], least: int | None = None) -> int:
    """Returns by how much a picture is reduced while it is decoded.

    Args:
        size: Its width and height.
        least: What its short side has to keep, for a small view of it; ``None`` where all of it is wanted.
    """
    width, height = size
    small = 1 if least is None else max(1, min(width, height) // least)
    return max(small, math.ceil(math.sqrt(width * height / LARGE_PIXELS)))


def rgb(image: Image.Image, depth: SetDepth | None = None, factor: int = 1) -> Image.Image:
    """Converts any mode to a new RGB image that remembers nothing of its file: transparency is laid on white.

    Args:
        image: A decoded picture.
        depth: The bits in use of the set that it belongs to; by default its own count.
        factor: Whole number that both sides are divided by, rounded up; a pixel is the mean of those it stands for.
    """
    limits = _limits(image, depth) if _deep(image) else None
    if factor == 1 and limits is None:
        return _plain(image)
    width, height = image.size
    out = Image.new("RGB", (-(-width // factor), -(-height // factor)))
    rows = max(1, _BAND_PIXELS // (width * factor)) * factor
    for top in range(0, height, rows):
        band = image.crop((0, top, width, min(top + rows, height)))
        if limits is not None:
            band = Image.fromarray(_scaled(np.asarray(band), *limits))
        band = _plain(band)
        out.paste(band.reduce(factor) if factor > 1 else band, (0, top // factor))
    return out


def bits_in_use(brightest: float) -> int:
    """Returns the least of :data:`DEPTHS` that holds a value."""
    return next((bits for bits in DEPTHS if brightest < 1 << bits), DEPTHS[-1])


class SetDepth:
    """How many bits the greys of a set of pictures use, counted when it is first asked for.

    Args:
        root: Folder that the keys are relative to.
        keys: All pictures of the set.
    """

    def __init__(self, root: Path, keys: Sequence[str]) -> None:
        deep = [key for key in keys if Path(key).suffix.lower() in DEEP_SUFFIXES]
        step = max(1, len(deep) // MOST_LOOKED_AT)
        self._paths = [root / key for key in deep[::step]]
        self._lock = threading.Lock()
        self._bits: int | None = None

    @property
    def bits(self) -> int:
        """Bits in use: one of :data:`DEPTHS`."""
        with self._lock:
            if self._bits is None:
                self._bits = self._counted()
            return self._bits

    def _counted(self) -> int:
        most = 0.0
        with ThreadPoolExecutor(4) as pool:
            for start in range(0, len(self._paths), 16):
                most = max(most, *pool.map(_brightest, self._paths[start : start + 16]))
                if bits_in_use(most) == DEPTHS[-1]:
                    break
        return bits_in_use(most) if most else DEPTHS[-1]


def _brightest(path: Path) -> float:
    """Returns the largest value of a picture of 16 bits; 0 of any other and of what cannot be read."""
    try:
        with Image.open(path, formats=("PNG", "TIFF")) as image:
            return _extremes(image)[1] if _counts(image) and image.width * image.height <= LARGE_PIXELS else 0
    except BROKEN:  # what is wrong with it is said where it is read
        return 0


def _deep(image: Image.Image) -> bool:
    return image.mode.startswith("I") or image.mode == "F"


def _counts(image: Image.Image) -> bool:
    """Whether a picture's bits in use are to be counted: its file holds 16 a pixel and has no word for fewer."""
    return image.mode.startswith("I") and image.format != "PPM"


def _limits(image: Image.Image, depth: SetDepth | None) -> tuple[float, float]:
    """Returns which values of one channel become 0 and 255."""
    low, high = _extremes(image)
    if image.mode.startswith("I") and low >= 0 and high <= 65535:
        if not _counts(image):
            return 0.0, 255.0 if high <= 255 and image.mode == "I" else 65535.0
        return 0.0, float((1 << (bits_in_use(high) if depth is None else depth.bits)) - 1)
    if image.mode == "F" and low >= 0 and high <= 255:
        return 0.0, 1.0 if high <= 1 else 255.0
    return low, high


def _extremes(image: Image.Image) -> tuple[float, float]:
    """Returns the least and the largest finite value, as far as they are numbers; 0 counts where some are not."""
    found: list[float] = []
    width, height = image.size
    rows = max(1, _BAND_PIXELS // width)
    for top in range(0, height, rows):
        values = np.asarray(image.crop((0, top, width, min(top + rows, height))))
        if image.mode == "F":
            values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
        found += [float(values.min()), float(values.max())]
    return min(found), max(found)


def _scaled(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Brings one channel to 0..255, rounded to the nearest."""
    values = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    return np.rint((values - low) * (255.0 / max(high - low, 1e-12))).clip(0, 255).astype(np.uint8)


def _plain(image: Image.Image) -> Image.Image:
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    converted = image.convert("RGB")
    converted.info.clear()
    return converted
