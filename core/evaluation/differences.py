"""Whether differences of means are larger than chance, when the same thing was repeated: over seeds, not pictures.

A share of few pictures is known in steps only (100 pictures allow whole percents), so that three repetitions may agree
by chance. The spread is therefore taken to be at least that of one picture on the edge, which is right or wrong by a
toss: with steps of width w a variance of w**2 / 4.

Folds of a cross-validation share most of their training images, so that their runs are no independent repetitions: the
variance of a mean over them is taken as (1 / n + 1 / (folds - 1)) times the values' own (Nadeau and Bengio 2003,
doi:10.1023/A:1024068626366).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from core.evaluation.intervals import CONFIDENCE, Interval

POWER, MOST_NEEDED = 0.8, 100
"""How often a difference that is there is to be found, and up to how many values a side are thought of for that."""


@dataclass(frozen=True, slots=True)
class Contrast:
    """How two means differ.

    Attributes:
        difference: Mean of the second less that of the first.
        interval: Its 95 % interval.
        p_value: How often a difference at least as large comes from chance alone.
    """

    difference: float
    interval: Interval
    p_value: float


def welch(first: Sequence[float], second: Sequence[float], step: float = 0.0, folds: int = 0) -> Contrast:
    """Compares two means by Welch's test (1947, doi:10.1093/biomet/34.1-2.28).

    Args:
        first: At least two values.
        second: Likewise.
        step: Width of the steps that the values are known in.
        folds: Folds that the values come from; 0 where all share one division.
    """
    means, errors, parts = [], [], []
    for values in (first, second):
        squared = _variance(values, step) * _share(values, folds)
        means.append(float(np.mean(values)))
        errors.append(squared)
        parts.append(squared**2 / (len(values) - 1))
    difference, total = means[1] - means[0], sum(errors)
    if total == 0:  # without any spread there is no test
        return Contrast(difference, (difference, difference), float(difference == 0))
    freedom = total**2 / sum(parts)
    half = float(special.stdtrit(freedom, (1 + CONFIDENCE) / 2)) * total**0.5
    p_value = float(2 * special.stdtr(freedom, -abs(difference) / total**0.5))
    return Contrast(difference, (difference - half, difference + half), p_value)


def mean_interval(values: Sequence[float], step: float = 0.0, folds: int = 0) -> Interval | None:
    """Returns the 95 % interval of a mean by Student's t, see :func:`welch`; ``None`` for a single value."""
    if len(values) < 2:
        return None
    mean, squared = float(np.mean(values)), _variance(values, step)
    half = float(special.stdtrit(len(values) - 1, (1 + CONFIDENCE) / 2)) * (squared * _share(values, folds)) ** 0.5
    return mean - half, mean + half


def deviation(groups: Iterable[Sequence[float]], step: float) -> float:
    """Returns the standard deviation that groups of repeated values have in common, see :func:`welch`."""
    return float(np.mean([_variance(values, step) for values in groups])) ** 0.5


def _variance(values: Sequence[float], step: float) -> float:
    return max(float(np.var(values, ddof=1)), step**2 / 4)


def _share(values: Sequence[float], folds: int) -> float:
    """Returns how much of the values' variance their mean has."""
    return 1 / len(values) + (1 / (folds - 1) if folds else 0.0)


def detectable(spread: float, count: int, level: float) -> float:
    """Returns how far two means must really lie apart to be told apart with a power of :data:`POWER`.

    Args:
        spread: Standard deviation of the values on either side.
        count: Values on a side, at least two.
        level: Level of the two-sided test, after any correction.
    """
    freedom = 2 * (count - 1)
    quantiles = float(special.stdtrit(freedom, 1 - level / 2)) + float(special.stdtrit(freedom, POWER))
    return spread * (2 / count) ** 0.5 * quantiles


def needed(difference: float, spread: float, level: float) -> int | None:
    """Returns how many values a side must have for a difference to be told; ``None`` above :data:`MOST_NEEDED`.

    Args:
        difference: How far apart the means lie.
        spread: As for :func:`detectable`.
        level: Likewise.
    """
    counts = range(2, MOST_NEEDED + 1)
    return next((count for count in counts if detectable(spread, count, level) <= difference), None)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Returns p-values corrected so that among true null hypotheses any is refused in 5 % of families at most.

    (Holm 1979, Scandinavian Journal of Statistics 6, 65-70.)
    """
    order = np.argsort(p_values, kind="stable")
    found, least = np.ones(len(p_values)), 0.0
    for place, index in enumerate(order.tolist()):
        least = max(least, min(1.0, (len(p_values) - place) * p_values[index]))
        found[index] = least
    return tuple(found.tolist())
