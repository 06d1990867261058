"""From a file's own pixels, of any mode and depth, to 8 bits of red, green and blue; large pictures at once smaller.

A picture of more than :data:`LARGE_PIXELS` is never held in full beside its file's own pixels: it is converted in
bands, each reduced before the next one is touched. Cameras that record 10, 12 or 14 bits save them in files of 16,
which say nothing of it: scaled by the file's range they are black. So greys are scaled by the bits in use: of a set of
pictures (:class:`SetDepth`), else of the picture itself. So are colours of 16 bits, which Pillow cuts to their upper 8:
those that use fewer are decoded anew by torchvision and tifffile.
"""

from __future__ import annotations

import math
import struct
import threading
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageFile

LARGE_PIXELS = 40_000_000
"""Pictures of more pixels are reduced by a whole factor while they are decoded."""

DEPTHS = (8, 10, 12, 14, 16)
"""Bits that greys and colours are recorded with."""

DEEP = ";16"
"""What the mode of a picture of several channels ends with that holds 16 bits of each."""

DEEP_SUFFIXES = frozenset({".png", ".tif", ".tiff"})
"""Endings of files that may hold 16 bits a pixel without saying how many are in use."""

MOST_LOOKED_AT = 256
"""Pictures of a set, evenly over its list, whose bits are counted."""

_BAND_PIXELS = 4_000_000
_ONE_LARGE = threading.Lock()

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


def alone(image: Image.Image) -> AbstractContextManager[object]:
    """Returns the context in which a picture is decoded: of large ones one at a time, as each takes up to 510 MB."""
    return _ONE_LARGE if image.width * image.height > LARGE_PIXELS else nullcontext()


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


def deep_colours(image: Image.Image) -> bool:
    """Whether a picture, opened and not loaded yet, has several channels of 16 bits, which Pillow cuts to the upper 8.

    Those with a word on transparency or orientation beside their pixels are left to Pillow.
    """
    if not isinstance(image, ImageFile.ImageFile) or not image.tile:
        return False
    if image.format not in ("PNG", "TIFF") or image.width * image.height > LARGE_PIXELS:
        return False
    arguments = image.tile[0].args
    layout = arguments if isinstance(arguments, str) else str((arguments or ("",))[0])
    turned = image.format == "TIFF" and image.getexif().get(0x0112, 1) != 1
    return layout.startswith(("RGB", "LA")) and ";16" in layout and "transparency" not in image.info and not turned


def deep_picture(source: Path | BinaryIO, kind: str, depth: SetDepth | None) -> Image.Image | None:
    """Returns a picture of 16 bits a colour with the bits in use brought to 8.

    Args:
        source: The file.
        kind: ``PNG`` or ``TIFF``.
        depth: As for :func:`rgb`.

    Returns:
        The picture; ``None`` where all 16 bits are in use, so that the upper 8 are right, or it cannot be read so.
    """
    values = _colours(source, kind)
    if values is None:
        return None
    colours = values[..., : 1 if values.shape[2] < 3 else 3]
    bits = bits_in_use(float(colours.max())) if depth is None else depth.bits
    if bits == DEPTHS[-1]:
        return None
    scaled = _scaled(values, 0.0, float((1 << bits) - 1))
    if values.shape[2] in (2, 4):
        scaled[..., -1] = values[..., -1] >> 8
    return Image.fromarray(scaled)


def _colours(source: Path | BinaryIO, kind: str) -> np.ndarray | None:
    """Returns the values of 16 bits, ``H x W x C``; ``None`` where the libraries do not read them."""
    try:
        file = BytesIO(source.read_bytes()) if isinstance(source, Path) else source
        file.seek(0)
        if kind == "PNG":
            import torch
            from torchvision.io import ImageReadMode, decode_image

            data = torch.frombuffer(bytearray(file.read()), dtype=torch.uint8)
            values = decode_image(data, ImageReadMode.UNCHANGED).permute(1, 2, 0).numpy()
        else:
            from tifffile import TiffFile

            with TiffFile(file) as opened:
                page = opened.pages[0]
                values = page.asarray()
                if page.axes == "SYX":
                    values = np.moveaxis(values, 0, 2)
    except (*BROKEN, ImportError):  # what is damaged is said where Pillow reads it
        return None
    return values if values.dtype == np.uint16 and values.ndim == 3 and values.shape[2] <= 4 else None


def bits_in_use(brightest: float) -> int:
    """Returns the least of :data:`DEPTHS` that holds a value."""
    return next((bits for bits in DEPTHS if brightest < 1 << bits), DEPTHS[-1])


class SetDepth:
    """How many bits the greys and colours of a set of pictures use, counted when it is first asked for.

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
            if deep_colours(image):
                values = _colours(path, image.format or "")
                return 0 if values is None else float(values[..., : 1 if values.shape[2] < 3 else 3].max())
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
