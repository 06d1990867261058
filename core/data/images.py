"""From any image file to the exact pixels that a network sees.

Every picture in the lab enters through :func:`read_image`, so that size limits, orientation, 16-bit greys, alpha and
CMYK are dealt with in one place. :func:`fit` then follows torchvision's weights presets bit for bit.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import numpy as np
from PIL import Image, UnidentifiedImageError

from core.data.decoding import BROKEN, DEEP, SetDepth, alone, deep_colours, deep_picture, factor_of, rgb
from core.errors import InputError
from core.specs import Preprocessing

if TYPE_CHECKING:
    import torch

# What Pillow warns of names no file, and is dealt with here: sizes are limited, damaged headers count as none.
warnings.filterwarnings("ignore", module=r"PIL\..*")
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

MAX_PIXELS = 100_000_000
"""Largest image that is decoded, in pixels; 510 MB at most while it is, as Pillow takes four bytes a pixel."""

MAX_PNG_BYTES = 500_000_000
"""Largest PNG file that is read again without its texts."""

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "DIB", "TIFF", "PPM", "AVIF")
"""File formats that are opened, by their Pillow names; no others are even tried."""

SUFFIXES = frozenset(
    f".{ending}"
    for ending in (
        *("jpg", "jpeg", "jpe", "jfif", "png", "gif", "webp", "bmp", "dib"),
        *("tif", "tiff", "ppm", "pgm", "pbm", "pnm", "avif"),
    )
)
"""Endings of file names that count as images, in lower case."""

CONVERTIBLE = frozenset(
    f".{ending}"
    for ending in (
        *("heic", "heif", "hif", "jxl", "jp2", "j2k", "jpx", "psd", "svg", "ico", "icns", "tga", "exr", "hdr", "dcm"),
        *("raw", "dng", "cr2", "cr3", "nef", "arw", "orf", "rw2", "raf", "pef", "srw", "eps", "pdf"),
    )
)
"""Endings of pictures that are not read here but can be made into what is, in lower case."""

_ORIENTATION = 0x0112
_PNG_TEXTS = (b"tEXt", b"zTXt", b"iTXt", b"iCCP")
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_LEVEL = (None, *(_TRANSPOSE[turn] for turn in (2, 3, 4)))
"""What leaves width and height as they are."""
_RESAMPLE = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


@dataclass(frozen=True, slots=True)
class Decoded:
    """An image as it is shown, and what its file records.

    Attributes:
        image: Upright RGB pixels.
        mode: Pillow's mode of the file, such as ``L``, ``CMYK``, ``I;16`` or, in its manner, ``RGB;16``.
        format: Pillow's name of the file format, such as ``JPEG``.
        size: Width and height of the file's picture, upright. The image is smaller where it was reduced.
    """

    image: Image.Image
    mode: str
    format: str
    size: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An image that cannot be used.

    Attributes:
        key: The image's key in its data set.
        reason: Why not, a whole English sentence.
        error: The same as an error with template and values, for translation.
    """

    key: str
    reason: str
    error: InputError | None = field(default=None, compare=False, repr=False)


def open_image(source: Path | bytes | BinaryIO, *, name: str | None = None) -> Image.Image:
    """Opens an image upright and in RGB: first frame, 16 bits scaled to 8 by those in use, transparency laid on white.

    A picture of more than :data:`core.data.decoding.LARGE_PIXELS` comes out smaller, by a whole factor.

    Args:
        source: A file, its bytes, or a binary stream.
        name: What to call the image in an error; the file's name by default.

    Raises:
        InputError: There is no such file, or it is empty, damaged, no image, or larger than :data:`MAX_PIXELS`.
    """
    return read_image(source, name=name).image


