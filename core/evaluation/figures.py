"""The figures that judge a network, each with its 95 % interval, from its answers or from a confusion matrix alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.evaluation.calibration import calibration_error, calibration_interval
from core.evaluation.intervals import (
    Floats,
    Integers,
    Interval,
    auc_score_interval,
    average_precision,
    influence_interval,
    percentile_interval,
    ranked,
    resampled_counts,
    roc_auc,
    share_interval,
    wilson_interval,
)

LARGEST_MATRIX = 1000
"""Classes of the largest confusion matrix that is read."""
TOP = (3, 5)
"""Of how many of the first answers one may be right, where there are more classes."""
OF_PROBABILITIES = ("roc_auc", "roc_auc_micro", "average_precision", "log_loss", "brier", "ece")
"""Figures that a confusion matrix alone does not give."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures over a set of images. What is not defined on these images is ``nan``.

    Attributes:
        values: Each figure by name; macro means are over the classes that occur.
        intervals: The 95 % interval of each figure that is defined.
        per_class: By class, its ``precision``, ``recall``, ``f1``, ``roc_auc`` and ``average_precision`` (the class
            against the rest).
        class_intervals: Their intervals.
        groups: Number of groups that the intervals rest on; ``None`` where every image is one of its own.
    """

    values: Mapping[str, float]
    intervals: Mapping[str, Interval]
    per_class: tuple[Mapping[str, float], ...]
    class_intervals: tuple[Mapping[str, Interval], ...]
    groups: int | None = None

    def as_record(self) -> dict[str, Any]:
        """Returns the figures as JSON-ready data; what is not defined is ``None``."""
        return {
            **{name: value if np.isfinite(value) else None for name, value in self.values.items()},
            "intervals": {name: list(ends) for name, ends in self.intervals.items()},
            "groups": self.groups,
        }

    def class_record(self, label: int) -> dict[str, Any]:
        """Returns one class's figures as JSON-ready data."""
        return {
            **{name: value if np.isfinite(value) else None for name, value in self.per_class[label].items()},
            "intervals": {name: list(ends) for name, ends in self.class_intervals[label].items()},
        }


