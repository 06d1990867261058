"""Deals groups of images out so that every part gets its share of every class.

No group is torn apart, so the shares can only be met as closely as the groups allow. Groups are taken in a random
order and go where they bring the counts nearest to what is aimed at (as in scikit-learn's ``StratifiedGroupKFold``);
then groups are moved and exchanged as long as that brings the counts nearer.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_MOST_STEPS = 300
_MOST_EXCHANGED = 300  # groups among which exchanges are tried: their pairs are all looked at


def deal(counts: NDArray[np.int64], shares: NDArray[np.float64]) -> NDArray[np.int64]:
    """Returns the part that each group goes to.

    Args:
        counts: Images of each class in each group, ``G x C``, the groups in the order in which they are drawn.
        shares: Share of every class that each part is to get, ``P``; they add up to 1.

    Returns:
        Numbers of parts, ``G``. The least squared distance from the aims is sought, each class weighted by one over
        its images, so that small classes count as much as large ones.
    """
    whole = counts.sum(axis=0)
    weights = 1.0 / np.maximum(whole, 1)
    aims = shares[:, None] * whole[None, :]
    own = (counts * counts) @ weights
    place = np.empty(len(counts), dtype=np.int64)
    missing = aims.copy()
    for group, row in enumerate(counts):
        place[group] = np.argmax(missing @ (weights * row))
        missing[place[group]] -= row
    for _ in range(_MOST_STEPS):
        if not (_move(counts, weights, own, place, missing) or _exchange(counts, weights, own, place, missing)):
            break
    return place


def _move(
    counts: NDArray[np.int64],
    weights: NDArray[np.float64],
    own: NDArray[np.float64],
    place: NDArray[np.int64],
    missing: NDArray[np.float64],
) -> bool:
    """Moves the group that brings the counts nearest to the aims by it; returns whether there is one."""
    rows = np.arange(len(counts))
    pull = (counts * weights) @ missing.T  # what a part lacks of each group's classes
    change = 2 * own[:, None] + 2 * (pull[rows, place][:, None] - pull)
    change[rows, place] = 0.0
    group, part = np.unravel_index(np.argmin(change), change.shape)
    if change[group, part] > -1e-9:
        return False
    missing[place[group]] += counts[group]
    missing[part] -= counts[group]
    place[group] = part
    return True


def _exchange(
    counts: NDArray[np.int64],
    weights: NDArray[np.float64],
    own: NDArray[np.float64],
    place: NDArray[np.int64],
    missing: NDArray[np.float64],
) -> bool:
    """Exchanges the two groups that bring the counts nearest to the aims; returns whether there are such."""
    if len(counts) > _MOST_EXCHANGED:
        return False
    rows = np.arange(len(counts))
    weighted = counts * weights
    pull = weighted @ missing.T
    step = own[:, None] + own[None, :] - 2 * (weighted @ counts.T)  # squared size of what changes
    gain = pull[rows, place]
    change = 2 * step + 2 * (gain[:, None] - pull[:, place]) + 2 * (gain[None, :] - pull[:, place].T)
    change[place[:, None] == place[None, :]] = 0.0
    one, other = np.unravel_index(np.argmin(change), change.shape)
    if change[one, other] > -1e-9:
        return False
    difference = counts[other] - counts[one]
    missing[place[one]] -= difference
    missing[place[other]] += difference
    place[one], place[other] = place[other], place[one]
    return True