def read_image(
    source: Path | bytes | BinaryIO, *, name: str | None = None, least: int | None = None, depth: SetDepth | None = None
) -> Decoded:
    """Does what :func:`open_image` does and also returns the file's mode, format and size.

    Args:
        source: As for :func:`open_image`, as is ``name``.
        name: What to call the image in an error.
        least: Short side, in pixels, that is enough: a larger picture is reduced by a whole factor on the way.
            Those of more than :data:`core.data.decoding.LARGE_PIXELS` always are.
        depth: The bits in use of the set that the image belongs to; by default those of the image.
    """
    name = name or _name_of(source)
    if isinstance(source, str | Path):
        _check_file(Path(source), name)
    elif isinstance(source, bytes | bytearray | memoryview):
        source = BytesIO(source)
    try:
        with Image.open(source, formats=FORMATS) as image:
            size = image.size
            _check_size(image.width * image.height, name)
            factor = factor_of(size, least)
            if factor > 1:  # only JPEG can be decoded smaller than it is
                image.draft(None, (size[0] // factor, size[1] // factor))
            with alone(image):
                return _decoded(image, source, size, factor, depth, name)
    except InputError:
        raise
    except UnidentifiedImageError as error:
        if not isinstance(source, str | Path) and source.seek(0, 2) == 0:
            raise InputError("{name} is empty: it holds no bytes.", name=name) from error
        raise InputError("{name} is not an image in a format that can be read here.", name=name) from error
    except Image.DecompressionBombError as error:
        stated = re.search(r"\((\d+) pixels\)", str(error))
        raise _too_large(int(stated[1]) if stated else 2 * MAX_PIXELS, name) from error
    except PermissionError as error:
        raise InputError("{name} may not be read: permission is denied.", name=name) from error
    except MemoryError as error:
        raise InputError("{name} needs more memory to decode than there is.", name=name) from error
    except BROKEN as error:
        if "MAX_TEXT" in str(error):
            return read_image(_without_texts(source, name), name=name, least=least, depth=depth)
        raise InputError(
            "{name} is damaged or cut short and cannot be decoded ({reason}).", name=name, reason=_short(error)
        ) from error


def _decoded(
    image: Image.Image,
    source: Path | bytes | BinaryIO,
    size: tuple[int, int],
    factor: int,
    depth: SetDepth | None,
    name: str,
) -> Decoded:
    deep = deep_colours(image)
    image.load()
    _check_size(image.width * image.height, name)
    drafted = max(1, round(size[0] / image.width))
    turn = _turn(image)
    file = Path(source) if isinstance(source, str) else cast("Path | BinaryIO", source)
    picture = deep_picture(file, image.format or "", depth) if deep else None
    upright = _turned(rgb(picture or image, depth, max(1, factor // drafted)), turn)
    mode = image.mode + DEEP if deep else image.mode
    return Decoded(upright, mode, image.format or "", size if turn in _LEVEL else size[::-1])


def _without_texts(source: Path | bytes | BinaryIO, name: str) -> bytes:
    """Returns a PNG file without its texts and colour profile: the decoder refuses large ones, the pixels are sound.

    Raises:
        InputError: The file has no end, or is larger than :data:`MAX_PNG_BYTES`.
    """
    if isinstance(source, str | Path):
        with Path(source).open("rb") as file:
            data = file.read(MAX_PNG_BYTES + 1)
    else:
        stream = cast("BinaryIO", source)
        stream.seek(0)
        data = stream.read(MAX_PNG_BYTES + 1)
    if len(data) > MAX_PNG_BYTES:
        raise InputError("{name} holds more text beside its picture than can be read. Save it anew.", name=name)
    kept, place = [data[:8]], 8
    while place + 8 <= len(data):
        end = place + 12 + int.from_bytes(data[place : place + 4], "big")
        if data[place + 4 : place + 8] not in _PNG_TEXTS:
            kept.append(data[place:end])
        place = end
    return b"".join(kept)


def fit(image: Image.Image, prep: Preprocessing) -> Image.Image:
    """Makes the square of ``prep.crop`` pixels that the network sees, by ``prep.fit``.

    Where it resizes the short side and crops the centre, the pixels equal those of torchvision's
    ``ImageClassification`` preset on a PIL image, before its scaling to 0..1 and normalisation, bit for bit.
    """
    if prep.fit != "crop":
        return _whole(image, prep)
    image = _resize(image, prep)
    left, top = (_centre(side, prep.crop) for side in image.size)
    return image.crop((left, top, left + prep.crop, top + prep.crop))


def canvas(image: Image.Image, prep: Preprocessing) -> Image.Image:
    """Resizes the short side to ``prep.resize`` and crops a centred square of it, with a margin for augmentation.

    The square is placed so that cropping its centre to ``prep.crop`` (offset :func:`margin`) yields exactly
    :func:`fit`: an augmented run is evaluated on the same pixels as any other.
    """
    if prep.fit != "crop":
        return _whole(image, prep)
    image = _resize(image, prep)
    shift = margin(prep)
    left, top = (min(max(_centre(side, prep.crop) - shift, 0), side - prep.resize) for side in image.size)
    return image.crop((left, top, left + prep.resize, top + prep.resize))


def margin(prep: Preprocessing) -> int:
    """Returns where the centre crop starts in a :func:`canvas`, in pixels from its left and from its top."""
    return _centre(prep.resize, prep.crop)


def lost(size: tuple[int, int], prep: Preprocessing) -> tuple[float, float]:
    """Returns how much :func:`fit` cuts off at the left and right, and at the top and bottom.

    Args:
        size: Width and height of the image, in pixels.
        prep: How it becomes a square.

    Returns:
        Pixels of the image itself, at each of the two sides; 0 where nothing is cut off.
    """
    if prep.fit != "crop":
        return 0.0, 0.0
    kept = prep.crop * min(size) / prep.resize
    return max(0.0, (size[0] - kept) / 2), max(0.0, (size[1] - kept) / 2)


def to_tensor(image: Image.Image, prep: Preprocessing, *, fitted: bool = False) -> torch.Tensor:
    """Returns the network's input for one image: float32 of shape 1xCxHxW, fitted and normalised.

    Args:
        image: The image.
        prep: Size, mean and standard deviation that the weights expect.
        fitted: Whether it went through :func:`fit` already, so that its pixels are taken as they are.
    """
    import torch

    picture = image.convert("RGB")
    pixels = torch.from_numpy(np.array(picture if fitted else fit(picture, prep)))
    return normalise(pixels.permute(2, 0, 1).unsqueeze(0).contiguous(), prep)


def normalise(images: torch.Tensor, prep: Preprocessing, dtype: torch.dtype | None = None) -> torch.Tensor:
    """Scales uint8 pixels (0..255) to 0..1 and normalises them as the weights expect.

    Args:
        images: uint8 of shape Bx3xHxW, on any device.
        prep: Holds mean and standard deviation of each colour, and how many channels the network takes.
        dtype: Type of the result; float32 by default. The arithmetic is always float32.

    Returns:
        A new tensor of shape Bx3xHxW in the memory format of ``images``; of shape Bx1xHxW for networks that take
        gray images, the mean of the three normalised colours.
    """
    import torch

    if images.dtype == torch.uint8 and images.device.type == "cpu":
        from core.data.normalising import normalised

        scaled = torch.from_numpy(normalised(images.numpy(), prep))
    else:
        mean, std = (  # filled on the device: a copy from here would have to be waited for
            torch.stack([torch.full((), value, device=images.device) for value in values]).view(1, 3, 1, 1)
            for values in (prep.mean, prep.std)
        )
        scaled = images.to(torch.float32).div_(255).sub_(mean).div_(std)
    if prep.channels == 1:
        scaled = scaled.mean(1, keepdim=True)
    return scaled if dtype is None else scaled.to(dtype)


def _check_file(path: Path, name: str) -> None:
    try:
        if not path.is_file():
            raise InputError("{name} is not there (any more).", name=name)
        if path.stat().st_size == 0:
            raise InputError("{name} is empty: it holds no bytes.", name=name)
    except InputError:
        raise
    except (OSError, ValueError) as error:
        raise InputError("{name} cannot be opened ({reason}).", name=name, reason=_short(error)) from error


def _check_size(pixels: int, name: str) -> None:
    if pixels > MAX_PIXELS:
        raise _too_large(pixels, name)


def _too_large(pixels: int, name: str) -> InputError:
    return InputError(
        "{name} has {pixels} million pixels; at most {limit} million can be opened. Make it smaller first.",
        name=name,
        pixels=round(pixels / 1e6),
        limit=round(MAX_PIXELS / 1e6),
    )


def _turn(file: Image.Image) -> Image.Transpose | None:
    """Returns what brings a file's pixels upright, by its EXIF orientation; unreadable EXIF counts as none."""
    try:
        return _TRANSPOSE.get(file.getexif().get(_ORIENTATION, 1))
    except BROKEN:
        return None


def _turned(pixels: Image.Image, turn: Image.Transpose | None) -> Image.Image:
    return pixels if turn is None else pixels.transpose(turn)


def _resize(image: Image.Image, prep: Preprocessing) -> Image.Image:
    width, height = image.size
    short = prep.resize
    long = int(short * max(width, height) / min(width, height))
    if short * long > MAX_PIXELS:
        raise InputError(
            "An image of {width} x {height} pixels is too narrow a strip to be resized to {short} pixels.",
            width=width,
            height=height,
            short=short,
        )
    size = (short, long) if width <= height else (long, short)
    return image if size == image.size else image.resize(size, _RESAMPLE[prep.interpolation])


def _whole(image: Image.Image, prep: Preprocessing) -> Image.Image:
    """Makes a square of all of an image: squeezed into it, or with bars beside it."""
    side, how = prep.crop, _RESAMPLE[prep.interpolation]
    if prep.fit == "squeeze":
        return image if image.size == (side, side) else image.resize((side, side), how)
    longest = max(image.size)
    width, height = (max(1, round(side * own / longest)) for own in image.size)
    colour = tuple(round(255 * value) for value in prep.mean)
    square = Image.new("RGB", (side, side), colour)
    square.paste(image.resize((width, height), how), ((side - width) // 2, (side - height) // 2))
    return square


def _centre(side: int, crop: int) -> int:
    """Returns the centred crop's start as torchvision rounds it (halves to the even number)."""
    return round((side - crop) / 2.0)


def _name_of(source: object) -> str:
    if isinstance(source, str | Path):
        return Path(source).name
    return Path(str(getattr(source, "name", "") or "The image")).name


def _short(error: BaseException) -> str:
    """Returns the first line of an error, short and without paths of this machine."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:120].rstrip(".")
