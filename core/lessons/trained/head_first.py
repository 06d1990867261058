"""One step against two phases: what an untrained head does to the layers behind it, and how far each layer moves."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.errors import InputError
from core.lessons.trained.small import pictures

WIDTH, CLASSES = 48, 10
FIRST_STEPS, FIRST_EACH, EACH, HELD = 200, 60, 2, 400
MOST_STEPS = 120
Part = tuple[Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class Way:
    """A fine-tuning of a network with a new head, the mean over the heads' seeds.

    Attributes:
        head_steps: Steps in which the head alone learned.
        held: Accuracy on held-out pictures before training and after every step, those of the head among them.
        gradient: Length of the loss's gradient with respect to all layers behind the head, at the first step in which
            these learn.
        moved: Of each layer behind the head how far its weights went, over their own length; the first layer first.
        old: Accuracy of the old head on the layers as they are now: what they still know.
    """

    head_steps: int
    held: tuple[float, ...]
    gradient: float
    moved: tuple[float, ...]
    old: float


def fine_tune(head_steps: int, *, rate: float = 0.1, steps: int = 60, seeds: int = 2) -> Way:
    """Gives a network that knows the digits a new head, which is to learn them again from two pictures of each.

    Gradient descent with momentum 0.9 on all pictures at once: first the head alone, then everything.

    Args:
        head_steps: How many steps the head learns alone.
        rate: Learning rate of all steps.
        steps: Steps afterwards, in which all layers learn.
        seeds: How many new heads it is tried with.

    Raises:
        InputError: Steps, seeds or rate are out of range.
    """
    if not (0 <= head_steps <= MOST_STEPS and 1 <= steps <= MOST_STEPS and seeds >= 1 and 0 < rate <= 2):
        raise InputError("Steps go up to {most}, and the rate is above 0 and at most 2.", most=MOST_STEPS)
    ways = [_once(head_steps, rate, steps, seed) for seed in range(seeds)]
    return Way(
        head_steps,
        tuple(sum(values) / seeds for values in zip(*(way.held for way in ways), strict=True)),
        sum(way.gradient for way in ways) / seeds,
        tuple(sum(values) / seeds for values in zip(*(way.moved for way in ways), strict=True)),
        sum(way.old for way in ways) / seeds,
    )


def _once(head_steps: int, rate: float, steps: int, seed: int) -> Way:
    known, old_head = _first()
    learn, held = _parts()[1:]
    body = copy.deepcopy(known)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(10 + seed)
        head = nn.Linear(WIDTH, CLASSES)
    model, gradient = nn.Sequential(body, head), 0.0
    course = [_right(model, held)]
    optimizer = torch.optim.SGD(head.parameters(), rate, momentum=0.9)
    for step in range(head_steps + steps):
        if step == head_steps:
            optimizer = torch.optim.SGD(model.parameters(), rate, momentum=0.9)
        model.zero_grad()
        F.cross_entropy(model(learn[0]), learn[1]).backward()
        if step == head_steps:
            slopes = [value.grad.flatten() for value in body.parameters() if value.grad is not None]
            gradient = float(torch.cat(slopes).norm())
        optimizer.step()
        course.append(_right(model, held))
    weights = zip(*(_weights(layers) for layers in (body, known)), strict=True)
    moved = tuple(float((new - old).norm() / old.norm()) for new, old in weights)
    return Way(head_steps, tuple(course), gradient, moved, _right(nn.Sequential(body, old_head), held))


def _weights(layers: nn.Sequential) -> list[Tensor]:
    return [layer.weight.detach() for layer in layers if isinstance(layer, nn.Linear)]


@lru_cache(maxsize=1)
def _first() -> tuple[nn.Sequential, nn.Linear]:
    """Returns layers and head of a network that has learned the digits; they are not to be changed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        body = nn.Sequential(
            nn.Linear(64, WIDTH), nn.Tanh(), nn.Linear(WIDTH, WIDTH), nn.Tanh(), nn.Linear(WIDTH, WIDTH), nn.Tanh()
        )
        head = nn.Linear(WIDTH, CLASSES)
    (x, y), model = _parts()[0], nn.Sequential(body, head)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    for _step in range(FIRST_STEPS):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
    return body, head


@lru_cache(maxsize=1)
def _parts() -> tuple[Part, Part, Part]:
    """Returns what the network has learned from, what the new head learns from, and what is judged by: all apart."""
    known = pictures("digits")
    first, rest = known.few(FIRST_EACH, seed=0)
    few = torch.cat([rest[known.y[rest] == label][:EACH] for label in range(CLASSES)])
    held = rest[~torch.isin(rest, few)][:HELD]
    x = known.x.flatten(1)
    first_part, few_part, held_part = ((x[rows], known.y[rows]) for rows in (first, few, held))
    return first_part, few_part, held_part


def _right(model: nn.Module, held: Part) -> float:
    with torch.no_grad():
        return float((model(held[0]).argmax(1) == held[1]).float().mean())
