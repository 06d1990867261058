"""What is done to pictures before an autoencoder sees them, which it has to undo: noise, or a hidden square."""

from __future__ import annotations

import torch
from torch import Tensor

CORRUPTIONS = ("none", "noise", "occlusion")


def corrupted(pictures: Tensor, kind: str, strength: float, generator: torch.Generator) -> Tensor:
    """Returns pictures with noise, or with a square hidden.

    Args:
        pictures: B x C x H x W, from 0 to 1.
        kind: One of :data:`CORRUPTIONS`.
        strength: Standard deviation of the noise; side of the hidden square as a share of the picture's.
        generator: Of the draws, one an image.
    """
    if kind == "none" or strength <= 0:
        return pictures
    count, _channels, height, width = pictures.shape
    if kind == "noise":
        noise = torch.randn(pictures.shape, generator=generator).to(pictures)
        return (pictures + strength * noise).clamp(0, 1)
    high, wide = max(1, round(height * strength)), max(1, round(width * strength))
    top = (torch.rand(count, generator=generator) * (height - high + 1)).long().clamp(max=height - high)
    left = (torch.rand(count, generator=generator) * (width - wide + 1)).long().clamp(max=width - wide)
    rows, columns = torch.arange(height), torch.arange(width)
    inside = ((rows >= top[:, None]) & (rows < top[:, None] + high))[:, :, None] & (
        (columns >= left[:, None]) & (columns < left[:, None] + wide)
    )[:, None, :]
    return pictures.masked_fill(inside[:, None].to(pictures.device), 0.5)
