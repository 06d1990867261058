"""Draws how alike a layer's filters are."""

from __future__ import annotations

import numpy as np
from PIL import Image

from core.interpret.drawing.colormaps import lookup
from core.interpret.filters.similarity import Alike

MATRIX_PX = 720
"""About as many pixels the map is wide."""
MAX_FILTERS = 1024
"""Filters a side that are drawn apart; beyond it, neighbours are averaged."""


def alike_map(found: Alike, *, side: int = MATRIX_PX) -> Image.Image:
    """Draws the cosines between filters as a square map, similar ones side by side, from -1 through 0 to 1.

    Args:
        found: As :func:`core.interpret.filters.similarity.alike` gives it.
        side: About the side of the picture, in pixels; cells are a whole number of pixels where they fit.
    """
    order = list(found.order)
    values = found.cosine[np.ix_(order, order)]
    if len(values) > MAX_FILTERS:
        edges = np.linspace(0, len(values), MAX_FILTERS + 1).astype(int)[:-1]
        counts = np.diff(np.append(edges, len(values)))
        values = np.add.reduceat(np.add.reduceat(values, edges, 0), edges, 1) / np.outer(counts, counts)
    pixels = lookup("blue-red")[np.rint(values * 127.5 + 127.5).clip(0, 255).astype(np.uint8)]
    factor = max(1, side // max(1, len(values)))
    return Image.fromarray(np.ascontiguousarray(pixels.repeat(factor, 0).repeat(factor, 1)))
