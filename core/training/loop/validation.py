"""Judging a network on the validation images, without leaving the device before the end."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from core.specs import Loss
from core.training.features.batch_sources import BatchSource
from core.training.loop.distributed import World
from core.training.optim.losses import Criterion


def higher_is_better(metric: str) -> bool:
    """Whether more of a metric of :data:`core.specs.METRICS` is better."""
    return not metric.endswith("loss")


def oriented(metric: str, value: float) -> float:
    """Returns a metric's value such that higher is better."""
    return value if higher_is_better(metric) else -value


def value_of(metric: str, values: Mapping[str, float]) -> float:
    """Returns a metric's value."""
    return float(values[metric])


class Judgement:
    """Collects the answers to the validation images.

    The loss is the training's own, without label smoothing and class weights, so that recipes can be compared.

    Args:
        loss: The training's loss.
        classes: Number of classes.
        device: Where the logits are.
    """

    def __init__(self, loss: Loss, classes: int, device: torch.device) -> None:
        plain = dataclasses.replace(loss, smoothing=0.0, balance="none")
        self._criterion = Criterion(plain, torch.zeros(classes), device)
        self._classes, self._device = classes, device
        self.begin()

    def begin(self) -> None:
        """Forgets all answers."""
        kind = torch.float32 if self._device.type == "mps" else torch.float64
        self._loss = torch.zeros((), dtype=kind, device=self._device)
        self._table = torch.zeros(self._classes**2, dtype=torch.long, device=self._device)

    def add_batch(self, logits: Tensor, labels: Tensor) -> None:
        """Takes note of a batch.

        Args:
            logits: ``B x K``.
            labels: ``B``.
        """
        self._loss += self._criterion(logits, labels).sum().to(self._loss.dtype)
        cells = labels * self._classes + logits.argmax(1)
        self._table += torch.bincount(cells, minlength=len(self._table))

    def run_validation(self, feed: BatchSource, images: Tensor, at_once: int, world: World) -> Iterator[int]:
        """Sends images through the network, forgetting what was answered before, and adds up all processes' answers.

        Args:
            feed: Of the validation images.
            images: Their positions.
            at_once: Images to be computed at once, in all processes together.
            world: The processes that share the work.

        Yields:
            How many images are done, of all processes.
        """
        self.begin()
        done = 0
        parts = [share for part in images.split(at_once) if len(share := world.share(part))]
        for inputs, labels in feed.batches(parts, None):
            self.add_batch(feed.logits(inputs), labels)
            done += len(labels)
            yield done * world.size
        self._loss, self._table = world.sum(self._loss), world.sum(self._table)

    def result(self) -> dict[str, float]:
        """Returns ``val_loss``, ``val_accuracy``, ``val_balanced_accuracy`` and ``val_f1`` (macro).

        Classes without images do not count in the balanced accuracy, nor in F1 where they were never answered
        either, as in scikit-learn.
        """
        table = self._table.view(self._classes, self._classes).double().cpu()
        right, own, answered = table.diagonal(), table.sum(1), table.sum(0)
        images = float(own.sum())
        present, named = own > 0, own + answered > 0
        return {
            "val_loss": float(self._loss) / images,
            "val_accuracy": float(right.sum()) / images,
            "val_balanced_accuracy": float((right[present] / own[present]).mean()),
            "val_f1": float((2 * right[named] / (own + answered)[named]).mean()),
        }
