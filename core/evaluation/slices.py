"""Accuracy within slices of the images: by any column of them, the worst slice first, each with its interval.

The intervals hold one by one. That a slice is worse than the rest is tested for all slices together by Holm's method,
since among many slices some always look bad.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from core.evaluation.differences import holm
from core.evaluation.intervals import Integers, Interval, influence_interval, wilson_interval

LEAST = 5
"""Images of the smallest slice that is told."""
PARTS = 4
"""Slices that a column of numbers is cut into, about equally large."""
MOST_VALUES = 40
"""Values of a column of words up to which it makes slices: more are names rather than kinds."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Images that share a value of a column.

    Attributes:
        column: The column.
        value: The value; of numbers a span, ``12 to 37``.
        rows: Places of the images among all, ascending.
        right: How many of them are classified right.
        interval: 95 % interval of their accuracy, over groups where images are related.
        rest: Accuracy of all other images.
        p_value: Of "the slice is as good as the rest", after Holm over all slices.
    """

    column: str
    value: str
    rows: NDArray[np.intp]
    right: int
    interval: Interval
    rest: float
    p_value: float

    @property
    def images(self) -> int:
        """How many images there are in it."""
        return len(self.rows)

    @property
    def accuracy(self) -> float:
        """Share of them that is classified right."""
        return self.right / len(self.rows)

    @property
    def worse(self) -> bool:
        """Whether it is worse than the rest by more than chance, of all slices together."""
        return self.accuracy < self.rest and self.p_value < 0.05

    def as_record(self) -> dict[str, Any]:
        """Returns plain values for JSON."""
        return {
            "column": self.column,
            "value": self.value,
            "images": self.images,
            "accuracy": self.accuracy,
            "interval": list(self.interval),
            "rest": self.rest,
            "p_value": self.p_value,
            "worse": self.worse,
        }


def slices(
    columns: Mapping[str, Sequence[str | float | None]], right: NDArray[np.bool_], groups: Sequence[int] | None = None
) -> tuple[Slice, ...]:
    """Returns the slices of all columns, the worst first.

    Args:
        columns: By name a value for each image, ``N``: words, or numbers, which are cut at their quantiles; ``None``
            where an image has none.
        right: Whether each image is classified right, ``N``.
        groups: Group of each image where some are related.

    Returns:
        Slices of at least :data:`LEAST` images that are not all images.
    """
    numbered = None if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1].reshape(-1)
    found: list[tuple[str, str, NDArray[np.intp], float]] = []
    for column, values in columns.items():
        for value, rows in _parts(values):
            if LEAST <= len(rows) < len(right):
                found.append((column, value, rows, _against_rest(rows, right, numbered)))
    corrected = holm([p_value for *_slice, p_value in found])
    made = [
        Slice(column, value, rows, int(right[rows].sum()), _interval(rows, right, numbered), _rest(rows, right), p)
        for (column, value, rows, _alone), p in zip(found, corrected, strict=True)
    ]
    return tuple(sorted(made, key=lambda one: (one.accuracy, -one.images)))


def _parts(values: Sequence[str | float | None]) -> list[tuple[str, NDArray[np.intp]]]:
    """Returns the slices of a column: its values, and the places of the images that have each."""
    known = [place for place, value in enumerate(values) if value is not None]
    if known and all(isinstance(values[place], int | float) for place in known):
        return _spans(np.asarray([values[place] for place in known], dtype=np.float64), np.asarray(known))
    places: dict[str, list[int]] = {}
    for place in known:
        places.setdefault(str(values[place]), []).append(place)
    if not 2 <= len(places) <= MOST_VALUES:
        return []
    return [(value, np.asarray(rows, dtype=np.intp)) for value, rows in places.items()]


def _spans(values: NDArray[np.float64], places: NDArray[np.intp]) -> list[tuple[str, NDArray[np.intp]]]:
    """Cuts numbers at their quantiles; what is equal stays together."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, PARTS + 1)[1:-1]))
    part = np.searchsorted(edges, values, side="right" if len(np.unique(values)) > PARTS else "left")
    found = []
    for number in np.unique(part):
        mine = part == number
        low, high = float(values[mine].min()), float(values[mine].max())
        name = f"{low:.4g}" if low == high else f"{low:.4g} – {high:.4g}"
        found.append((name, places[mine].astype(np.intp)))
    return found if len(found) > 1 else []


def _rest(rows: NDArray[np.intp], right: NDArray[np.bool_]) -> float:
    return float((right.sum() - right[rows].sum()) / (len(right) - len(rows)))


def _interval(rows: NDArray[np.intp], right: NDArray[np.bool_], groups: Integers | None) -> Interval:
    hit = right[rows]
    if groups is None:
        return wilson_interval(int(hit.sum()), len(hit))
    mine = np.unique(groups[rows], return_inverse=True)[1].reshape(-1)
    count, share = int(mine.max()) + 1, float(hit.mean())
    if share in (0.0, 1.0):  # without any spread the groups are what is counted
        return wilson_interval(count if share else 0, count)
    return influence_interval(share, (hit - share) / len(hit), "logit", mine)


def _against_rest(rows: NDArray[np.intp], right: NDArray[np.bool_], groups: Integers | None) -> float:
    """Returns the p-value of a slice against the rest: Fisher's exact test, or a score test with groups as its unit."""
    inside = np.zeros(len(right), dtype=bool)
    inside[rows] = True
    hits, others = int(right[inside].sum()), int(right[~inside].sum())
    if groups is None:
        table = [[hits, len(rows) - hits], [others, len(right) - len(rows) - others]]
        return float(stats.fisher_exact(table).pvalue)
    shares = hits / len(rows), others / (len(right) - len(rows))
    # as if both had the accuracy of all, which is what is tested: a slice without any mistake has no spread of its own
    pull = (right - right.mean()) * np.where(inside, 1 / len(rows), -1 / (len(right) - len(rows)))
    summed = np.bincount(groups, weights=pull)
    error = float((summed**2).sum() * len(summed) / max(len(summed) - 1, 1)) ** 0.5
    if not error or len(summed) < 2:
        return 1.0
    return float(2 * special.stdtr(len(summed) - 1, -abs(shares[0] - shares[1]) / error))
