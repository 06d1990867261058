"""Sampling images through affine maps, bilinearly."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from core.data.threads import each


def resampled(images: Tensor, maps: Tensor, size: int, beyond: str, white: float = 0.0) -> Tensor:
    """Samples each image through its map.

    Args:
        images: uint8 ``B x 3 x H x W``.
        maps: From places of the result to places of the image, both from -1 to 1, ``B x 2 x 3``.
        size: Side of the result, in pixels.
        beyond: What stands beyond the edge: ``reflection``, ``border`` or ``zeros``.
        white: Level that stands for the zeros beyond the edge.

    Returns:
        uint8 ``B x 3 x size x size``.
    """
    return by_image(lambda some, those: _sampled(some, those, size, beyond, white), images, maps)


def by_image(change: Callable[..., Tensor], images: Tensor, *values: Tensor) -> Tensor:
    """Changes a batch; on a CPU one image after the other, by several threads.

    What is made of an image on the way then stays in the processor's cache, which takes two thirds of the time of a
    whole batch and gives the same bits.

    Args:
        change: Takes images and values, and returns as many images.
        images: ``B x ...``.
        values: What belongs to each image, ``B x ...``.
    """
    if images.device.type != "cpu" or len(images) < 2:
        return change(images, *values)
    ones = list(zip(*(rows.split(1) for rows in (images, *values)), strict=True))
    return torch.cat(each(lambda one: change(*one), ones))


def flipped(images: Tensor, done: Tensor, axis: int) -> Tensor:
    """Returns a copy in which the images that ``done`` (bool ``B``) names are turned round along an axis."""
    if images.device.type != "cpu":  # which rows they are, a GPU would have to be waited for
        return torch.where(done.view(-1, 1, 1, 1), images.flip(axis), images)
    images = images.clone()
    for row in done.nonzero().squeeze(1).tolist():
        images[row] = images[row].flip(axis)
    return images


def as_levels(images: Tensor, *, planes: bool = False) -> Tensor:
    """Returns uint8 as float32, on a CPU by numpy: torch wakes a team of threads for each image, which takes longer.

    Args:
        images: uint8.
        planes: Whether colours stand one after the other in memory; as they do in ``images`` otherwise.
    """
    if images.device.type != "cpu":
        return images.to(torch.float32, memory_format=torch.contiguous_format if planes else torch.preserve_format)
    return torch.from_numpy(images.numpy().astype(np.float32, order="C" if planes else "K"))


def as_bytes(levels: Tensor) -> Tensor:
    """Rounds levels to 0..255, in place, and returns them as uint8, on a CPU by numpy as in :func:`as_levels`."""
    if levels.device.type != "cpu":
        return levels.round_().clamp_(0, 255).to(torch.uint8)
    values = levels.numpy()
    return torch.from_numpy(np.clip(np.rint(values, out=values), 0, 255, out=values).astype(np.uint8))


def grid_of(maps: Tensor, size: int) -> Tensor:
    """Returns the places that maps lead to, ``B x size x size x 2``, as ``affine_grid`` does.

    By sums in place of a product of matrices: a tenth of the time on a CPU.

    Args:
        maps: As for :func:`resampled`.
        size: Side of the result, in pixels.
    """
    places = torch.arange(1 - size, size, 2, dtype=torch.float32, device=maps.device) / size
    across, down = (maps[..., :1] * places)[..., None, :], (maps[..., 1:2] * places + maps[..., 2:])[..., None]
    grid = down + across if maps.device.type != "cpu" else torch.from_numpy(down.numpy() + across.numpy())
    return grid.permute(0, 2, 3, 1)


def _sampled(images: Tensor, maps: Tensor, size: int, beyond: str, white: float) -> Tensor:
    pixels = as_levels(images)
    pixels = pixels - white if white else pixels
    sampled = F.grid_sample(pixels, grid_of(maps, size), mode="bilinear", padding_mode=beyond, align_corners=False)
    return as_bytes(sampled + white if white else sampled)
