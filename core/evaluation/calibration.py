"""Whether a network is as often right as it is sure of being right."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import optimize, special, stats

from core.evaluation.intervals import CONFIDENCE, Floats, Integers, Interval

BINS = 15
RESAMPLES = 400
_TINY = 1e-30


class Bin(NamedTuple):
    """Images of about one confidence: how many, their mean confidence, and the share that is right."""

    images: int
    confidence: float
    accuracy: float


def reliability(confidence: Floats, right: Integers, bins: int = BINS) -> tuple[Bin, ...]:
    """Returns bins of equally many images each, the least sure first: the points of a reliability diagram.

    Images of the same confidence count as right in the share that all of them are, so that their order means nothing.

    Args:
        confidence: Probability of the class that is named, ``N``.
        right: Whether it is the true one, ``N``.
        bins: How many; fewer where there are fewer images.
    """
    _, place = np.unique(confidence, return_inverse=True)
    alike = np.bincount(place, weights=right) / np.bincount(place)
    order = np.argsort(confidence, kind="stable")
    parts = np.array_split(np.stack([confidence[order], alike[place][order]]), min(bins, len(order)), axis=1)
    return tuple(Bin(part.shape[1], *map(float, part.mean(axis=1))) for part in parts)


def calibration_error(confidence: Floats, right: Integers, bins: int = BINS) -> float:
    """Returns the expected calibration error (ECE): the mean distance of confidence and accuracy over the bins.

    (Naeini, Cooper and Hauskrecht 2015, doi:10.1609/aaai.v29i1.9602; bins of equal mass as Nixon et al. 2019,
    arXiv:1904.01685.)
    """
    points = reliability(confidence, right, bins)
    return sum(p.images * abs(p.confidence - p.accuracy) for p in points) / len(confidence)


def calibration_interval(confidence: Floats, right: Integers, groups: Integers | None = None) -> Interval:
    """Returns the ECE's interval by the bootstrap.

    A mean of distances grows with chance: its lower end is moved down by what resampling adds once more. The deviation
    is widened for the bins that are fitted, as that of residuals is.

    Args:
        confidence: As for :func:`reliability`.
        right: Likewise.
        groups: Group of each image, from 0 without gaps.
    """
    value = calibration_error(confidence, right)
    unit = np.arange(len(confidence)) if groups is None else groups
    units = int(unit.max()) + 1
    random = np.random.default_rng(0)
    order = np.argsort(confidence, kind="stable")
    confidence, hits, unit = confidence[order], np.asarray(right, dtype=np.float64)[order], unit[order]
    draws = np.empty(RESAMPLES)
    for turn in range(RESAMPLES):
        times = np.bincount(random.integers(0, units, units), minlength=units)[unit]
        if not times.any():
            draws[turn] = value
            continue
        drawn, hit = np.repeat(confidence, times), np.repeat(hits, times)
        edges = np.linspace(0, len(drawn), min(BINS, len(drawn)) + 1).astype(int)
        gaps = np.add.reduceat(drawn - hit, edges[:-1])
        draws[turn] = np.abs(gaps).sum() / len(drawn)
    added = max(float(draws.mean()) - value, 0.0)
    widened = (units / max(units - BINS, units / 2)) ** 0.5
    half = float(draws.std() * stats.t.ppf((1 + CONFIDENCE) / 2, max(units - 1, 1))) * widened
    return max(0.0, value - added - half), min(1.0, value + half)


def temperature(labels: Integers, probabilities: Floats) -> float:
    """Returns the temperature that makes probabilities fit best: above 1 the network was too sure.

    It is fitted on validation images and says something of others only (Guo et al. 2017, arXiv:1706.04599).

    Args:
        labels: True class of each image, ``N``.
        probabilities: ``N x K``, each row adding up to 1.
    """
    logits, rows = np.log(np.clip(probabilities, _TINY, None)), np.arange(len(labels))

    def loss(exponent: float) -> float:
        scaled = logits / np.exp(exponent)
        return float((special.logsumexp(scaled, axis=1) - scaled[rows, labels]).mean())

    found = optimize.minimize_scalar(loss, bounds=(np.log(0.05), np.log(20.0)), method="bounded")
    return float(np.exp(found.x))


def at_temperature(probabilities: Floats, temperature: float) -> Floats:
    """Returns the probabilities, ``N x K``, that the same logits give at another temperature."""
    return np.asarray(special.softmax(np.log(np.clip(probabilities, _TINY, None)) / temperature, axis=1))
