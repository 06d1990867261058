"""The two losses of Goodfellow et al. 2014, of scores before the sigmoid: D(x) = sigmoid(score).

Paper: "Generative Adversarial Nets", https://arxiv.org/abs/1406.2661.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def optimal(real: float, generated: float) -> float:
    """Returns what the best discriminator says at a place: the share of what is real among all that falls there.

    Args:
        real: Density of real samples at that place.
        generated: Density of generated ones.
    """
    return real / (real + generated)


def discriminator_loss(real: Tensor, generated: Tensor) -> Tensor:
    """Returns -mean ln D(x) - mean ln(1 - D(G(z))), in nats; 2 ln 2 where both always score 0, a D of 1/2.

    Args:
        real: Scores of real samples, any shape.
        generated: Scores of generated ones.
    """
    return F.softplus(-real).mean() + F.softplus(generated).mean()


def generator_loss(generated: Tensor, *, saturating: bool = False) -> Tensor:
    """Returns -mean ln D(G(z)), which the paper trains with; ln 2 where D is 1/2.

    Args:
        generated: Scores of generated samples, any shape.
        saturating: Whether mean ln(1 - D(G(z))) is taken instead, as in the paper's game of two: its gradient vanishes
            where the discriminator is sure.
    """
    return -F.softplus(generated).mean() if saturating else F.softplus(-generated).mean()
