"""Chance of an image's own: numbers that depend on seed, epoch and image, and on nothing else.

So the same image gets the same numbers in whatever batch, process or order it comes, and after a pause too.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Drawn:
    """Chance that was drawn in advance: every image has its own numbers, whatever batch it is in.

    Args:
        rows: ``B x`` numbers, even between 0 and 1.
    """

    def __init__(self, rows: Tensor) -> None:
        self._rows, self._taken = rows, 0

    def take(self, count: int) -> Tensor:
        """Returns the next numbers of each image, ``count x B``."""
        self._taken += count
        return self._rows[:, self._taken - count : self._taken].T


def drawn(seed: int, epoch: int, positions: NDArray[np.int64], count: int) -> Drawn:
    """Draws numbers for some images.

    Args:
        seed: Seed of the training.
        epoch: Epoch or view, from 0.
        positions: Places of the images in the data set, ``B``.
        count: Numbers that each needs.
    """
    start = np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0]
    with np.errstate(over="ignore"):
        each = _mixed(start + np.asarray(positions, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))
        steps = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0xD1342543DE82EF95)
        values = _mixed(each[:, None] + steps[None, :])
    return Drawn(torch.from_numpy(((values >> np.uint64(40)).astype(np.float32) + 0.5) / np.float32(1 << 24)))


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Stirs 64 bits (splitmix64: Steele et al. 2014, "Fast splittable pseudorandom number generators")."""
    values = values ^ (values >> np.uint64(30))
    values = values * np.uint64(0xBF58476D1CE4E5B9)
    values = values ^ (values >> np.uint64(27))
    values = values * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def numbers(rng: torch.Generator | Drawn, each: int, images: int, device: torch.device) -> Tensor:
    """Returns ``each x images`` numbers between 0 and 1."""
    if isinstance(rng, Drawn):
        return rng.take(each).to(device)
    return torch.rand(each, images, generator=rng, device=device)


def seed_of(first: float, second: float) -> int:
    """Returns a seed that two of an image's numbers make."""
    return int(first * (1 << 24)) * 31 + int(second * (1 << 24))
