"""Pictures that may stand in the wrong class, and pictures that are unlike all others of theirs.

Labels are doubted by confident learning (Northcutt et al. 2021, arXiv:1911.00068) on what a linear probe, fitted on
all the other pictures' frozen features, says of each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.evaluation.transferability import Frozen

NEIGHBOURS = 10
"""Nearest pictures of its class that a picture's distance is the mean of."""
_FAR = 4.5  # robust deviations above the middle distance
_LEAST = 12  # pictures of a class, with fewer of which none is called unlike the others


@dataclass(frozen=True, slots=True)
class Suspect:
    """A label that is doubted.

    Attributes:
        row: Row of the picture.
        suggested: Class that the probe names.
        confidence: Probability of that class less that of the given one.
    """

    row: int
    suggested: int
    confidence: float


def probabilities(features: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Returns the class probabilities of each picture by a probe that was fitted without it, ``N x K``.

    The probe's answers go through a softmax whose temperature fits the labels best.
    """
    answers = Frozen(features, labels).left_out_answers()
    own = np.unique(labels, return_inverse=True)[1]
    best, least = answers, np.inf
    for sharpness in np.geomspace(0.5, 40.0, 24):
        scaled = sharpness * answers
        scaled = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        scaled /= scaled.sum(axis=1, keepdims=True)
        loss = -float(np.log(np.maximum(scaled[np.arange(len(own)), own], 1e-12)).mean())
        if loss < least:
            best, least = scaled, loss
    return best


def suspects(features: NDArray[np.float32], labels: NDArray[np.int64]) -> list[Suspect]:
    """Returns the labels that are doubted, the most doubtful first.

    A label is doubted where the probe names another class, or is surer of another one than it is, on the average, of
    pictures that bear that class's label (the off-diagonal of the confident joint). Doubts are ordered by how much
    surer the probe is of the other class.

    Args:
        features: ``N x D``.
        labels: ``N``; at least two classes occur.
    """
    known = np.unique(labels)
    if len(known) < 2 or len(labels) < 4:
        return []
    found = probabilities(features, labels)
    own = np.searchsorted(known, labels)
    thresholds = np.array([found[own == label, label].mean() for label in range(len(known))])
    above = np.where(found >= thresholds, found, -1.0)
    named = np.where(above.max(axis=1) > 0, above.argmax(axis=1), found.argmax(axis=1))
    rows = [
        Suspect(int(row), int(known[named[row]]), float(found[row, named[row]] - found[row, own[row]]))
        for row in np.flatnonzero(named != own)
    ]
    return sorted(rows, key=lambda row: -row.confidence)


def outliers(features: NDArray[np.float32], labels: NDArray[np.int64]) -> list[tuple[int, float]]:
    """Returns the rows of pictures far from all others of their class, the farthest first, with how far.

    How far is the mean cosine distance to the nearest ten, in robust deviations above the middle of the class.

    Args:
        features: ``N x D`` of length 1.
        labels: ``N``.
    """
    found = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        if len(members) < _LEAST:
            continue
        count = min(NEIGHBOURS, len(members) - 1)
        distance = np.empty(len(members))
        for start in range(0, len(members), 512):
            part = features[members[start : start + 512]] @ features[members].T
            distance[start : start + 512] = 1 - (np.sort(part, axis=1)[:, -count - 1 : -1]).mean(axis=1)
        middle = np.median(distance)
        deviation = 1.4826 * np.median(np.abs(distance - middle))
        far = (distance - middle) / max(deviation, 1e-6)
        found += [(int(members[row]), float(far[row])) for row in np.flatnonzero(far > _FAR)]
    return sorted(found, key=lambda pair: -pair[1])
