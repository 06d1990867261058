"""Curves that judge answers at every threshold: ROC, precision against recall, coverage against accuracy."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.evaluation.intervals import Floats, Integers

POINTS = 400
"""Most points of a curve: more cannot be seen."""


class Curve(NamedTuple):
    """A curve over all thresholds.

    Attributes:
        x: Places from left to right, ``P``.
        y: Values there, ``P``.
        thresholds: Least probability that counts as a yes at each point, ``P``; ``inf`` where nothing does.
    """

    x: Floats
    y: Floats
    thresholds: Floats


class AtThreshold(NamedTuple):
    """Two classes, one of them named where its probability reaches a threshold: the four counts."""

    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int

    @property
    def precision(self) -> float:
        """Of what is named positive, the share that is; ``nan`` where nothing is named."""
        return _share(self.true_positives, self.true_positives + self.false_positives)

    @property
    def recall(self) -> float:
        """Of the positives, the share that is named (sensitivity); ``nan`` where there are none."""
        return _share(self.true_positives, self.true_positives + self.false_negatives)

    @property
    def specificity(self) -> float:
        """Of the negatives, the share that is not named; ``nan`` where there are none."""
        return _share(self.true_negatives, self.true_negatives + self.false_positives)

    @property
    def accuracy(self) -> float:
        """Share of all images that are right."""
        return _share(self.true_positives + self.true_negatives, sum(self))

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; ``nan`` where neither is defined."""
        named = 2 * self.true_positives + self.false_positives + self.false_negatives
        return _share(2 * self.true_positives, named)


def roc(positive: NDArray[np.bool_], scores: Floats) -> Curve:
    """Returns the ROC curve: recall over the share of the others that is named, too (Fawcett 2006).

    Args:
        positive: Whether each image is of the class, ``N``; some are and some are not.
        scores: Its probability of the class, ``N``.
    """
    from sklearn.metrics import roc_curve

    others, found, thresholds = roc_curve(positive, scores)
    return _thinned(others, found, thresholds)


def precision_recall(positive: NDArray[np.bool_], scores: Floats) -> Curve:
    """Returns precision over recall (Davis and Goadrich 2006); on a rare class it shows what a ROC curve hides.

    Args:
        positive: Whether each image is of the class, ``N``; some are.
        scores: Its probability of the class, ``N``.
    """
    from sklearn.metrics import precision_recall_curve

    precision, recall, thresholds = precision_recall_curve(positive, scores, drop_intermediate=True)
    return _thinned(recall[::-1], precision[::-1], np.append(thresholds, np.inf)[::-1])


def coverage(labels: Integers, probabilities: Floats) -> Curve:
    """Returns the accuracy over the share of images that are answered, the surest first (Geifman and El-Yaniv 2017).

    Images of one probability are answered together, so that their order means nothing.

    Args:
        labels: True class of each image, ``N``; at least one.
        probabilities: ``N x K``.
    """
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    thresholds, place = np.unique(-confidence, return_inverse=True)
    answered = np.cumsum(np.bincount(place))
    hits = np.cumsum(np.bincount(place, weights=right))
    return _thinned(answered / len(labels), hits / answered, -thresholds)


def at_threshold(positive: NDArray[np.bool_], scores: Floats, threshold: float) -> AtThreshold:
    """Returns the counts where a class is named from a probability on.

    Args:
        positive: Whether each image is of the class, ``N``.
        scores: Its probability of the class, ``N``.
        threshold: The least probability that counts as a yes.
    """
    named = scores >= threshold
    return AtThreshold(
        int((positive & named).sum()),
        int((~positive & named).sum()),
        int((positive & ~named).sum()),
        int((~positive & ~named).sum()),
    )


def _thinned(x: Floats, y: Floats, thresholds: Floats) -> Curve:
    chosen = np.unique(np.linspace(0, len(x) - 1, min(POINTS, len(x))).round().astype(int))
    return Curve(x[chosen], y[chosen], thresholds[chosen])


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
