"""Filters that look for the same: how alike a layer's kernels are, and which of them are nearly nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform
from torch import Tensor

from core.errors import InputError

DUPLICATE = 0.95
"""Cosine from which two filters count as the same."""
NEAR_ZERO = 0.01
"""Length, as a share of the layer's median length, below which a filter counts as nearly nothing."""
FEWEST_WEIGHTS = 4
"""Filters with fewer weights have hardly any direction of their own: they are not compared."""


@dataclass(frozen=True, slots=True, eq=False)
class Alike:
    """How alike a layer's filters are.

    Attributes:
        cosine: OxO, from -1 to 1, float32; 0 for filters of length zero, 1 on the diagonal.
        order: The filters so that similar ones stand side by side.
        duplicates: Groups of filters of which all pairs have a cosine of at least the limit; the largest first.
        opposites: Pairs that are each other's negative: a cosine of at most minus the limit.
        near_zero: Filters that are nearly nothing; they are in no group.
        lengths: Length (Euclidean norm) of each filter.
        limit: The cosine from which two filters count as the same.
    """

    cosine: NDArray[np.float32]
    order: tuple[int, ...]
    duplicates: tuple[tuple[int, ...], ...]
    opposites: tuple[tuple[int, int], ...]
    near_zero: tuple[int, ...]
    lengths: NDArray[np.float64]
    limit: float

    @property
    def comparable(self) -> bool:
        """Whether there are two filters or more to compare."""
        return len(self.lengths) > 1

    @property
    def redundant(self) -> int:
        """How many filters could go: in each group of duplicates all but one."""
        return sum(len(group) - 1 for group in self.duplicates)

    @property
    def likeness(self) -> float:
        """Mean cosine of two filters, without its sign; nan for fewer than two."""
        count = len(self.lengths)
        return float(np.abs(self.cosine[~np.eye(count, dtype=bool)]).mean()) if self.comparable else float("nan")


def alike(weights: Tensor, limit: float = DUPLICATE) -> Alike:
    """Compares a layer's filters with each other.

    Args:
        weights: OxIxkhxkw, as :func:`core.interpret.filters.kernels.kernels` gives them. Values that are no numbers
            count as 0.
        limit: The cosine from which two filters count as the same.

    Raises:
        InputError: The limit is not above 0 and at most 1.
    """
    if not 0 < limit <= 1:
        raise InputError(
            "{limit} is no cosine to count filters as the same from. Choose above 0, up to 1.", limit=limit
        )
    flat = np.nan_to_num(weights.detach().cpu().double().flatten(1).numpy(), posinf=0.0, neginf=0.0)
    lengths = np.linalg.norm(flat, axis=1)
    typical = float(np.median(lengths)) if lengths.any() else 0.0
    nothing = lengths <= NEAR_ZERO * (typical or float(lengths.max(initial=0.0)))
    unit = flat / np.where(lengths > 0, lengths, 1.0)[:, None]
    cosine = np.clip(unit @ unit.T, -1.0, 1.0)
    np.fill_diagonal(cosine, 1.0)
    living = np.flatnonzero(~nothing)
    groups, order = _grouped(cosine, living, limit if flat.shape[1] >= FEWEST_WEIGHTS else np.inf)
    opposite: list[tuple[int, int]] = []
    if flat.shape[1] >= FEWEST_WEIGHTS:
        rows, columns = np.nonzero(np.triu(cosine, 1) <= -limit)
        opposite = [(int(a), int(b)) for a, b in zip(rows, columns, strict=True) if not (nothing[a] or nothing[b])]
    return Alike(
        cosine.astype(np.float32),
        (*order, *(int(i) for i in np.flatnonzero(nothing))),
        groups,
        tuple(opposite),
        tuple(int(i) for i in np.flatnonzero(nothing)),
        lengths,
        limit,
    )


def _grouped(
    cosine: NDArray[np.float64], living: NDArray[np.intp], limit: float
) -> tuple[tuple[tuple[int, ...], ...], Sequence[int]]:
    """Returns groups in which all are alike (complete linkage), and an order in which neighbours are."""
    if len(living) < 2:
        return (), [int(i) for i in living]
    distance = 1.0 - cosine[np.ix_(living, living)]
    np.fill_diagonal(distance, 0.0)
    condensed = squareform(distance.clip(0), checks=False)
    near = hierarchy.linkage(condensed, "average")
    order = [int(living[i]) for i in hierarchy.leaves_list(near)]
    if not np.isfinite(limit):
        return (), order
    labels = hierarchy.fcluster(hierarchy.linkage(condensed, "complete"), 1.0 - limit + 1e-9, "distance")
    groups = [tuple(int(i) for i in living[labels == label]) for label in np.unique(labels)]
    found = sorted((group for group in groups if len(group) > 1), key=lambda group: (-len(group), group))
    return tuple(found), order
