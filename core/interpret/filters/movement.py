"""How far filters moved: against their start, and over a run's epochs. Loads no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

STILL = 1e-4
"""Change, as a share of a filter's length, up to which it stood still (float16 keeps no finer ones)."""


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """How far each filter had come after each epoch.

    Attributes:
        epochs: In order.
        moved: Epochs x filters: length of the difference to the start, over the filter's length at the start.
        turned: Epochs x filters: angle between the filter and what it was at the start, in degrees.
        steps: Epochs x filters: as ``moved``, but from the epoch before (the start, for the first).
    """

    epochs: tuple[int, ...]
    moved: NDArray[np.float64]
    turned: NDArray[np.float64]
    steps: NDArray[np.float64]

    @property
    def usual(self) -> NDArray[np.float64]:
        """How far the median filter had come after each epoch."""
        middle: NDArray[np.float64] = np.median(self.moved, axis=1)
        return middle

    def furthest(self, count: int = 5) -> list[tuple[int, float]]:
        """Returns the filters that moved furthest by the last epoch, with how far."""
        last = self.moved[-1]
        order = np.argsort(-last, kind="stable")[:count]
        return [(int(index), float(last[index])) for index in order]

    @property
    def still(self) -> int:
        """How many filters stood still until the last epoch."""
        return int((self.moved[-1] <= STILL).sum())


def relative_change(now: NDArray[np.floating], before: NDArray[np.floating]) -> float:
    """Returns the length of the difference of two sets of weights, over the length before."""
    first, then = _flat(before), _flat(now)
    return float(np.linalg.norm(then - first)) / (float(np.linalg.norm(first)) or 1.0)


def motion(start: NDArray[np.floating], later: Mapping[int, NDArray[np.floating] | None]) -> Motion:
    """Measures movement.

    Args:
        start: Kernels before training, OxIxkhxkw.
        later: For each epoch the kernels after it; ``None`` where they still were those before training.

    Raises:
        ValueError: There is no epoch.
    """
    epochs: Sequence[int] = sorted(later)
    if not epochs:
        raise ValueError("there is no epoch")
    first = _flat(start)
    length = np.linalg.norm(first, axis=1)
    safe = np.where(length > 0, length, 1.0)
    moved, turned, steps = [], [], []
    before = first
    for epoch in epochs:
        weights = later[epoch]
        now = first if weights is None else _flat(weights)
        moved.append(np.linalg.norm(now - first, axis=1) / safe)
        steps.append(np.linalg.norm(now - before, axis=1) / safe)
        both = np.linalg.norm(now, axis=1) * length
        cosine = np.divide((now * first).sum(1), both, out=np.ones_like(both), where=both > 0)
        turned.append(np.degrees(np.arccos(cosine.clip(-1, 1))) * (moved[-1] > 0))
        before = now
    return Motion(tuple(epochs), np.stack(moved), np.stack(turned), np.stack(steps))


def _flat(kernels: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.nan_to_num(np.asarray(kernels, np.float64).reshape(len(kernels), -1), posinf=0.0, neginf=0.0)
