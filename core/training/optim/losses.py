"""Losses: how wrong each image's logits are, one value an image."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from core.errors import InputError
from core.specs import Loss

LEAST_SPREAD = 0.01
"""Least length of the probabilities' deviations in a correlation; below it the slope would grow without bounds."""


class Criterion:
    """The loss of a training.

    Args:
        spec: Which loss.
        counts: Training images of each class, ``K``; needed for balanced weights.
        device: Where the logits are.

    Attributes:
        weights: Weight of each class, ``K``, whose mean over the training images is 1; ``None`` for equal ones.

    Raises:
        InputError: The correlation is chosen for two classes.
    """

    def __init__(self, spec: Loss, counts: Tensor, device: torch.device) -> None:
        if spec.name == "correlation" and len(counts) < 3:
            raise InputError(
                "The loss correlation needs at least 3 classes: between two values a correlation is 1 or -1 and has no "
                "slope to learn from. Choose cross-entropy."
            )
        self.spec = spec
        self.weights: Tensor | None = None
        if spec.balance == "balanced":
            present = counts.clamp(min=1).float()
            self.weights = (counts.sum() / ((counts > 0).sum() * present)).to(device)

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Returns the loss of each image, ``B``.

        Args:
            logits: ``B x K``.
            targets: Labels ``B`` (int64), or shares of the classes ``B x K``.
        """
        spec = self.spec
        if spec.name == "cross-entropy":
            losses = F.cross_entropy(logits, targets, reduction="none", label_smoothing=spec.smoothing)
        elif spec.name == "focal":
            losses = _focal(logits, _shares(logits, targets, spec.smoothing), spec.gamma)
        else:
            losses = _teaching(spec.name, logits, _shares(logits, targets, spec.smoothing))
        if self.weights is None:
            return losses
        chosen = self.weights[targets] if targets.ndim == 1 else targets @ self.weights
        return losses * chosen


def _shares(logits: Tensor, targets: Tensor, smoothing: float) -> Tensor:
    """Returns the wanted share of each class, ``B x K``."""
    classes = logits.shape[1]
    shares = F.one_hot(targets, classes).to(logits.dtype) if targets.ndim == 1 else targets
    return shares * (1 - smoothing) + smoothing / classes if smoothing else shares


def _focal(logits: Tensor, shares: Tensor, gamma: float) -> Tensor:
    """Cross-entropy in which what is right already counts little: ``-(1 - p) ** gamma * log p``."""
    logs = logits.log_softmax(1)
    doubt = (1 - logs.exp()).clamp(min=torch.finfo(logits.dtype).tiny)  # a root's slope at 0 is none
    return -(shares * doubt**gamma * logs).sum(1)


def _teaching(name: str, logits: Tensor, shares: Tensor) -> Tensor:
    """The course's own losses, between the probabilities and the one-hot label of each image."""
    probabilities = logits.softmax(1)
    difference = probabilities - shares
    if name == "l1":
        return difference.abs().mean(1)
    if name == "mse-mean":
        return difference.square().mean(1) + difference.mean(1).abs()
    centred = probabilities - probabilities.mean(1, keepdim=True)
    wanted = shares - shares.mean(1, keepdim=True)
    spread = centred.square().sum(1).clamp(min=LEAST_SPREAD**2).sqrt() * wanted.square().sum(1).sqrt()
    return -(centred * wanted).sum(1) / spread
