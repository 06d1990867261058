"""From pixels to an image file's bytes: every PNG and WebP file that is shown, sent or kept is encoded here.

Neither NumPy nor Pillow is loaded before there is an image.
"""

from __future__ import annotations

import base64
import binascii
import io
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

KINDS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
"""Formats that a picture is written in, by the ending of its file; PNG where there is none."""
LOSSLESS = 96
"""Longest side, in pixels, up to which :func:`compact` loses nothing."""


def png(image: Image.Image | NDArray[np.uint8], *, repeats: bool = False) -> bytes:
    """Encodes a picture as PNG, quickly: level 1, and runs of equal pixels instead of a search for repetitions.

    Args:
        image: The picture; as an array HxW or HxWx3, 0..255.
        repeats: Whether patterns repeat, as in photographs and where a palette's pixels were enlarged.
    """
    return _file(
        _image(image), "PNG", compress_level=1, compress_type=zlib.Z_DEFAULT_STRATEGY if repeats else zlib.Z_RLE
    )


def check_ending(path: Path) -> None:
    """Makes sure that a picture can be written as a file's ending says, before it is worked out.

    Raises:
        InputError: It cannot.
    """
    if path.suffix and path.suffix.lower() not in KINDS:
        raise InputError(
            "A picture cannot be written as {file}: it ends in {ending}. End it in one of {known}.",
            file=str(path),
            ending=path.suffix,
            known=", ".join(KINDS),
        )


def encoded(image: Image.Image | NDArray[np.uint8], path: Path) -> bytes:
    """Encodes a picture as a file's ending says.

    Args:
        image: The picture; as an array HxW or HxWx3, 0..255.
        path: The file.

    Raises:
        InputError: See :func:`check_ending`.
    """
    check_ending(path)
    kind = KINDS.get(path.suffix.lower(), "PNG")
    if kind == "PNG":
        return png(image)
    return _file(_image(image).convert("RGB"), kind, quality=92)


def webp(image: Image.Image, *, quality: int = 88) -> bytes:
    """Encodes a picture as WebP.

    Args:
        image: The picture.
        quality: From 0 to 100.
    """
    return _file(image, "WEBP", quality=quality, method=2)


def compact(image: Image.Image, side: int | None = None, *, quick: bool = False) -> bytes:
    """Encodes a picture for a page: PNG up to :data:`LOSSLESS` pixels, WebP beyond.

    Args:
        image: The picture; it is left as it is.
        side: Width and height that it is reduced to at most; ``None`` for no limit.
        quick: Whether it is JPEG beyond instead: as near, in a fifth of the time and with 40 % more bytes.
    """
    if side is not None and max(image.size) > side:
        image = image.copy()
        image.thumbnail((side, side))
    if max(image.size) <= LOSSLESS:
        return png(image, repeats=True)
    return _file(image, "JPEG", quality=92) if quick else webp(image)


def _image(image: Image.Image | NDArray[np.uint8]) -> Image.Image:
    from PIL import Image

    return image if isinstance(image, Image.Image) else Image.fromarray(image)


def _file(image: Image.Image, kind: str, **settings: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **settings)
    return stream.getvalue()


def to_text(image: Image.Image, side: int) -> str:
    """Returns a picture as an encoded file in base64, at most so many pixels wide and high, to be part of a request."""
    picture = image.convert("RGB")
    picture.thumbnail((side, side))
    return base64.b64encode(webp(picture, quality=95)).decode()


def from_text(text: str) -> bytes:
    """Returns the encoded file that :func:`to_text` made a text of.

    Raises:
        InputError: The text is damaged.
    """
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError("The request of this job is damaged. Make a new one.") from error
