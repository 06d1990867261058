"""Adversarial attacks: small changes of pixels that a network's own gradient chooses, carried out by captum."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from core.data.images import normalise
from core.errors import InputError
from core.models.network import Network

ATTACKS = {"fgsm": (0.5, 1.0, 2.0, 4.0, 8.0), "pgd": (0.5, 1.0, 2.0, 4.0, 8.0)}
"""Attacks by name, with how far each value may be moved at the five strengths, in levels of 0..255.

``fgsm`` is one step of the gradient's sign (Goodfellow et al. 2015, arXiv:1412.6572), ``pgd`` ten steps of a quarter of
the way, each brought back into the allowed range (Madry et al. 2018, arXiv:1706.06083), from the picture itself.
"""
PGD_STEPS = 10
_STEP = 0.25


def attacked(network: Network, images: Tensor, labels: Tensor, name: str, strength: int) -> Tensor:
    """Returns pictures that were changed so that the network's loss grows.

    The gradient is that of the other classes' logits over the class's own. It has the signs of the cross-entropy's, but
    does not vanish where the network is sure, which captum takes for no gradient.

    Args:
        network: In eval mode.
        images: uint8 ``B x 3 x S x S`` on the network's device, as they enter it before they are normalised.
        labels: Classes that the network is led away from, ``B``.
        name: One of :data:`ATTACKS`.
        strength: 1 to 5.

    Returns:
        float32 ``B x 3 x S x S`` between 0 and 255, not rounded.

    Raises:
        InputError: There is no such attack.
    """
    if name not in ATTACKS:
        raise InputError("There is no attack {name}. Choose from: {known}.", name=name[:60], known=", ".join(ATTACKS))
    from captum.robust import FGSM, PGD

    def forward(pixels: Tensor) -> Tensor:
        logits: Tensor = network.model(normalise(pixels * 255, network.preprocessing))
        return logits.float()

    def loss(logits: Tensor, target: Tensor) -> Tensor:
        own = F.one_hot(target, logits.shape[1]).bool()
        return logits.masked_fill(own, -torch.inf).logsumexp(1) - logits[own]

    far = ATTACKS[name][strength - 1] / 255
    pixels = (images.float() / 255).requires_grad_()  # else captum remarks that it has to
    with torch.enable_grad():
        if name == "fgsm":
            found = FGSM(forward, loss, 0.0, 1.0).perturb(pixels, far, labels)
        else:
            found = PGD(forward, loss, 0.0, 1.0).perturb(pixels, far, far * _STEP, PGD_STEPS, labels)
    changed: Tensor = found.detach() * 255
    return changed
