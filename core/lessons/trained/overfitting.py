"""Learned by heart: a curve through a few points, and digits by number of pictures with and without augmentation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from core.errors import InputError
from core.lessons.trained.small import Ticks, accuracy, fit, pictures
from core.lessons.trained.transfer import network
from core.messages import Progress
from core.specs import AugmentSpec
from core.specs.augmentation import Operation

Floats = NDArray[np.float64]
NOISE = 0.25
MOST_POINTS, HIGHEST = 100, 15
NUMBERS = (2, 5, 10, 20)
"""Pictures of a class."""
EPOCHS, RATE, HELD, SEEDS = 15, 0.005, 500, (0, 1)


@dataclass(frozen=True, slots=True)
class Fitted:
    """A polynomial through points.

    Attributes:
        x: Places of the points, -1 to 1.
        y: Their values, with noise.
        coefficients: Of the polynomial, the constant first.
        learned: Mean squared error on the points.
        new: Mean squared error on 500 new ones from the same curve, with as much noise.
    """

    x: Floats
    y: Floats
    coefficients: Floats
    learned: float
    new: float


def curve(x: Floats) -> Floats:
    """Returns what the points are drawn from."""
    return np.asarray(np.sin(np.pi * x))


def polynomial(degree: int, points: int, *, seed: int = 0) -> Fitted:
    """Fits a polynomial by least squares.

    Args:
        degree: Its degree.
        points: Number of points it learns from.
        seed: Seed of the points.

    Raises:
        InputError: Degree or number is out of range.
    """
    if not 0 <= degree <= HIGHEST or not 2 <= points <= MOST_POINTS:
        raise InputError(
            "The degree goes from 0 to {highest}, and there are 2 to {most} points.", highest=HIGHEST, most=MOST_POINTS
        )
    draw = np.random.default_rng(seed)
    x = np.sort(draw.uniform(-1, 1, points))
    y = curve(x) + draw.normal(0, NOISE, points)
    new_x = draw.uniform(-1, 1, 500)
    new_y = curve(new_x) + draw.normal(0, NOISE, 500)
    powers = np.vander(x, degree + 1, increasing=True)
    coefficients = np.linalg.lstsq(powers, y, rcond=None)[0].astype(np.float64)
    fitted = np.polynomial.Polynomial(coefficients)
    return Fitted(
        x, y, coefficients, float(np.mean((fitted(x) - y) ** 2)), float(np.mean((fitted(new_x) - new_y) ** 2))
    )


@dataclass(frozen=True, slots=True)
class Sized:
    """A network trained on some digits, the mean over the seeds.

    Attributes:
        each: Pictures of each class.
        changed: Whether they were changed at random each time.
        learned: Accuracy on the pictures it learned from, unchanged.
        held: On held-out ones.
    """

    each: int
    changed: bool
    learned: float
    held: float


CHANGES = AugmentSpec(operations=(Operation("rotation", high=10.0), Operation("shift", high=0.1)))
"""No digit is mirrored: it would be none any more."""


def by_number(
    *, numbers: Sequence[int] = NUMBERS, seeds: Sequence[int] = SEEDS, progress: Progress = lambda *_: None
) -> list[Sized]:
    """Trains the notes' letters network on more and more digits, without and with augmentation.

    Args:
        numbers: Pictures of each class.
        seeds: Seeds of pictures, weights and order.
        progress: Called with epochs done and all; what it raises ends the work.
    """
    from core.data.augment import Augmenter

    known, augmenter = pictures("mnist"), Augmenter(CHANGES, 28)

    def change(x: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
        canvas = (255 * x).round().to(torch.uint8).expand(-1, 3, -1, -1)
        return augmenter(canvas, rng)[:, :1].float() / 255

    ticks = Ticks(len(numbers) * 2 * len(seeds) * EPOCHS, progress)
    found = []
    for each in numbers:
        for changed in (False, True):
            reached = []
            for seed in seeds:
                few, rest = known.few(each, seed=seed)
                learn, held = ((known.x[rows], known.y[rows]) for rows in (few, rest[:HELD]))
                model = network(known.classes, seed)
                course = fit(
                    model,
                    learn,
                    held,
                    EPOCHS,
                    rate=RATE,
                    seed=seed,
                    batch=20,
                    change=change if changed else None,
                    tick=ticks,
                )
                reached.append((accuracy(model, *learn), course[-1]))
            own, new = (sum(values) / len(seeds) for values in zip(*reached, strict=True))
            found.append(Sized(each, changed, own, new))
    return found
