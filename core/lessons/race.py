"""Optimizers on equal terms: the same start, as many steps, and as many rates tried for each."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop

from core.errors import InputError
from core.messages import N_

OPTIMIZERS: dict[str, Callable[[list[Tensor], float], Optimizer]] = {
    "SGD": SGD,
    "Momentum": lambda values, rate: SGD(values, rate, momentum=0.9),
    "Nesterov": lambda values, rate: SGD(values, rate, momentum=0.9, nesterov=True),
    "Adagrad": Adagrad,
    "RMSprop": RMSprop,
    "Adam": Adam,
    "AdamW": AdamW,
}
"""torch's optimizers with its usual settings, by what they are called; names are names."""
RATES = tuple(10.0**power for power in (-4, -3.5, -3, -2.5, -2, -1.5, -1, -0.5, 0))
"""Rates that every optimizer is tried with."""
FAR = 1e6
"""A loss above this has exploded."""


@dataclass(frozen=True, slots=True)
class Surface:
    """A loss of two weights.

    Attributes:
        title: What it is.
        loss: x, y -> loss, elementwise.
        start: Where everybody starts.
        lowest: The lowest loss there is.
        window: Left, right, bottom and top of what is drawn.
    """

    title: str
    loss: Callable[[Tensor, Tensor], Tensor]
    start: tuple[float, float]
    lowest: float
    window: tuple[float, float, float, float]


SURFACES: dict[str, Surface] = {
    "valley": Surface(N_("A long valley"), lambda x, y: 0.05 * x**2 + 2 * y**2, (-4.0, 1.6), 0.0, (-5, 5, -2.5, 2.5)),
    "banana": Surface(
        N_("A bent valley (Rosenbrock)"),
        lambda x, y: ((1 - x) ** 2 + 20 * (y - x**2) ** 2) / 20,
        (-1.3, 1.2),
        0.0,
        (-2, 2, -1, 3),
    ),
    "saddle": Surface(
        N_("A saddle"), lambda x, y: 0.25 * x**4 - 0.5 * x**2 + 0.5 * y**2 + 0.25, (0.01, 1.5), 0.0, (-2, 2, -2, 2)
    ),
    "two": Surface(
        N_("A local and a global minimum"),
        lambda x, y: 0.1 * x**2 + 0.5 * y**2 - torch.exp(-((x - 2) ** 2 + y**2)) + 0.4 * torch.sin(3 * x) + 1.2,
        (-2.6, 1.2),
        math.nan,
        (-4, 4, -2.5, 2.5),
    ),
}
"""By name in a link."""


@dataclass(frozen=True, slots=True)
class Path:
    """The way of an optimizer.

    Attributes:
        optimizer: One of :data:`OPTIMIZERS`.
        rate: Its learning rate.
        points: x and y of the start and after every step; it ends where it explodes.
        losses: The loss there.
        fate: ``arrived``, ``under way``, ``swings`` (the loss rose in a third of the steps or more) or ``exploded``.
    """

    optimizer: str
    rate: float
    points: tuple[tuple[float, float], ...]
    losses: tuple[float, ...]
    fate: str


def run(surface: Surface, optimizer: str, rate: float, steps: int) -> Path:
    """Lets an optimizer of torch go down a surface.

    Raises:
        InputError: There is no such optimizer, or rate or steps are out of range.
    """
    values = torch.tensor(surface.start, dtype=torch.float64, requires_grad=True)
    walker = _made(optimizer, [values], rate, steps)
    points, losses = [surface.start], [float(surface.loss(*values.detach()))]
    for _step in range(steps):
        walker.zero_grad()
        surface.loss(values[0], values[1]).backward()
        walker.step()
        loss = float(surface.loss(*values.detach()))
        if not math.isfinite(loss) or loss > FAR:
            return Path(optimizer, rate, tuple(points), tuple(losses), "exploded")
        points.append((float(values[0].detach()), float(values[1].detach())))
        losses.append(loss)
    return Path(optimizer, rate, tuple(points), tuple(losses), _fate(losses, surface))


def tuned(surface: Surface, optimizer: str, steps: int, rates: Sequence[float] = RATES) -> Path:
    """Returns the way of the best of some rates: the one with the lowest loss at the end."""
    paths = [run(surface, optimizer, rate, steps) for rate in rates]
    return min(paths, key=lambda path: (path.fate == "exploded", path.losses[-1]))


def _made(optimizer: str, values: list[Tensor], rate: float, steps: int) -> Optimizer:
    if optimizer not in OPTIMIZERS:
        raise InputError(
            "There is no optimizer {name} here. Choose one of: {all}.", name=optimizer, all=", ".join(OPTIMIZERS)
        )
    if not 0 < rate <= 100 or not 1 <= steps <= 2000:
        raise InputError("The rate is above 0 and at most 100, and there are 1 to 2,000 steps.")
    return OPTIMIZERS[optimizer](values, rate)


def _fate(losses: Sequence[float], surface: Surface) -> str:
    rises = sum(after > before * (1 + 1e-9) for before, after in itertools.pairwise(losses))
    lowest = surface.lowest if math.isfinite(surface.lowest) else min(losses)
    if losses[-1] - lowest <= 0.01 * (losses[0] - lowest):
        return "arrived"
    return "swings" if rises * 3 >= len(losses) - 1 else "under way"


@dataclass(frozen=True, slots=True)
class Parts:
    """What a head learns from and what it is judged by: values, ``N x D``, and labels, ``N``, of each.

    Attributes:
        x: What it learns from.
        y: Labels of that.
        held_x: What it is judged by.
        held_y: Labels of that.
        classes: Number of classes.
    """

    x: Tensor
    y: Tensor
    held_x: Tensor
    held_y: Tensor
    classes: int


@dataclass(frozen=True, slots=True)
class Trained:
    """A linear head, trained with one optimizer and rate.

    Attributes:
        optimizer: One of :data:`OPTIMIZERS`.
        rate: Its learning rate.
        accuracy: Share of what is held out that comes out right.
        loss: Training loss at the end; not a number where it exploded.
    """

    optimizer: str
    rate: float
    accuracy: float
    loss: float


def train_head(optimizer: str, rate: float, steps: int = 30, parts: Parts | None = None) -> Trained:
    """Trains a linear layer from zeros, with everything it learns from in every step.

    Args:
        optimizer: One of :data:`OPTIMIZERS`.
        rate: Its learning rate.
        steps: How many steps.
        parts: What it learns from and is judged by; by default 1,200 digits of 64 pixels, and 597 others.

    Raises:
        InputError: There is no such optimizer, or rate or steps are out of range.
    """
    given = _digits() if parts is None else parts
    weight = torch.zeros(given.classes, given.x.shape[1], requires_grad=True)
    bias = torch.zeros(given.classes, requires_grad=True)
    walker = _made(optimizer, [weight, bias], rate, steps)
    loss = torch.tensor(math.nan)
    for _step in range(steps):
        walker.zero_grad()
        loss = F.cross_entropy(F.linear(given.x, weight, bias), given.y)
        loss.backward()
        walker.step()
    with torch.no_grad():
        right = F.linear(given.held_x, weight, bias).argmax(1) == given.held_y
    return Trained(optimizer, rate, float(right.float().mean()), float(loss.detach()))


@lru_cache(maxsize=1)
def _digits() -> Parts:
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    x, y = torch.tensor(pixels / 16, dtype=torch.float32), torch.tensor(labels)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    learn, held = order[:1200], order[1200:]
    return Parts(x[learn], y[learn], x[held], y[held], 10)
