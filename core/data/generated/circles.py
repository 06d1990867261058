"""Gaussian circles of two sizes in noise: the place says nothing, only the width tells the class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.data.generated.drawn import gray, parts

CLASSES = ("narrow", "wide")
WIDTHS = (1.8, 2.4)
"""Widths as in the course: deviations in units of which eight make the picture's side."""


def draw(key: str, size: int, seed: int) -> tuple[Image.Image, NDArray[np.bool_]]:
    """Draws one circle and where it is brighter than half of its middle."""
    label, number = parts(key, CLASSES)
    rng = np.random.default_rng([seed, 2, label, number])
    place = np.linspace(-4, 4, size, dtype=np.float32)
    right, down = rng.uniform(-2, 2, 2)
    distance = (place[None, :] - right) ** 2 + (place[:, None] - down) ** 2
    blob = np.exp(-distance / WIDTHS[label])
    return gray(0.1 + 0.75 * blob + rng.normal(0, 0.05, blob.shape)), blob > 0.5
