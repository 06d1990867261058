"""A rare class: what accuracy hides, and what weights and sampling do, on two clouds of points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError

CURES = ("none", "weights", "oversampling", "undersampling")
TEST_EACH = 2000
"""Points of each class that are judged by: so many that recalls are exact to about a percentage point."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A classifier of two classes, judged.

    Attributes:
        cure: One of :data:`CURES`.
        matrix: Rows true, columns said, of points in the shares that the classes have in the world.
        line: Weights and bias of the line between the classes: ``w0 x + w1 y + b = 0``.
        seen: Points of the common and of the rare class that it learned from, copies included.
    """

    cure: str
    matrix: NDArray[np.float64]
    line: tuple[float, float, float]
    seen: tuple[int, int]

    @property
    def accuracy(self) -> float:
        """Share of the points that come out right."""
        return float(np.trace(self.matrix) / self.matrix.sum())

    @property
    def recalls(self) -> tuple[float, float]:
        """Share of each class that is found."""
        found = np.diag(self.matrix) / self.matrix.sum(1)
        return float(found[0]), float(found[1])

    @property
    def balanced(self) -> float:
        """Mean of the recalls."""
        return sum(self.recalls) / 2

    @property
    def precision(self) -> float:
        """Share of what is called rare that is rare; not a number where nothing is."""
        called = self.matrix[:, 1].sum()
        return float(self.matrix[1, 1] / called) if called else float("nan")


def points(share: float, count: int, distance: float, seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Returns points of a common and a rare class: two round clouds of deviation 1.

    Args:
        share: Share of the rare class.
        count: Number of points.
        distance: Distance between the clouds' middles.
        seed: Seed of the draw.

    Raises:
        InputError: The share leaves a class with fewer than two points, or is over a half.
    """
    rare = round(share * count)
    if not (2 <= rare <= count / 2):
        raise InputError(
            "A share of {share} of {count} points is {rare}. Give the rare class at least 2 and at most half of them.",
            share=share,
            count=count,
            rare=rare,
        )
    draw = np.random.default_rng(seed)
    labels = np.repeat([0, 1], [count - rare, rare])
    return draw.normal(size=(count, 2)) + labels[:, None] * np.array([distance, 0.0]), labels


def judge(share: float, cure: str = "none", *, count: int = 400, distance: float = 2.0, seed: int = 0) -> Judged:
    """Fits a logistic regression to uneven classes, with one cure, and judges it on new points.

    Args:
        share: Share of the rare class, in training and in the world.
        cure: ``weights`` weigh a class by its rarity in the loss; ``oversampling`` draws the rare class again;
            ``undersampling`` leaves common points out.
        count: Number of training points.
        distance: Distance between the clouds' middles.
        seed: Seed of all draws.

    Raises:
        InputError: There is no such cure, or the share is out of range.
    """
    from sklearn.linear_model import LogisticRegression

    if cure not in CURES:
        raise InputError("There is no cure {name}. Choose one of: {all}.", name=cure, all=", ".join(CURES))
    x, y = points(share, count, distance, seed)
    draw = np.random.default_rng(seed + 1)
    common, rare = (np.flatnonzero(y == label) for label in (0, 1))
    kept = np.arange(len(y))
    if cure == "oversampling":
        kept = np.concatenate([common, draw.choice(rare, len(common))])
    elif cure == "undersampling":
        kept = np.concatenate([draw.choice(common, len(rare), replace=False), rare])
    model = LogisticRegression(class_weight="balanced" if cure == "weights" else None).fit(x[kept], y[kept])
    new_x, new_y = points(0.5, 2 * TEST_EACH, distance, seed + 2)
    said = model.predict(new_x)
    matrix = np.array([[np.mean(said[new_y == true] == name) for name in (0, 1)] for true in (0, 1)])
    world = np.array([1 - share, share])[:, None] * matrix
    (w0, w1), bias = model.coef_[0], model.intercept_[0]
    counts = np.bincount(y[kept], minlength=2)
    return Judged(cure, world, (float(w0), float(w1), float(bias)), (int(counts[0]), int(counts[1])))


def always_common(share: float) -> Judged:
    """Returns what always naming the common class reaches."""
    return Judged("always", np.array([[1 - share, 0.0], [share, 0.0]]), (0.0, 0.0, -1.0), (0, 0))
