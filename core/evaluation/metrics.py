"""How good a set of predictions is, as scikit-learn counts it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn import metrics

from core.errors import InputError
from core.evaluation.intervals import wilson_interval


@dataclass(frozen=True, slots=True)
class ClassScore:
    """One class, taken as a detector of itself.

    Attributes:
        name: The class.
        precision: Of the images called so, the share that is so.
        recall: Of the images that are so, the share called so.
        f1: Harmonic mean of both.
        support: Images that are so.
    """

    name: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True)
class Scores:
    """Figures over a set of images. Shares are between 0 and 1.

    Attributes:
        images: How many images were judged.
        accuracy: Share classified right.
        balanced_accuracy: Mean recall over the classes that occur.
        macro_f1: Mean F1 over the classes that occur.
        log_loss: Mean cross-entropy, in nats.
        baseline: Accuracy of always naming the most frequent class.
        per_class: One score a class, in the order of the logits.
        confusion: ``K x K`` counts, a row for each true class.
    """

    images: int
    accuracy: float
    balanced_accuracy: float
    macro_f1: float
    log_loss: float
    baseline: float
    per_class: tuple[ClassScore, ...]
    confusion: np.ndarray

    @property
    def right(self) -> int:
        """Images that are classified right."""
        return int(np.trace(self.confusion))

    @property
    def interval(self) -> tuple[float, float]:
        """The accuracy's 95 % confidence interval, see :func:`core.evaluation.intervals.wilson_interval`."""
        return wilson_interval(self.right, self.images)

    @property
    def confusion_shares(self) -> np.ndarray:
        """``K x K``: of each true class, the share that is called each class; 0 for classes that do not occur."""
        shares: np.ndarray = self.confusion / self.confusion.sum(axis=1, keepdims=True).clip(1)
        return shares

    def confused(self) -> list[tuple[int, int, int]]:
        """Returns which class is taken for which: (true class, predicted class, images), the most frequent first."""
        wrong = self.confusion - np.diag(np.diagonal(self.confusion))
        pairs = [(int(t), int(p), int(wrong[t, p])) for t, p in np.argwhere(wrong)]
        return sorted(pairs, key=lambda pair: -pair[2])

    def as_record(self) -> dict[str, Any]:
        """Returns the figures as JSON-ready data."""
        record = dataclasses.asdict(self)
        record["confusion"] = self.confusion.tolist()
        return record


def score(labels: Sequence[int] | np.ndarray, probabilities: np.ndarray, classes: Sequence[str]) -> Scores:
    """Judges predictions.

    Args:
        labels: True class of each image, ``N``, indices into ``classes``.
        probabilities: ``N x K``, each row adding up to 1.
        classes: The ``K`` names.

    Raises:
        InputError: There is no image.
    """
    truth = np.asarray(labels, dtype=np.int64)
    if not len(truth):
        raise InputError("There are no images to evaluate.")
    exact = probabilities.astype(np.float64)  # float32 rows add up to 1 only roughly
    predicted = probabilities.argmax(axis=1)
    indices = np.arange(len(classes))
    present = np.isin(indices, truth)
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        truth, predicted, labels=indices, zero_division=0
    )
    return Scores(
        images=len(truth),
        accuracy=float(metrics.accuracy_score(truth, predicted)),
        balanced_accuracy=float(recall[present].mean()),
        macro_f1=float(f1[present].mean()),
        log_loss=float(metrics.log_loss(truth, exact / exact.sum(axis=1, keepdims=True), labels=indices)),
        baseline=float(np.bincount(truth).max() / len(truth)),
        per_class=tuple(
            ClassScore(name, float(p), float(r), float(f), int(n))
            for name, p, r, f, n in zip(classes, precision, recall, f1, support, strict=True)
        ),
        confusion=metrics.confusion_matrix(truth, predicted, labels=indices),
    )
