"""Reading a learning-rate range test: from rates and losses to a rate worth taking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from core.messages import N_

SMOOTHING_WEIGHT = 0.8
"""Weight of a step's neighbour in the smoothing, and of each further one relative to the one before."""
LEAST_FALL = 0.01
"""Share of its first level by which the loss must fall for a rate to be suggested."""
LEAST_POINTS = 10

NEVER_FELL = N_(
    "The loss never fell clearly, whatever the rate. Let more of the network learn, check the labels, or take a larger "
    "batch: its loss is less noisy."
)
TOO_SHORT = N_(
    "The loss exploded after a few steps, before it could fall. Check the images and the weights the run starts from."
)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What a curve of losses shows.

    Attributes:
        smoothed: The losses, smoothed over the neighbouring steps on both sides.
        suggested: The rate to use, rounded to one digit; ``None`` where the loss does not show it.
        steepest: The rate at which the loss falls fastest.
        valley: The middle, on the logarithmic scale, between where the loss begins to fall and where it has fallen.
        tenth: A tenth of the rate at which it has fallen.
        least: The rate with the least smoothed loss.
        reason: Why nothing is suggested: a sentence's template, empty where something is.
    """

    smoothed: tuple[float, ...]
    suggested: float | None
    steepest: float | None
    valley: float | None
    tenth: float | None
    least: float
    reason: str


def suggest(rates: Sequence[float], losses: Sequence[float]) -> Suggestion:
    """Suggests a rate: the median of three readings of the curve, so that one misled by noise does not matter.

    The readings: where the smoothed loss falls fastest; the middle (on the logarithmic scale) between where a tenth of
    the fall is done and where it ends; a tenth of the latter rate. The fall ends at the minimum, if the loss rises
    again behind it. If not, the minimum would mislead (the loss of a head that learns its images by heart creeps on
    towards zero, whatever the rate), and nine tenths of the fall are taken for its end.

    Args:
        rates: Rising by the same factor at each step.
        losses: One for each rate, finite.
    """
    smoothed = smooth(losses)
    least = int(smoothed.argmin())
    nothing = Suggestion(tuple(smoothed.tolist()), None, None, None, None, rates[least], "")
    if len(rates) < LEAST_POINTS:
        return _because(nothing, TOO_SHORT)
    early = max(3, len(rates) // 10)
    level = float(smoothed[:early].mean())
    fall = level - float(smoothed[least])
    quarter = max(early, len(rates) // 4)
    noise = float(np.std(np.asarray(losses[:quarter]) - smoothed[:quarter]))
    if least < early or fall <= max(LEAST_FALL * abs(level), noise):
        return _because(nothing, NEVER_FELL)
    begin = max(index for index in range(least + 1) if smoothed[index] >= level - 0.1 * fall)
    end = least
    if smoothed[least:].max() < smoothed[least] + 0.1 * fall:
        end = next(index for index in range(begin, least + 1) if smoothed[index] <= smoothed[least] + 0.1 * fall)
    slopes = np.gradient(smoothed)[begin : end + 1]
    steepest = rates[begin + int(slopes.argmin())]
    valley = float(np.sqrt(rates[begin] * rates[end]))
    tenth = rates[end] / 10
    return Suggestion(
        nothing.smoothed, _rounded(median((steepest, valley, tenth))), steepest, valley, tenth, rates[least], ""
    )


def smooth(losses: Sequence[float]) -> np.ndarray:
    """Returns the losses smoothed over their neighbours on both sides, so that the curve does not lag behind its rate.

    Weights fall off exponentially; at the ends, where neighbours are missing, they are corrected for that. What grows
    further beyond the first level than the lowest loss lies below it (an explosion) is cut off first, lest it cover up
    the minimum before it.
    """
    values = np.asarray(losses, dtype=np.float64)
    start = float(np.median(values[:5]))
    values = np.minimum(values, start + max(0.1 * abs(start), start - float(values.min())))
    places = np.arange(len(values))
    weights = SMOOTHING_WEIGHT ** np.abs(places[:, None] - places[None])
    return np.asarray(weights @ values / weights.sum(1))


def _rounded(rate: float) -> float:
    return float(f"{rate:.0e}")


def _because(found: Suggestion, reason: str) -> Suggestion:
    return Suggestion(found.smoothed, None, None, None, None, found.least, reason)
