"""Weather and light: fog, brightness, contrast."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.data.corruptions.levels import levels, unit


def fog(image: Tensor, fog_: tuple[float, float], rng: np.random.Generator) -> Tensor:
    """Adds clouds: their thickness, and by how much each finer step of them is weaker."""
    pixels, side = unit(image), image.shape[-1]
    thick, decay = fog_
    clouds = plasma(rng, max(2, 1 << (side - 1).bit_length()), decay)[:side, :side]
    most = pixels.max()
    return levels((pixels + thick * torch.from_numpy(clouds)) * most / (most + thick))


def plasma(rng: np.random.Generator, side: int, decay: float) -> NDArray[np.float64]:
    """Returns clouds from 0 to 1 by the diamond-square algorithm.

    (Fournier, Fussell and Carpenter 1982, doi:10.1145/358523.358553, with the constants of Hendrycks and Dietterich's
    programs.)

    Args:
        rng: Chance.
        side: A power of two, at least 2.
        decay: By how much each finer step varies less.
    """
    heights = np.zeros((side, side))
    step, wobble = side, 100.0

    def varied(summed: NDArray[np.float64]) -> NDArray[np.float64]:
        return summed / 4 + wobble * rng.uniform(-wobble, wobble, summed.shape)

    while step >= 2:
        half = step // 2
        corners = heights[::step, ::step]
        across = corners + np.roll(corners, -1, 0)
        heights[half::step, half::step] = varied(across + np.roll(across, -1, 1))
        middles = heights[half::step, half::step]
        beside = middles + np.roll(middles, 1, 0) + corners + np.roll(corners, -1, 1)
        heights[::step, half::step] = varied(beside)
        below = middles + np.roll(middles, 1, 1) + corners + np.roll(corners, -1, 0)
        heights[half::step, ::step] = varied(below)
        step, wobble = half, wobble / decay
    heights -= heights.min()
    found: NDArray[np.float64] = heights / heights.max()
    return found


def brightness(image: Tensor, more: float, _rng: np.random.Generator) -> Tensor:
    """Adds to the value of each pixel (that of hue, saturation, value), which keeps its hue and saturation."""
    pixels = unit(image)
    value = pixels.amax(0, keepdim=True)
    brighter = (value + more).clamp(max=1)
    return levels(torch.where(value > 0, pixels * (brighter / value.clamp(min=1e-12)), brighter))


def contrast(image: Tensor, kept: float, _rng: np.random.Generator) -> Tensor:
    """Draws each colour towards its mean over the picture."""
    pixels = unit(image)
    means = pixels.mean((1, 2), keepdim=True)
    return levels((pixels - means) * kept + means)
