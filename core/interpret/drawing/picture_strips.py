"""Small pictures enlarged pixel by pixel and laid side by side, a grey gap between two."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

GAP = 6
"""Between two pictures, in pixels."""
GREY = 140
"""Of the gaps: seen beside black and white pictures, in both themes."""


def strip(pictures: NDArray[np.uint8], side: int = 84) -> NDArray[np.uint8]:
    """Returns pictures N x S x S x 3 in a row, each ``side`` pixels wide."""
    rows: list[NDArray[Any]] = []
    for picture in pictures:
        large = np.array(Image.fromarray(picture).resize((side, side), Image.Resampling.NEAREST))
        rows += [large, np.full((side, GAP, 3), GREY, np.uint8)]
    return np.concatenate(rows[:-1], axis=1)


def sheet(pictures: NDArray[np.uint8], columns: int, side: int = 84) -> NDArray[np.uint8]:
    """Returns pictures N x S x S x 3 row by row, N a multiple of ``columns``."""
    rows = [strip(pictures[first : first + columns], side) for first in range(0, len(pictures), columns)]
    gap = np.full((GAP, rows[0].shape[1], 3), GREY, np.uint8)
    return np.concatenate([part for row in rows for part in (row, gap)][:-1], axis=0)
