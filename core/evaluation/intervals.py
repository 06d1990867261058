"""Intervals that cover a figure's true value in 95 % of cases, over images or over groups of related ones.

Images of one group (slices of a patient, frames of a film) are alike: an interval that takes them as independent is far
too narrow. Wherever groups are given, the group is what is resampled or summed over.
"""

from __future__ import annotations

from functools import lru_cache
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse, special

CONFIDENCE = 0.95
RESAMPLES = 1000

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Interval = tuple[float, float]


def wilson_interval(right: int, images: int, confidence: float = CONFIDENCE) -> Interval:
    """Returns the confidence interval of a share by Wilson's score, which holds for few images and near 0 and 1, too.

    (Wilson 1927, Journal of the American Statistical Association 22, 209-212, doi:10.1080/01621459.1927.10502953.)

    Args:
        right: Images that count.
        images: All images, at least one.
        confidence: Between 0 and 1.
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, wide = right / images, z * z / images
    middle = (share + wide / 2) / (1 + wide)
    half = (share * (1 - share) * wide + wide * wide / 4) ** 0.5 / (1 + wide)
    return (middle - half if right else 0.0), (middle + half if right < images else 1.0)


def resampled_counts(
    truth: Integers, predicted: Integers, counts: Integers, classes: int, groups: Integers | None = None
) -> tuple[Floats, Floats, Floats]:
    """Draws confusion matrices that could have come out instead of the one that did, as their marginal sums.

    Weights are drawn from a Dirichlet distribution over the matrix's cells, or over the groups (the Bayesian
    bootstrap, Rubin 1981, doi:10.1214/aos/1176345338). Half a unit more on the diagonal and half a unit beside it,
    Jeffreys' prior of a share, keep the interval open where every image is classified right.

    Args:
        truth: True class of each row.
        predicted: Predicted class of each row.
        counts: How many images each row stands for.
        classes: Number of classes.
        groups: Group of each row, from 0 without gaps; ``None`` where images are independent.

    Returns:
        Sums of the diagonal, of the rows and of the columns, each ``RESAMPLES x classes``.
    """
    support = np.bincount(truth, weights=counts, minlength=classes)
    present = np.flatnonzero(support)
    beside = np.roll(present, -1)
    prior = support[present] / support.sum() / 2
    if groups is None:
        units, size, alpha = np.arange(len(truth)), 1.0, counts.astype(float)
        amounts = np.ones(len(truth))
    else:
        units, size, alpha = groups, counts.sum() / (groups.max() + 1), np.ones(groups.max() + 1)
        amounts = counts.astype(float)
    extra = len(alpha) + np.arange(2 * len(present))
    alpha = np.concatenate([alpha, prior, prior])
    rows = np.concatenate([units, extra])
    actual = np.concatenate([truth, present, present])
    guesses = np.concatenate([predicted, present, beside])
    amounts = np.concatenate([amounts, np.full(len(extra), size)])
    weights = np.random.default_rng(0).standard_gamma(alpha, (RESAMPLES, len(alpha)))

    def summed(column: Integers, amount: Floats) -> Floats:
        table = sparse.csr_matrix((amount, (column, rows)), shape=(classes, len(alpha)))
        return np.asarray((table @ weights.T).T)

    return summed(actual, amounts * (actual == guesses)), summed(actual, amounts), summed(guesses, amounts)


@lru_cache(maxsize=1024)
def _student(freedom: int) -> float:
    """Returns the quantile of Student's t that leaves half of what the confidence does not cover above it."""
    return float(special.stdtrit(freedom, (1 + CONFIDENCE) / 2))


def percentile_interval(value: float, draws: Floats, units: int) -> Interval:
    """Returns the percentiles between which a figure lies, widened as few units ask for.

    (The expanded percentile interval of Hesterberg 2015, doi:10.1080/00031305.2015.1089789.)

    Args:
        value: The figure.
        draws: The same figure of resampled units.
        units: Number of images, or of groups.
    """
    draws = draws[np.isfinite(draws)]
    if not len(draws) or not np.isfinite(value):
        return float("nan"), float("nan")
    tail = 0.0
    if units > 1:
        tail = float(special.ndtr(-_student(units - 1) * ((units + 1) / (units - 1)) ** 0.5))
    low, high = np.quantile(draws, [tail, 1 - tail])
    return min(float(low), value), max(float(high), value)


def share_interval(hit: NDArray[np.bool_], groups: Integers | None = None) -> Interval:
    """Returns the 95 % interval of the share of images that fulfil something: Wilson's, or over groups.

    Args:
        hit: Whether each image does, ``N``.
        groups: Group of each image, from 0 without gaps.
    """
    if groups is None:
        return wilson_interval(int(hit.sum()), len(hit))
    actual, predicted = np.zeros(len(hit), np.int64), 1 - hit.astype(np.int64)
    right, known, _ = resampled_counts(actual, predicted, np.ones(len(hit), np.int64), 2, groups)
    return percentile_interval(float(hit.mean()), right.sum(axis=1) / known.sum(axis=1), int(groups.max()) + 1)