def judge(labels: Sequence[int] | Integers, probabilities: Floats, groups: Sequence[int] | None = None) -> Figures:
    """Returns the figures of a network's answers.

    Args:
        labels: True class of each image, ``N``.
        probabilities: ``N x K``, each row adding up to 1.
        groups: Group of each image, where some are related; ``None`` where they are independent.

    Raises:
        InputError: There is no image.
    """
    truth, scores = np.asarray(labels, dtype=np.int64), np.asarray(probabilities, dtype=np.float64)
    if not len(truth):
        raise InputError("There are no images to evaluate.")
    exact = scores / scores.sum(axis=1, keepdims=True)  # float32 rows add up to 1 only roughly
    numbered = None if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1].reshape(-1)
    found = _Collected()
    named, classes = scores.argmax(axis=1), scores.shape[1]
    if numbered is None:
        cells, counts = np.unique(truth * classes + named, return_counts=True)
        _of_matrix(found, cells // classes, cells % classes, counts, classes, None)
    else:
        _of_matrix(found, truth, named, np.ones(len(truth), np.int64), classes, numbered)
    order = np.argsort(-scores, axis=1, kind="stable")
    for count in (count for count in TOP if count < classes):
        hit = (order[:, :count] == truth[:, None]).any(axis=1)
        found.share(f"top{count}_accuracy", hit, numbered)
    _of_ranking(found, truth, scores, numbered)  # as given: what was equal stays equal
    own = exact[np.arange(len(truth)), truth]
    surprise = -np.log(np.clip(own, np.finfo(np.float64).eps, None))
    squares = ((exact - np.eye(classes)[truth]) ** 2).sum(axis=1)
    for name, each in (("log_loss", surprise), ("brier", squares / 2 if classes == 2 else squares)):
        mean = float(each.mean())
        found.add(name, mean, influence_interval(mean, (each - mean) / len(each), "log", numbered))
    confidence, right = exact.max(axis=1), named == truth
    found.add("ece", calibration_error(confidence, right), calibration_interval(confidence, right, numbered))
    return found.figures(None if numbered is None else int(numbered.max()) + 1)


def judge_matrix(confusion: Integers) -> Figures:
    """Returns the figures that a confusion matrix allows.

    Args:
        confusion: ``K x K`` counts, a row for each true class; see :func:`read_matrix`.
    """
    found = _Collected()
    truth, predicted = np.nonzero(confusion)
    _of_matrix(found, truth, predicted, confusion[truth, predicted], len(confusion), None)
    for name in OF_PROBABILITIES:
        found.values[name] = float("nan")
    return found.figures(None)


def read_matrix(data: object) -> Integers:
    """Checks a confusion matrix that a person has given.

    Args:
        data: A list with a row for each true class, as JSON has it.

    Raises:
        InputError: It is no square of counts, or has no image.
    """
    if not isinstance(data, list) or not data or not all(isinstance(row, list) for row in data):
        raise InputError("The confusion matrix is empty or has no rows. Write one row a class: [[203,33],[41,136]].")
    for number, row in enumerate(data, start=1):
        if len(row) != len(data):
            raise InputError(
                "The confusion matrix is not square: it has {rows} rows, but row {number} has {count} numbers. Give "
                "each class a row and a column.",
                rows=len(data),
                number=number,
                count=len(row),
            )
        for value in row:
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**31:
                raise InputError(
                    "Row {number} of the confusion matrix holds {value}. It must hold counts of images: whole numbers "
                    "from 0.",
                    number=number,
                    value=str(value)[:60],
                )
    if len(data) > LARGEST_MATRIX:
        raise InputError(
            "The confusion matrix has {count} classes. At most {limit} are read.", count=len(data), limit=LARGEST_MATRIX
        )
    if not any(map(any, data)):
        raise InputError("The confusion matrix counts no image: all its numbers are 0.")
    return np.asarray(data, dtype=np.int64)


class _Collected:
    """Figures while they are being counted."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}
        self.intervals: dict[str, Interval] = {}
        self.per_class: list[dict[str, float]] = []
        self.class_intervals: list[dict[str, Interval]] = []

    def add(self, name: str, value: float, interval: Interval) -> None:
        self.values[name] = value
        if np.isfinite([value, *interval]).all():
            self.intervals[name] = interval

    def add_class(self, label: int, name: str, value: float, interval: Interval) -> None:
        self.per_class[label][name] = value
        if np.isfinite([value, *interval]).all():
            self.class_intervals[label][name] = interval

    def share(self, name: str, hit: Integers, groups: Integers | None) -> None:
        """Adds the share of images that fulfil something."""
        self.add(name, float(hit.mean()), share_interval(hit.astype(bool), groups))

    def figures(self, groups: int | None) -> Figures:
        return Figures(self.values, self.intervals, tuple(self.per_class), tuple(self.class_intervals), groups)


def _of_matrix(
    found: _Collected, truth: Integers, predicted: Integers, counts: Integers, classes: int, groups: Integers | None
) -> None:
    """Adds what depends on the confusion matrix alone; each row stands for ``counts`` images."""
    right = np.bincount(truth, weights=counts * (truth == predicted), minlength=classes).astype(np.float64)
    actual = np.bincount(truth, weights=counts, minlength=classes).astype(np.float64)
    predicted_counts = np.bincount(predicted, weights=counts, minlength=classes).astype(np.float64)
    present = actual > 0
    cells = _matrix_figures(right, actual, predicted_counts, present)
    drawn = resampled_counts(truth, predicted, counts, classes, groups)
    draws = _matrix_figures(*drawn, present)
    total = int(counts.sum())
    units = total if groups is None else int(groups.max()) + 1
    for name, value in cells.items():
        ends = percentile_interval(float(value), draws[name], units)
        if groups is None and name in ("accuracy", "weighted_recall"):
            ends = wilson_interval(int(right.sum()), total)
        elif groups is None and name == "error_rate":
            ends = wilson_interval(total - int(right.sum()), total)
        found.add(name, float(value), ends)
    per_class, class_draws = _class_figures(right, actual, predicted_counts), _class_figures(*drawn)
    for label in range(classes):
        found.per_class.append({})
        found.class_intervals.append({})
        for name, whole in (("precision", predicted_counts), ("recall", actual), ("f1", actual + predicted_counts)):
            figure = float(per_class[name][label]) if whole[label] else float("nan")
            if not whole[label]:
                ends = (float("nan"), float("nan"))
            elif groups is None and name != "f1":
                ends = wilson_interval(int(right[label]), int(whole[label]))
            else:
                ends = percentile_interval(figure, class_draws[name][:, label], units)
            found.add_class(label, name, figure, ends)


def _class_figures(right: Floats, actual: Floats, predicted_counts: Floats) -> dict[str, Floats]:
    """Returns precision, recall and F1 of each class, 0 where they are not defined."""
    return {
        "precision": _divided(right, predicted_counts),
        "recall": _divided(right, actual),
        "f1": _divided(2 * right, actual + predicted_counts),
    }


def _matrix_figures(right: Floats, actual: Floats, predicted: Floats, present: NDArray[np.bool_]) -> dict[str, Floats]:
    """Returns the figures of one or many confusion matrices from their diagonal, row and column sums, ``... x K``."""
    each = _class_figures(right, actual, predicted)
    total = actual.sum(axis=-1)
    shares, named = actual / total[..., None], predicted / total[..., None]
    accuracy = right.sum(axis=-1) / total
    chance = (shares * named).sum(axis=-1)
    found = {
        "accuracy": accuracy,
        "error_rate": 1 - accuracy,
        "balanced_accuracy": each["recall"][..., present].mean(-1),
    }
    means: tuple[tuple[str, Callable[[Floats], Floats]], ...] = (
        ("macro", lambda values: values[..., present].mean(axis=-1)),
        ("weighted", lambda values: (values * shares).sum(axis=-1)),
    )
    for kind, mean in means:
        found |= {f"{kind}_{name}": mean(values) for name, values in each.items()}
    spread = ((1 - (shares**2).sum(axis=-1)) * (1 - (named**2).sum(axis=-1))).clip(0)
    found["mcc"] = _divided(accuracy - chance, spread**0.5)
    found["kappa"] = _divided(accuracy - chance, 1 - chance, otherwise=np.nan)
    return found


def _divided(part: Floats, whole: Floats, otherwise: float = 0.0) -> Floats:
    part, whole = np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64)
    return np.divide(part, whole, out=np.full(part.shape, otherwise), where=whole > 1e-12)


def _of_ranking(found: _Collected, truth: Integers, scores: Floats, groups: Integers | None) -> None:
    """Adds the areas under the ROC curves and the average precisions: each class against the rest, and their means."""
    areas: list[tuple[float, Floats, int]] = []
    precisions: list[tuple[float, Floats]] = []
    for label in range(scores.shape[1]):
        positive = truth == label
        units = _units(positive, groups), _units(~positive, groups)
        if not all(units):
            for name in ("roc_auc", "average_precision"):
                found.add_class(label, name, float("nan"), (float("nan"), float("nan")))
            continue
        column = np.ascontiguousarray(scores[:, label])
        known = ranked(column)
        area, influence = roc_auc(positive, column, known)
        areas.append((area, influence, label))
        found.add_class(label, "roc_auc", area, _area_interval(area, influence, units, groups))
        precise, influence = average_precision(positive, column, known)
        precisions.append((precise, influence))
        ends = _precision_interval(precise, influence, units[0], groups)
        found.add_class(label, "average_precision", precise, ends)
    if not areas:
        found.values |= dict.fromkeys(("roc_auc", "roc_auc_micro", "average_precision"), float("nan"))
        return
    scarce = min(_units(truth == label, groups) for _, _, label in areas)
    images = len(truth) if groups is None else int(groups.max()) + 1
    units = scarce, max(images - scarce, 1)
    area, influence = _mean(areas)
    found.add("roc_auc", area, _area_interval(area, influence, units, groups))
    named = (np.arange(scores.shape[1]) == truth[:, None]).reshape(-1)
    area, influence = roc_auc(named, scores.reshape(-1))
    summed = influence.reshape(scores.shape).sum(axis=1)  # an image's entries belong together
    found.add("roc_auc_micro", area, _area_interval(area, summed, (images, images), groups))
    precise, influence = _mean(precisions)
    found.add("average_precision", precise, _precision_interval(precise, influence, scarce, groups))


def _mean(parts: Sequence[tuple[float, Floats] | tuple[float, Floats, int]]) -> tuple[float, Floats]:
    return float(np.mean([part[0] for part in parts])), np.asarray(sum(part[1] for part in parts)) / len(parts)


def _units(chosen: Integers, groups: Integers | None) -> int:
    return int(chosen.sum()) if groups is None else len(np.unique(groups[chosen]))


def _area_interval(area: float, influence: Floats, units: tuple[int, int], groups: Integers | None) -> Interval:
    """Returns DeLong's interval, or the score interval where DeLong's is empty."""
    if 0 < area < 1 and min(units) > 1:
        return influence_interval(area, influence, "logit", groups)
    return auc_score_interval(min(max(area, 0.0), 1.0), *units)


def _precision_interval(value: float, influence: Floats, positives: int, groups: Integers | None) -> Interval:
    if value < 1 and positives > 1:
        return influence_interval(value, influence, "logit", groups)
    return (wilson_interval(positives, positives)[0] if value >= 1 else 0.0), 1.0
