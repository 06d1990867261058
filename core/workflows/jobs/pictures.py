"""Pictures that are part of a request: encoded files in base64."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from core.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image


def encoded(image: Image, side: int) -> str:
    """Returns a picture as a file in base64, at most so many pixels wide and high."""
    from core.data.encoding import webp

    picture = image.convert("RGB")
    picture.thumbnail((side, side))
    return base64.b64encode(webp(picture, quality=95)).decode()


def decoded(text: str) -> Image:
    """Reads what :func:`encoded` made, or any other encoded picture in base64.

    Raises:
        InputError: It is damaged, or no picture.
    """
    from core.data.images import open_image

    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError("The request of this job is damaged. Make a new one.") from error
    return open_image(content)
