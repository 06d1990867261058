"""Sampling images through affine maps, bilinearly."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def resampled(images: Tensor, maps: Tensor, size: int, beyond: str, white: float = 0.0) -> Tensor:
    """Samples each image through its map.

    On a CPU one image is done after the other: its grid and its pixels then stay in the processor's cache, which takes
    two thirds of the time of a whole batch and gives the same bits.

    Args:
        images: uint8 ``B x 3 x H x W``.
        maps: From places of the result to places of the image, both from -1 to 1, ``B x 2 x 3``.
        size: Side of the result, in pixels.
        beyond: What stands beyond the edge: ``reflection``, ``border`` or ``zeros``.
        white: Level that stands for the zeros beyond the edge.

    Returns:
        uint8 ``B x 3 x size x size``.
    """
    count, channels = images.shape[:2]
    if images.device.type != "cpu":
        return _sampled(images, maps, size, beyond, white)
    out = torch.empty((count, channels, size, size), dtype=torch.uint8)
    for row in range(count):
        out[row] = _sampled(images[row : row + 1], maps[row : row + 1], size, beyond, white)[0]
    return out


def _sampled(images: Tensor, maps: Tensor, size: int, beyond: str, white: float) -> Tensor:
    grid = F.affine_grid(maps, [*images.shape[:2], size, size], align_corners=False)
    pixels = images.to(torch.float32, memory_format=torch.contiguous_format)
    pixels = pixels - white if white else pixels
    sampled = F.grid_sample(pixels, grid, mode="bilinear", padding_mode=beyond, align_corners=False)
    sampled = sampled.add_(white) if white else sampled
    return sampled.round_().clamp_(0, 255).to(torch.uint8)
