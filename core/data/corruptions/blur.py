"""Blur: of a lens out of focus, of a moving hand, of a zoom, and a bell's."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from core.data.corruptions.levels import PUBLISHED_SIDE, levels, magnified, scale, unit


def gaussian(image: Tensor, sigma: float, _rng: np.random.Generator) -> Tensor:
    """Blurs by a bell of this deviation in pixels, cut at four of them, the edge continued (as scikit-image does)."""
    spread = sigma * scale(image)
    reach = int(4 * spread + 0.5)
    if not reach:
        return image
    places = torch.arange(-reach, reach + 1, dtype=torch.float64)
    bell = torch.exp(-0.5 * (places / spread) ** 2)
    bell = (bell / bell.sum()).float().expand(3, 1, 1, -1)
    pixels = F.pad(unit(image).float()[None], (reach,) * 4, mode="replicate")
    return levels(F.conv2d(F.conv2d(pixels, bell, groups=3), bell.transpose(2, 3), groups=3)[0])


def defocus(image: Tensor, lens: tuple[float, float], _rng: np.random.Generator) -> Tensor:
    """Spreads each point over a disk: its radius in pixels, and the deviation that softens its edge."""
    kernel = disk(lens[0] * scale(image), lens[1], exact=image.shape[-1] == PUBLISHED_SIDE)
    reach = kernel.shape[-1] // 2
    mode = "reflect" if reach < image.shape[-1] else "replicate"
    pixels = F.pad(unit(image).float()[None], (reach,) * 4, mode=mode)  # float64 would take twenty times as long
    return levels(F.conv2d(pixels, kernel.float().expand(3, 1, -1, -1), groups=3)[0])


def disk(radius: float, softness: float, *, exact: bool = True) -> Tensor:
    """Returns a disk whose values sum to 1, float64.

    Args:
        radius: In pixels.
        softness: Deviation of the bell that softens the edge.
        exact: As published: pixels whose middle is inside count as a whole. Else those at the edge count by what is
            inside, without which small radii would all be one pixel.
    """
    reach = 8 if radius <= 8 else math.ceil(radius)
    places = torch.arange(-reach, reach + 1, dtype=torch.float64)
    away = (places[:, None] ** 2 + places[None, :] ** 2).sqrt()
    inside = (away <= radius).double() if exact else (radius + 0.5 - away).clamp(0, 1)
    inside = inside / inside.sum()
    half = 1 if radius <= 8 else 2
    steps = torch.arange(-half, half + 1, dtype=torch.float64)
    bell = torch.exp(-0.5 * (steps / softness) ** 2)
    bell = bell / bell.sum()
    padded = F.pad(inside[None, None], (half,) * 4, mode="reflect")
    return F.conv2d(padded, (bell[:, None] * bell[None, :])[None, None])[0, 0]


def motion(image: Tensor, motion_: tuple[float, float], rng: np.random.Generator) -> Tensor:
    """Moves the camera by up to 45 degrees from the horizontal: a radius and a deviation, in pixels."""
    large = scale(image)
    return levels(moved(unit(image), motion_[0] * large, motion_[1] * large, rng.uniform(-45, 45)))


def moved(planes: Tensor, radius: float, sigma: float, angle: float) -> Tensor:
    """Averages planes along a line that begins at each pixel, by half a bell (as ImageMagick's motion blur).

    Args:
        planes: ``C x H x W``, float64.
        radius: Length of the line, in pixels.
        sigma: Deviation of the bell, in pixels.
        angle: Direction, in degrees.
    """
    steps = 2 * math.ceil(radius) + 1
    height, width = planes.shape[-2:]
    padded = F.pad(planes[None], (steps,) * 4, mode="replicate")[0]
    weights = [math.exp(-0.5 * (step / sigma) ** 2) for step in range(steps)]
    right, down = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    total = torch.zeros_like(planes)
    for step, weight in enumerate(weights):
        x, y = (steps + math.ceil(step * part - 0.5) for part in (right, down))
        total += weight / sum(weights) * padded[:, y : y + height, x : x + width]
    return total


def zoom(image: Tensor, zooms: tuple[float, float], _rng: np.random.Generator) -> Tensor:
    """Averages a picture with enlarged ones: from 1 to below the first number, in steps of the second."""
    pixels = unit(image)
    factors = np.arange(1, *zooms)
    total = pixels + sum(magnified(pixels, float(factor)) for factor in factors)
    return levels(total / (len(factors) + 1))
