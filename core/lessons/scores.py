"""From logits to a loss, term by term: softmax, entropy, cross-entropy and its gradient; activations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "ReLU": F.relu,
    "ReLU6": F.relu6,
    "Leaky ReLU": F.leaky_relu,
    "ELU": F.elu,
    "GELU": F.gelu,
    "SiLU": F.silu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
}
"""Activations by what they are called; names are names."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What becomes of logits.

    Attributes:
        logits: One a class, K float64.
        temperature: What they are divided by.
        exponentials: exp(logit / temperature), K.
        probabilities: Each exponential over their sum, K.
        entropy: Of the probabilities, in nats; over ln 2 it is in bits.
        wanted: What the loss compares with: 1 for the right class, smoothed where that was asked for, K.
        loss: Weighted cross-entropy, in nats.
        gradient: dL/dlogits, K.
        terms: What each class adds to the loss, K.
    """

    logits: Tensor
    temperature: float
    exponentials: Tensor
    probabilities: Tensor
    entropy: float
    wanted: Tensor
    loss: float
    gradient: Tensor
    terms: Tensor

    @property
    def bits(self) -> float:
        """The entropy in bits."""
        return self.entropy / float(torch.log(torch.tensor(2.0, dtype=torch.float64)))


def scores(
    logits: Tensor, truth: int, *, temperature: float = 1.0, smoothing: float = 0.0, weight: float = 1.0
) -> Scores:
    """Works a loss out, and its gradient by autograd.

    Args:
        logits: One a class, K.
        truth: The right class.
        temperature: What the logits are divided by; above 1 the probabilities come closer together.
        smoothing: Share of the target that is spread over all classes.
        weight: Weight of the right class in the loss; the others have 1. With smoothing, each class's term has its own.

    Raises:
        InputError: There is no such class, a value is no finite number, or a setting is out of its range.
    """
    if logits.ndim != 1 or not len(logits) or not bool(torch.isfinite(logits).all()):
        raise InputError("The logits are one finite number a class. Give at least one class.")
    if not 0 <= truth < len(logits):
        raise InputError("There is no class {n}: there are {all}, counted from 0.", n=truth, all=len(logits))
    if not (temperature > 0 and 0 <= smoothing < 1 and weight > 0):
        raise InputError("Temperature and weight are above 0, label smoothing is between 0 and 1.")
    given = logits.double().clone().requires_grad_()
    weights = torch.ones_like(given)
    weights.data[truth] = weight
    loss = F.cross_entropy(
        given[None] / temperature,
        torch.tensor([truth]),
        weight=weights.detach(),
        label_smoothing=smoothing,
        reduction="sum",
    )
    (gradient,) = torch.autograd.grad(loss, given)
    scaled = (given / temperature).detach()
    shares = F.softmax(scaled, 0)
    wanted = torch.full_like(shares, smoothing / len(shares))
    wanted[truth] += 1 - smoothing
    terms = -wanted * weights.detach() * F.log_softmax(scaled, 0)
    entropy = float(-(shares * F.log_softmax(scaled, 0)).sum())
    exponentials = torch.exp(scaled - scaled.max())
    return Scores(
        given.detach(), temperature, exponentials, shares, entropy, wanted, float(loss.detach()), gradient, terms
    )


def activation(name: str, values: Tensor) -> tuple[Tensor, Tensor]:
    """Returns an activation of values, and its derivative there by autograd, both float64.

    Raises:
        InputError: There is no such activation.
    """
    if name not in ACTIVATIONS:
        raise InputError("There is no activation {name}. Choose one of: {all}.", name=name, all=", ".join(ACTIVATIONS))
    x = values.double().clone().requires_grad_()
    y = ACTIVATIONS[name](x)
    (slope,) = torch.autograd.grad(y.sum(), x)
    return y.detach(), slope
