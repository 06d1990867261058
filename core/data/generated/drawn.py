"""What generated sets share: a picture and its mask by key, each key with random numbers of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.errors import InputError

Drawing = Callable[[str, int, int], tuple[Image.Image, NDArray[np.bool_] | None]]
"""Draws a picture (RGB) and where the object is, from a key, the side in pixels and the set's seed."""


@dataclass(frozen=True, slots=True)
class DrawnReader:
    """Draws the picture of a key whenever it is asked for.

    Attributes:
        draw: Draws it.
        size: Side of the square pictures, in pixels.
        seed: The same seed draws the same pictures.
    """

    draw: Drawing
    size: int
    seed: int = 0

    def load(self, key: str) -> Image.Image:
        """Draws the picture, RGB, ``size`` x ``size``."""
        return self.draw(key, self.size, self.seed)[0]

    def mask(self, key: str) -> NDArray[np.bool_] | None:
        """Returns where the object is: bool, ``size`` x ``size``; None where nothing stands out."""
        return self.draw(key, self.size, self.seed)[1]

    def path(self, key: str) -> None:
        """Returns None: there are no files."""


def parts(key: str, classes: tuple[str, ...]) -> tuple[int, int]:
    """Returns the class and the number of a key such as ``bag/0012``.

    Raises:
        InputError: There is no such picture.
    """
    name, _, number = key.partition("/")
    if name not in classes or not number.isdigit():
        raise InputError("There is no generated picture {name}.", name=key)
    return classes.index(name), int(number)


def gray(values: NDArray[np.floating]) -> Image.Image:
    """Returns an RGB picture of gray values from 0 to 1."""
    return Image.fromarray((np.clip(values, 0, 1) * 255).round().astype(np.uint8)).convert("RGB")