def influence_interval(value: float, influence: Floats, scale: str, groups: Integers | None = None) -> Interval:
    """Returns the interval of a figure whose change with each image's weight is known.

    For the area under the ROC curve this is DeLong's interval, and Obuchowski's (1997, doi:10.2307/2533958) over
    groups.

    Args:
        value: The figure.
        influence: Its derivative by each image's weight, ``N``.
        scale: The scale on which it is symmetric: ``logit`` of figures between 0 and 1, ``log`` of positive ones.
        groups: Group of each image.
    """
    summed = influence if groups is None else np.bincount(groups, weights=influence)
    units = len(summed)
    if units < 2:
        return (0.0, 1.0) if scale == "logit" else (0.0, float("inf"))
    error = float((units / (units - 1) * (summed**2).sum()) ** 0.5) * _student(units - 1)
    if scale == "log":
        factor = float(np.exp(error / value)) if value > 0 else 1.0
        return value / factor, value * factor
    if not 0 < value < 1:
        return value, value
    middle, half = np.log(value / (1 - value)), error / (value * (1 - value))
    return float(1 / (1 + np.exp(half - middle))), float(1 / (1 + np.exp(-half - middle)))


def auc_score_interval(area: float, positives: int, negatives: int) -> Interval:
    """Returns the score interval of an area under the ROC curve, which is open where both classes part completely.

    (Newcombe 2006, method 5, doi:10.1002/sim.2324.)

    Args:
        area: Between 0 and 1.
        positives: Images, or groups, of the class; at least 1.
        negatives: Likewise of all others.
    """
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    mean = (positives + negatives) / 2

    def excess(theta: float) -> float:
        spread = 1 + (mean - 1) * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        return (area - theta) ** 2 - z * z * theta * (1 - theta) * spread / (positives * negatives)

    low = 0.0 if area <= 0 else optimize.brentq(excess, 0.0, area - 1e-12 if area >= 1 else area)
    high = 1.0 if area >= 1 else optimize.brentq(excess, area if area > 0 else 1e-12, 1.0)
    return float(low), float(high)


class Ranked(NamedTuple):
    """Scores in order: sorted once, for every figure that only asks which are higher.

    Attributes:
        order: Places of the scores, the lowest first, ``N``.
        place: Number of each ordered score's distinct value, from 0, ``N``.
        counts: How many scores have each distinct value, ``D``.
    """

    order: NDArray[np.intp]
    place: NDArray[np.intp]
    counts: Floats


def ranked(scores: Floats) -> Ranked:
    """Sorts scores, ``N``, at least one."""
    order = np.argsort(scores)
    values = scores[order]
    place = np.concatenate([[0], np.cumsum(values[1:] != values[:-1])])
    return Ranked(order, place, np.bincount(place).astype(np.float64))


def roc_auc(positive: NDArray[np.bool_], scores: Floats, known: Ranked | None = None) -> tuple[float, Floats]:
    """Returns the area under the ROC curve and its derivative by each image's weight, by DeLong's placements.

    (DeLong, DeLong and Clarke-Pearson 1988, doi:10.2307/2531595, from one sort as Sun and Xu 2014,
    doi:10.1109/LSP.2014.2337313.)

    Args:
        positive: Whether each image is of the class, ``N``; some are and some are not.
        scores: How much each seems to be, ``N``.
        known: The scores, sorted; by default they are sorted here.
    """
    order, place, counts = known or ranked(scores)
    of_class = positive[order]
    mine = np.bincount(place, weights=of_class, minlength=len(counts))
    rest = counts - mine
    count, others = float(mine.sum()), float(rest.sum())
    above = (np.cumsum(rest) - rest / 2) / others  # of a positive image: the share of the others that it beats
    below = 1 - (np.cumsum(mine) - mine / 2) / count
    area = float(mine @ above) / count
    each = (
        (above - area) / count * (count / max(count - 1, 1)) ** 0.5,
        (below - area) / others * (others / max(others - 1, 1)) ** 0.5,
    )
    influence = np.empty(len(scores))
    influence[order] = np.where(of_class, each[0][place], each[1][place])
    return area, influence


def average_precision(positive: NDArray[np.bool_], scores: Floats, known: Ranked | None = None) -> tuple[float, Floats]:
    """Returns the average precision and its derivative by each image's weight (the infinitesimal jackknife).

    Args:
        positive: Whether each image is of the class, ``N``; some are.
        scores: How much each seems to be, ``N``.
        known: The scores, sorted; by default they are sorted here.
    """
    order, place, counts = known or ranked(scores)
    mine = positive[order]
    of_class = np.bincount(place, weights=mine, minlength=len(counts))
    found, named = (np.cumsum(each[::-1])[::-1] for each in (of_class, counts))  # the highest score first
    precision, count = found / named, of_class.sum()
    value = float((of_class * precision).sum() / count)
    below = np.cumsum(of_class / named), np.cumsum(of_class * precision / named)
    influence = np.empty(len(scores))
    influence[order] = mine * (precision - value + below[0])[place] - below[1][place]
    return value, influence / count
