"""Tests of paired answers whose pictures are related: slices of a patient, frames of a film."""

from __future__ import annotations

import numpy as np
from scipy import stats

from core.evaluation.intervals import CONFIDENCE, Integers, Interval

FEW = 25
"""Groups that are answered differently below which the test is exact."""


def grouped_differences(first: Integers, second: Integers, groups: Integers) -> Integers:
    """Returns by group how many pictures more the second network gets right than the first, ``G``.

    Args:
        first: Whether the first network is right, ``N``.
        second: Whether the second is, ``N``.
        groups: Group of each picture, from 0 without gaps, ``N``.
    """
    change = np.asarray(second, dtype=np.int64) - np.asarray(first, dtype=np.int64)
    return np.bincount(groups, weights=change).round().astype(np.int64)


def grouped_p(differences: Integers) -> float:
    """Returns the p-value of "the two networks are right equally often", with the group as the unit.

    Where few groups differ, it is exact: the sign of each group's difference is a coin (with one picture a group this
    is McNemar's exact test). Else Obuchowski's chi-square (1998, Statistics in Medicine 17, 1495-1507).

    Args:
        differences: From :func:`grouped_differences`, ``G``.
    """
    moved = np.abs(differences[differences != 0])
    total = abs(int(differences.sum()))
    if not len(moved) or len(differences) < 2:
        return 1.0
    if len(moved) >= FEW:
        count = len(differences)
        return float(stats.chi2.sf(total**2 * (count - 1) / count / float((moved**2).sum()), 1))
    chances = np.ones(1)
    for size in moved.tolist():  # chances of the sum, from -reach to +reach
        wider = np.zeros(len(chances) + 2 * size)
        wider[: len(chances)] += chances / 2
        wider[2 * size :] += chances / 2
        chances = wider
    reach = len(chances) // 2
    return min(1.0, float(chances[np.abs(np.arange(-reach, reach + 1)) >= total].sum()))


def grouped_interval(differences: Integers, sizes: Integers) -> Interval:
    """Returns the 95 % interval of the difference of two accuracies, with the group as the unit.

    A picture more (of groups above four, a quarter of a typical one) that the second alone gets right, and one that
    the first alone does, keep it open where no group differs, as in Bonett and Price (2012).

    Args:
        differences: From :func:`grouped_differences`, ``G``.
        sizes: Pictures of each group, ``G``.
    """
    more = max(1.0, float(sizes.mean()) / 4)
    change = np.append(differences.astype(np.float64), [more, -more])
    weight = np.append(sizes.astype(np.float64), [more, more])
    count, total = len(change), weight.sum()
    middle = float(change.sum() / total)
    error = (count / (count - 1) * float(((change - weight * middle) ** 2).sum())) ** 0.5 / total
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, count - 1)) * error
    return max(-1.0, middle - half), min(1.0, middle + half)
