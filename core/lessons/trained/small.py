"""What these lessons train with: pictures as tensors, one loop, and the accuracy after every epoch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.messages import Progress

BATCH = 32


@dataclass(frozen=True, slots=True)
class Pictures:
    """Pictures with their labels.

    Attributes:
        x: Grey pictures, ``N x 1 x H x W``, 0 to 1.
        y: Labels, ``N``.
        classes: Number of classes.
    """

    x: Tensor
    y: Tensor
    classes: int

    def few(self, each: int, *, seed: int) -> tuple[Tensor, Tensor]:
        """Returns so many pictures of each class, drawn by a seed, and the places of all others.

        Args:
            each: Pictures of a class.
            seed: Seed of the draw.

        Returns:
            Places of the pictures that were drawn, and of the rest, both in an order by lot.
        """
        order = torch.randperm(len(self.y), generator=torch.Generator().manual_seed(seed))
        place = torch.zeros(len(order), dtype=torch.long)
        for label in range(self.classes):
            own = self.y[order] == label
            place[own] = torch.arange(int(own.sum()))
        return order[place < each], order[place >= each]


@lru_cache(maxsize=8)
def pictures(source: str) -> Pictures:
    """Returns an embedded set, grey, in the order in which it is listed.

    Args:
        source: Its name with its options, such as ``clothes?size=28``.

    Raises:
        InputError: There is no such set, or its package is not installed.
    """
    import numpy as np

    from core.data.sources import open_dataset

    dataset = open_dataset(source)
    pixels = np.stack([np.asarray(dataset.load(place).convert("L")) for place in range(len(dataset.items))])
    labels = torch.tensor([item.label for item in dataset.items])
    return Pictures(torch.from_numpy(pixels)[:, None].float() / 255, labels, len(dataset.classes))


def accuracy(model: nn.Module, x: Tensor, y: Tensor) -> float:
    """Returns the share of pictures that a network names right, in eval mode."""
    model.eval()
    with torch.no_grad():
        return float((model(x).argmax(1) == y).float().mean())


def fit(
    model: nn.Module,
    learn: tuple[Tensor, Tensor],
    held: tuple[Tensor, Tensor],
    epochs: int,
    *,
    rate: float,
    seed: int,
    batch: int = BATCH,
    change: Callable[[Tensor, torch.Generator], Tensor] | None = None,
    tick: Callable[[], None] = lambda: None,
) -> list[float]:
    """Trains with Adam.

    Args:
        model: What is trained, where it is.
        learn: Pictures or features, and their labels.
        held: The same of those that are judged by.
        epochs: How often all are seen.
        rate: Learning rate of Adam.
        seed: Seed of the order.
        batch: Pictures of a step.
        change: Changes a batch at random each time it is seen, with the generator of this training.
        tick: Called after every epoch; what it raises ends the training.

    Returns:
        Accuracy on ``held`` before training and after every epoch, ``epochs + 1``.
    """
    x, y = learn
    rng = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), rate)
    course = [accuracy(model, *held)]
    for _epoch in range(epochs):
        model.train()
        for rows in torch.randperm(len(x), generator=rng).split(batch):
            seen = x[rows] if change is None else change(x[rows], rng)
            optimizer.zero_grad()
            F.cross_entropy(model(seen), y[rows]).backward()
            optimizer.step()
        course.append(accuracy(model, *held))
        tick()
    return course


class Ticks:
    """Counts epochs over several trainings.

    Args:
        total: Epochs there will be.
        progress: Called with those done and all.
    """

    def __init__(self, total: int, progress: Progress) -> None:
        self._done, self._total, self._progress = 0, total, progress

    def __call__(self) -> None:
        """Counts one."""
        self._done += 1
        self._progress(self._done, self._total)
