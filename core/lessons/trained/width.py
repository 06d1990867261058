"""Depth against width at one budget of parameters: dense networks on the small digits, epochs to an accuracy."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn

from core.errors import InputError
from core.lessons.trained.small import Ticks, fit, pictures
from core.messages import Progress

PIXELS, CLASSES = 64, 10
DEPTHS = (1, 2, 3, 5, 8)
BUDGETS = (1500, 3000, 6000, 12_000)
SEEDS = (0, 1, 2)
EPOCHS, EACH, BATCH, RATE = 40, 30, 50, 0.005


@dataclass(frozen=True, slots=True)
class Shaped:
    """Networks of one depth, trained.

    Attributes:
        depth: Hidden layers.
        width: Units of each.
        parameters: Weights and biases.
        courses: For each seed the accuracy on held-out digits before training and after every epoch.
    """

    depth: int
    width: int
    parameters: int
    courses: tuple[tuple[float, ...], ...]

    def epochs_to(self, accuracy: float) -> list[int | None]:
        """Returns for each seed after how many epochs an accuracy was reached first; ``None`` where it never was."""
        return [next((at for at, value in enumerate(course) if value >= accuracy), None) for course in self.courses]

    @property
    def end(self) -> float:
        """Accuracy after the last epoch, the mean over the seeds."""
        return sum(course[-1] for course in self.courses) / len(self.courses)


def parameters(depth: int, width: int) -> int:
    """Returns weights and biases of ``depth`` hidden layers of ``width`` units between 64 pixels and ten classes."""
    sizes = (PIXELS, *(width,) * depth, CLASSES)
    return sum((before + 1) * after for before, after in itertools.pairwise(sizes))


def width_of(depth: int, budget: int) -> int:
    """Returns the width with which so many layers come closest to a budget of parameters.

    Raises:
        InputError: The budget does not do for one unit a layer, or the depth is no number of layers.
    """
    if depth < 1 or parameters(depth, 1) > budget:
        raise InputError("{budget} parameters do not do for {depth} hidden layers.", budget=budget, depth=depth)
    wide = next(width for width in itertools.count(1) if parameters(depth, width + 1) > budget)
    return min((wide, wide + 1), key=lambda width: abs(parameters(depth, width) - budget))


def network(depth: int, width: int, seed: int) -> nn.Sequential:
    """Returns such a network with ReLUs, with torch's own random weights."""
    sizes = (PIXELS, *(width,) * depth)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        hidden = [(nn.Linear(before, after), nn.ReLU()) for before, after in itertools.pairwise(sizes)]
        return nn.Sequential(*(layer for pair in hidden for layer in pair), nn.Linear(sizes[-1], CLASSES))


def race(
    budget: int,
    *,
    depths: Sequence[int] = DEPTHS,
    seeds: Sequence[int] = SEEDS,
    epochs: int = EPOCHS,
    progress: Progress = lambda *_: None,
) -> list[Shaped]:
    """Trains networks of several depths with as many parameters, or nearly, on 30 digits of each class.

    Args:
        budget: Parameters of each.
        depths: Numbers of hidden layers.
        seeds: Seeds of weights and order; the digits are the same for all.
        epochs: How often all digits are seen.
        progress: Called with epochs done and all; what it raises ends the work.

    Raises:
        InputError: As for :func:`width_of`.
    """
    learn, held = _digits()
    ticks = Ticks(len(depths) * len(seeds) * epochs, progress)
    found = []
    for depth in depths:
        width = width_of(depth, budget)
        courses = tuple(
            tuple(fit(network(depth, width, seed), learn, held, epochs, rate=RATE, seed=seed, batch=BATCH, tick=ticks))
            for seed in seeds
        )
        found.append(Shaped(depth, width, parameters(depth, width), courses))
    return found


@lru_cache(maxsize=1)
def _digits() -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    known = pictures("digits")
    learn, rest = known.few(EACH, seed=0)
    flat = known.x.flatten(1)
    held = rest[:600]
    return (flat[learn], known.y[learn]), (flat[held], known.y[held])
