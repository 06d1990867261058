"""Optimizers on equal terms: the same start, as many steps, and as many rates tried for each."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop

from core.errors import InputError
from core.messages import N_, Progress

OPTIMIZERS: dict[str, Callable[[list[dict[str, Any]], float], Optimizer]] = {
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
    return _walk(surface, optimizer, (rate,), steps)[0]


def tuned(surface: Surface, optimizer: str, steps: int, rates: Sequence[float] = RATES) -> Path:
    """Returns the way of the best of some rates: the one with the lowest loss at the end."""
    return min(_walk(surface, optimizer, rates, steps), key=lambda path: (path.fate == "exploded", path.losses[-1]))


def _walk(surface: Surface, optimizer: str, rates: Sequence[float], steps: int) -> list[Path]:
    """Lets an optimizer go down with each of some rates; they take their steps together and know nothing of others."""
    walkers = [torch.tensor(surface.start, dtype=torch.float64, requires_grad=True) for _rate in rates]
    walker = _made(optimizer, [[one] for one in walkers], rates, steps)
    points = [torch.stack(walkers).detach()]
    for _step in range(steps):
        walker.zero_grad()
        surface.loss(*torch.stack(walkers).unbind(1)).sum().backward()
        walker.step()
        points.append(torch.stack(walkers).detach())
    course = torch.stack(points)
    losses = surface.loss(course[..., 0], course[..., 1])
    return [
        _path(surface, optimizer, rate, course[:, place].tolist(), losses[:, place].tolist())
        for place, rate in enumerate(rates)
    ]


def _path(surface: Surface, optimizer: str, rate: float, points: list[list[float]], losses: list[float]) -> Path:
    """Returns a way up to where it explodes."""
    end = next((step for step, loss in enumerate(losses) if not math.isfinite(loss) or loss > FAR), len(losses))
    kept = tuple((x, y) for x, y in points[:end])
    fate = _fate(losses, surface) if end == len(losses) else "exploded"
    return Path(optimizer, rate, kept, tuple(losses[:end]), fate)


def _made(optimizer: str, values: list[list[Tensor]], rates: Sequence[float], steps: int) -> Optimizer:
    """Returns an optimizer that has a rate of its own for each group of values."""
    if optimizer not in OPTIMIZERS:
        raise InputError(
            "There is no optimizer {name} here. Choose one of: {all}.", name=optimizer, all=", ".join(OPTIMIZERS)
        )
    if not all(0 < rate <= 100 for rate in rates) or not 1 <= steps <= 2000:
        raise InputError("The rate is above 0 and at most 100, and there are 1 to 2,000 steps.")
    groups = [{"params": group, "lr": rate} for group, rate in zip(values, rates, strict=True)]
    return OPTIMIZERS[optimizer](groups, rates[0])


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


def train_heads(
    optimizer: str, rates: Sequence[float] = RATES, steps: int = 30, parts: Parts | None = None
) -> list[Trained]:
    """Trains a linear layer from zeros with each of some rates, with everything it learns from in every step.

    Args:
        optimizer: One of :data:`OPTIMIZERS`.
        rates: Learning rates, a layer each; they take their steps together.
        steps: How many steps.
        parts: What it learns from and is judged by; by default 1,200 digits of 64 pixels, and 597 others.

    Raises:
        InputError: There is no such optimizer, or a rate or the steps are out of range.
    """
    given = _digits() if parts is None else parts
    count, width = len(rates), given.x.shape[1]
    weights = [torch.zeros(given.classes, width, requires_grad=True) for _rate in rates]
    biases = [torch.zeros(given.classes, requires_grad=True) for _rate in rates]
    walker = _made(optimizer, [list(pair) for pair in zip(weights, biases, strict=True)], rates, steps)
    labels = given.y.repeat_interleave(count)

    def logits(x: Tensor) -> Tensor:
        return F.linear(x, torch.cat(weights), torch.cat(biases)).unflatten(1, (count, given.classes))

    losses = torch.full((count,), math.nan)
    for _step in range(steps):
        walker.zero_grad()
        each = F.cross_entropy(logits(given.x).flatten(0, 1), labels, reduction="none").unflatten(0, (-1, count))
        losses = each.mean(0)
        losses.sum().backward()
        walker.step()
    with torch.no_grad():
        right = (logits(given.held_x).argmax(2) == given.held_y[:, None]).float().mean(0)
    return [Trained(optimizer, *row) for row in zip(rates, right.tolist(), losses.tolist(), strict=True)]


def race_heads(steps: int, parts: Parts | None = None, progress: Progress | None = None) -> list[Trained]:
    """Trains a head with each optimizer at each rate; see :func:`train_heads`.

    Args:
        steps: Of each.
        parts: What they learn from and are judged on; the digits by default.
        progress: Called with the number of heads that are trained, and of all; what it raises ends the work.
    """
    found: list[Trained] = []
    for optimizer in OPTIMIZERS:
        found += train_heads(optimizer, RATES, steps, parts)
        if progress is not None:
            progress(len(found), len(OPTIMIZERS) * len(RATES))
    return found


@lru_cache(maxsize=1)
def _digits() -> Parts:
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    x, y = torch.tensor(pixels / 16, dtype=torch.float32), torch.tensor(labels)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    learn, held = order[:1200], order[1200:]
    return Parts(x[learn], y[learn], x[held], y[held], 10)
