"""Curves of several runs over one axis: epochs, steps, images seen or seconds; smoothed, and with a band over seeds.

Loads no torch. What is drawn begins at epoch 0 where a run was judged before it trained.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.runs.files import read_json
from core.runs.journal import Journal, thinned
from core.runs.recorder import BEFORE
from core.runs.status import RunStatus

AXES = ("epoch", "step", "images", "seconds")
"""What a curve can be drawn over; ``seconds`` are those of its epochs, without waiting and reading images."""
MOST_RUNS = 20
"""Runs of one chart."""
POINTS = 300
"""Points of a line, at most about."""

Floats = NDArray[np.float64]


class Curve(NamedTuple):
    """One run's measure after each epoch.

    Attributes:
        epochs: From 0 where the run was judged before it trained, else from 1; ``N``.
        x: Place of each on the axis, ``N``.
        y: Value of each, ``N``; ``nan`` where it has none.
    """

    epochs: Floats
    x: Floats
    y: Floats

    def drawn(self) -> NDArray[np.intp]:
        """Returns the rows to draw: the lowest and highest of each stretch, so that no peak is lost."""
        return thinned([self.y], POINTS)


class Band(NamedTuple):
    """Runs of one recipe with several seeds, at the epochs that all of them have.

    Attributes:
        epochs: Those epochs, ``N``.
        x: Mean of their places on the axis, ``N``.
        mean: Mean value, ``N``.
        deviation: Sample standard deviation over the seeds, ``N``.
        seeds: How many runs.
    """

    epochs: Floats
    x: Floats
    mean: Floats
    deviation: Floats
    seeds: int


def judged_before(folder: Path) -> dict[str, float]:
    """Returns what a run's network was worth on the validation images before training; empty where nobody judged it.

    Args:
        folder: The run's.
    """
    return {name: float(value) for name, value in read_json(folder / BEFORE).items() if isinstance(value, int | float)}


def curve(book: Journal, status: RunStatus, measure: str, axis: str, *, before: float | None = None) -> Curve:
    """Returns one measure of a run over an axis.

    Args:
        book: What the run has written.
        status: For the number of steps of an epoch.
        measure: A column of ``metrics.jsonl``.
        axis: One of :data:`AXES`.
        before: The measure before training, see :func:`judged_before`.
    """
    epochs, values = book.epochs.column("epoch"), book.epochs.column(measure)
    x = _places(book, status, axis, epochs)
    if before is not None:
        epochs, x, values = (np.insert(part, 0, first) for part, first in ((epochs, 0), (x, 0), (values, before)))
    return Curve(epochs, x, values)


def _places(book: Journal, status: RunStatus, axis: str, epochs: Floats) -> Floats:
    if axis == "epoch":
        return epochs
    if axis == "step":
        return np.asarray(epochs * (status.steps / status.epochs if status.epochs else 1.0))
    seconds = np.nan_to_num(book.epochs.column("seconds"))
    if axis == "seconds":
        return np.cumsum(seconds)
    return np.cumsum(np.round(seconds * np.nan_to_num(book.epochs.column("images_per_second"))))


def smoothed(values: Floats, weight: float) -> Floats:
    """Returns the exponential moving average of a curve, without the pull of its beginning towards zero.

    Args:
        values: ``N``; what is ``nan`` stays so and changes nothing.
        weight: Share of the past in each value, 0 (not smoothed) to below 1.
    """
    if not weight:
        return values
    found, kept, mass = np.full(len(values), np.nan), 0.0, 0.0
    for place, value in enumerate(values.tolist()):
        if not math.isnan(value):
            kept, mass = weight * kept + (1 - weight) * value, weight * mass + 1 - weight
            found[place] = kept / mass
    return found


def band(curves: Sequence[Curve]) -> Band | None:
    """Returns mean and deviation over the runs of one recipe; ``None`` for fewer than two runs or no common epoch."""
    if len(curves) < 2:
        return None
    shared = sorted(set.intersection(*(set(one.epochs.tolist()) for one in curves)))
    if not shared:
        return None
    rows = [np.searchsorted(one.epochs, shared) for one in curves]
    y = np.stack([one.y[row] for one, row in zip(curves, rows, strict=True)])
    x = np.mean([one.x[row] for one, row in zip(curves, rows, strict=True)], axis=0)
    return Band(np.asarray(shared), x, y.mean(axis=0), y.std(axis=0, ddof=1), len(curves))
