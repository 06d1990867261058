"""Mean and deviation of the colours of images, as a network would see them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from core.data.dataset import Dataset, shuffle_key
from core.data.images import fit
from core.data.threads import WORKERS
from core.errors import InputError
from core.specs import Preprocessing

MOST = 2000
"""Images that are measured at most."""
_LEAST_DEVIATION = 1e-3  # images of one colour are not divided by nothing


def colours(dataset: Dataset, prep: Preprocessing) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Measures the training images, or all where none is divided off; not those that cannot be read.

    Args:
        dataset: The images.
        prep: How an image becomes a square.

    Returns:
        Mean and standard deviation of red, green and blue, on the 0..1 scale, to four digits.

    Raises:
        InputError: No image can be read.
    """
    prep = prep.fitted("squeeze") if prep.fit == "pad" else prep  # bars are no part of the images
    positions = list(dataset.positions("train")) or list(range(len(dataset)))
    positions = sorted(positions, key=lambda place: shuffle_key(0, dataset.items[place].key))[:MOST]

    def sums(position: int) -> np.ndarray | None:
        try:
            pixels = np.asarray(fit(dataset.load(position), prep), dtype=np.float64).reshape(-1, 3) / 255
        except InputError:
            return None
        return np.stack([pixels.mean(axis=0), (pixels**2).mean(axis=0)])

    with ThreadPoolExecutor(WORKERS) as pool:
        found = [one for one in pool.map(sums, positions) if one is not None]
    if not found:
        raise InputError("No image of {title} can be read, so their colours cannot be measured.", title=dataset.title)
    mean, square = np.mean(found, axis=0)
    deviation = np.sqrt(np.maximum(square - mean**2, _LEAST_DEVIATION**2))
    return tuple(round(float(value), 4) for value in mean), tuple(round(float(value), 4) for value in deviation)
