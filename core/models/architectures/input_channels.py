"""Gray images for networks made for colour, and the other way round."""

from __future__ import annotations

import torch
from torch import nn

from core.errors import InputError

_INCEPTION_SCALE = (0.229 / 0.5, 0.224 / 0.5, 0.225 / 0.5)
"""GoogLeNet and Inception v3 were trained on pixels scaled to -1..1; with ``transform_input`` they turn ImageNet's
normalisation into that themselves, by these factors (and small shifts)."""


def narrow(model: nn.Module, channels: int) -> nn.Module:
    """Makes a network take images of ``channels`` channels, in place; nothing happens where it does already.

    Only the first convolution changes. From RGB to gray its kernels are summed over the three colours: on a gray
    picture, whose colours are equal, they answer what they answered before. From gray to RGB each colour gets a third.
    Networks with random weights keep the spread that their initialisation meant, since a sum of three independent
    weights has the variance that a third of the inputs asks for.

    Args:
        model: A classifier whose first convolution sees the image; on ``meta`` as well.
        channels: 1 or 3.

    Returns:
        The same module.

    Raises:
        InputError: The network has no convolution that could take other images.
    """
    first = next((module for module in model.modules() if isinstance(module, nn.Conv2d)), None)
    if first is None or first.groups != 1 or first.in_channels not in (1, 3) or channels not in (1, 3):
        raise InputError(
            "The network {network} cannot be changed to images of {channels} channels: its first layer is no plain "
            "convolution of gray or RGB images.",
            network=type(model).__name__,
            channels=channels,
        )
    if first.in_channels == channels:
        return model
    with torch.no_grad():
        weight = first.weight.detach()
        if channels == 1:
            if getattr(model, "transform_input", False):
                scale = torch.tensor(_INCEPTION_SCALE, dtype=weight.dtype, device=weight.device)
                weight = weight * scale.view(1, 3, 1, 1)
            weight = weight.sum(1, keepdim=True)
        else:
            weight = (weight / 3).repeat(1, 3, 1, 1)
    first.weight = nn.Parameter(weight.contiguous(), requires_grad=first.weight.requires_grad)
    first.in_channels = channels
    if hasattr(model, "transform_input"):
        setattr(model, "transform_input", False)  # noqa: B010 - it reads three colours; torch's stubs know submodules
    return model
