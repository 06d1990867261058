"""One step against two phases: what an untrained head does to the layers behind it, and how far each layer moves."""

from __future__ import annotations

from collections.abc import Sequence
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
EVERY = 5
"""Steps from one judgement to the next."""
Part = tuple[Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class Way:
    """A fine-tuning of a network with a new head, the mean over the heads' seeds.

    Attributes:
        head_steps: Steps in which the head alone learned.
        held: Accuracy on held-out pictures before training and after every fifth step, those of the head among them.
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


def fine_tune(head_steps: Sequence[int], *, rate: float = 0.1, steps: int = 60, seeds: int = 2) -> dict[int, Way]:
    """Gives a network that knows the digits a new head, which is to learn them again from two pictures of each.

    Gradient descent with momentum 0.9 on all pictures at once: first the head alone, then everything, the momentum
    beginning anew. All ways and heads go step by step together, each with weights of its own.

    Args:
        head_steps: How many steps the head learns alone, a way each.
        rate: Learning rate of all steps.
        steps: Steps afterwards, in which all layers learn.
        seeds: How many new heads each is tried with.

    Raises:
        InputError: Steps, seeds or rate are out of range.
    """
    if (
        not all(0 <= count <= MOST_STEPS for count in (*head_steps, steps))
        or steps < 1
        or seeds < 1
        or not 0 < rate <= 2
    ):
        raise InputError("Steps go up to {most}, and the rate is above 0 and at most 2.", most=MOST_STEPS)
    known, old_head = _first()
    learn, held = _parts()[1:]
    alone = torch.tensor([count for count in head_steps for _seed in range(seeds)])
    first = [value.detach().expand(len(alone), *value.shape).clone() for value in known.parameters()]
    weights = [value.clone() for value in first]
    heads = zip(*(_head(seed).parameters() for seed in range(seeds)), strict=True)
    weights += [torch.cat([torch.stack(values).detach()] * len(head_steps)) for values in heads]
    behind = len(first)
    speeds = [torch.zeros_like(value) for value in weights]
    courses, gradients = [_right(weights, held)], torch.zeros(len(alone))
    for step in range(int(alone.max()) + steps):
        slopes = _slopes(weights, learn)
        lengths = torch.stack([slope.flatten(1).square().sum(1) for slope in slopes[:behind]]).sum(0).sqrt()
        gradients = torch.where(alone == step, lengths, gradients)
        begins, ends = alone == step, step < alone + steps
        for place, (value, speed, slope) in enumerate(zip(weights, speeds, slopes, strict=True)):
            learns = ends & (step >= alone) if place < behind else ends
            speed.mul_(_wide(torch.where(begins, 0.0, 0.9), speed)).add_(slope)
            value.sub_(_wide(rate * learns, value) * speed)
        if (step + 1) % EVERY == 0:
            courses.append(_right(weights, held))
    right = torch.stack(courses)
    moved = torch.stack(
        [
            (new - old).flatten(1).norm(dim=1) / old.flatten(1).norm(dim=1)
            for new, old in zip(weights[:behind:2], first[::2], strict=True)
        ]
    )
    old = _right(
        [*weights[:behind], *(value.detach().expand(len(alone), *value.shape) for value in old_head.parameters())], held
    )
    found = {}
    for place, count in enumerate(head_steps):
        own = slice(place * seeds, (place + 1) * seeds)
        found[count] = Way(
            count,
            tuple(right[: (count + steps) // EVERY + 1, own].mean(1).tolist()),
            float(gradients[own].mean()),
            tuple(moved[:, own].mean(1).tolist()),
            float(old[own].mean()),
        )
    return found


def _wide(values: Tensor, like: Tensor) -> Tensor:
    """Returns a value a way so that it multiplies that way's weights."""
    return values.reshape(-1, *[1] * (like.dim() - 1))


def _head(seed: int) -> nn.Linear:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(10 + seed)
        return nn.Linear(WIDTH, CLASSES)


def _forward(weights: Sequence[Tensor], x: Tensor) -> Tensor:
    """Sends pictures, NxD, through networks side by side, whose weights have a first axis; returns logits, BxNxK."""
    h = x.expand(len(weights[0]), *x.shape)
    for place in range(0, len(weights), 2):
        h = torch.baddbmm(weights[place + 1][:, None], h, weights[place].transpose(1, 2))
        if place + 2 < len(weights):
            h = h.tanh()
    return h


def _slopes(weights: Sequence[Tensor], learn: Part) -> tuple[Tensor, ...]:
    """Returns the gradients of each network's loss with respect to its own weights."""
    values = [value.detach().requires_grad_() for value in weights]
    logits = _forward(values, learn[0])
    loss = F.cross_entropy(logits.flatten(0, 1), learn[1].repeat(len(logits)), reduction="sum") / len(learn[1])
    return torch.autograd.grad(loss, values)


def _right(weights: Sequence[Tensor], held: Part) -> Tensor:
    """Returns the accuracy of each network."""
    with torch.no_grad():
        return (_forward(weights, held[0]).argmax(2) == held[1]).float().mean(1)


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
