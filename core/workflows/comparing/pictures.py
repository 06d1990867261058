"""Two runs picture by picture: what one gets right and the other wrong, and how the confusion matrix changed.

Loads no torch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.runs.store import Run
from core.workflows.comparing.recipe import recipe_key

if TYPE_CHECKING:
    from core.evaluation.predictions import Predictions
    from core.specs import Experiment

KINDS = ("fixed", "broken", "both_wrong")
"""What can have become of a picture that either run got wrong."""

Integers = NDArray[np.int64]
Places = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Changes:
    """What two runs say of the pictures that both were judged on; arrays are ``N``, in the order of ``keys``.

    Attributes:
        classes: Class names, in the order of the first run's logits.
        keys: The pictures.
        truth: True class in the first and in the second run: they differ where a picture was relabelled in between.
        said: Class that each run named.
        sure: Probability of that class.
        alone: Pictures that the first alone, and that the second alone was judged on.
    """

    classes: tuple[str, ...]
    keys: tuple[str, ...]
    truth: tuple[Integers, Integers]
    said: tuple[Integers, Integers]
    sure: tuple[NDArray[np.float32], NDArray[np.float32]]
    alone: tuple[int, int]

    def right(self, side: int) -> NDArray[np.bool_]:
        """Returns which pictures a run gets right, by the labels that it has: 0 for the first, 1 for the second."""
        return np.asarray(self.said[side] == self.truth[side])

    def accuracy(self, side: int) -> float:
        """Returns the share of the common pictures that a run gets right."""
        return float(self.right(side).mean())

    def of(self, kind: str) -> Places:
        """Returns the pictures of one of :data:`KINDS`, those of which the second run is surest first.

        ``fixed`` are those that only the second gets right, ``broken`` those that only the first does.
        """
        first, second = self.right(0), self.right(1)
        chosen = {"fixed": ~first & second, "broken": first & ~second, "both_wrong": ~first & ~second}[kind]
        return self._surest(chosen)

    def relabelled(self) -> Places:
        """Returns the pictures whose label changed in between."""
        return np.flatnonzero(self.truth[0] != self.truth[1])

    def matrix(self, side: int) -> Integers:
        """Returns a run's confusion matrix over the common pictures, ``K x K``, a row for each true class."""
        count = len(self.classes)
        cells = self.truth[side] * count + self.said[side]
        return np.bincount(cells, minlength=count * count).reshape(count, count)

    def difference(self) -> Integers:
        """Returns how many pictures more (or fewer, below 0) each cell has in the second run, ``K x K``."""
        return self.matrix(1) - self.matrix(0)

    def moved(self, cell: tuple[int, int]) -> tuple[Places, Places]:
        """Returns the pictures that came into a cell of the confusion matrix, and those that left it."""
        there = [(self.truth[side] == cell[0]) & (self.said[side] == cell[1]) for side in (0, 1)]
        return self._surest(there[1] & ~there[0]), self._surest(there[0] & ~there[1])

    def _surest(self, chosen: NDArray[np.bool_]) -> Places:
        rows = np.flatnonzero(chosen)
        return rows[np.argsort(-self.sure[1][rows], kind="stable")]


def changes(first: Predictions, second: Predictions, names: tuple[str, str] = ("", "")) -> Changes:
    """Lays the answers of two runs side by side.

    Args:
        first: What the first run answered.
        second: What the second did.
        names: What the runs are called.

    Raises:
        InputError: The runs know different classes, or were judged on no common picture.
    """
    if sorted(first.classes) != sorted(second.classes):
        raise InputError(
            "{first} and {second} know different classes, so their answers cannot be compared.",
            first=names[0],
            second=names[1],
        )
    place = {key: row for row, key in enumerate(second.keys)}
    pairs = [(row, place[key]) for row, key in enumerate(first.keys) if key in place]
    if not pairs:
        raise InputError(
            "{first} and {second} held out no picture in common, so there is nothing to lay side by side.",
            first=names[0],
            second=names[1],
        )
    a, b = (np.asarray(rows, dtype=np.int64) for rows in zip(*pairs, strict=True))
    same = np.asarray([first.classes.index(name) for name in second.classes], dtype=np.int64)
    said = first.probabilities[a].argmax(axis=1), second.probabilities[b].argmax(axis=1)
    return Changes(
        classes=first.classes,
        keys=tuple(first.keys[row] for row in a.tolist()),
        truth=(first.labels[a], same[second.labels[b]]),
        said=(said[0].astype(np.int64), same[said[1]]),
        sure=(first.probabilities[a].max(axis=1), second.probabilities[b].max(axis=1)),
        alone=(len(first.keys) - len(pairs), len(second.keys) - len(pairs)),
    )


def trained_again(run: Run, runs: Iterable[Run]) -> Run | None:
    """Returns the run that another repeats on images that were repaired since: the newest earlier one of its recipe.

    Args:
        run: The later run.
        runs: All runs, the newest first.
    """
    try:
        experiment = run.experiment
    except InputError:
        return None
    if not experiment.data.revision:
        return None
    wanted = _unrevised(experiment)
    for other in runs:
        if other.id >= run.id:
            continue
        try:
            before = other.experiment
        except InputError:
            continue
        if before.data.revision != experiment.data.revision and _unrevised(before) == wanted:
            return other
    return None


def _unrevised(experiment: Experiment) -> tuple[str, int]:
    plain = replace(experiment, data=replace(experiment.data, revision=""))
    return recipe_key(plain), experiment.training.seed
