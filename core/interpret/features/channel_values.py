"""What one feature map holds, in figures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BINS = 32
"""Bins between the lowest and the highest value."""


@dataclass(frozen=True, slots=True, eq=False)
class ChannelValues:
    """The values of one map; those that are no finite numbers are left out of all figures.

    Attributes:
        low: Lowest value.
        high: Highest value.
        mean: Mean value.
        deviation: Standard deviation.
        off: Share of the values at or below zero, 0 to 1.
        broken: Number of values that are no finite numbers.
        width: Width of a bin. Zero is an edge, and a bin ends with its right edge: values at zero lie left of it.
        middles: The middle of each bin.
        counts: How many values lie in each.
    """

    low: float
    high: float
    mean: float
    deviation: float
    off: float
    broken: int
    width: float
    middles: NDArray[np.floating]
    counts: NDArray[np.int64]


def channel_values(values: NDArray[np.floating], bins: int = BINS) -> ChannelValues | None:
    """Measures one map.

    Args:
        values: HxW.
        bins: Bins between the lowest and the highest value.

    Returns:
        ``None`` where no value is a finite number.
    """
    finite = values[np.isfinite(values)]
    if not len(finite):
        return None
    low, high = float(finite.min()), float(finite.max())
    width = (high - low) / bins or 1.0
    places = np.ceil(finite / width).astype(np.int64)
    first = int(places.min())
    counts = np.bincount(places - first)
    return ChannelValues(
        low=low,
        high=high,
        mean=float(finite.mean()),
        deviation=float(finite.std()),
        off=float((finite <= 0).mean()),
        broken=int(values.size - len(finite)),
        width=width,
        middles=(np.arange(first, first + len(counts)) - 0.5) * width,
        counts=counts,
    )
