"""Noise: of the sensor, of few photons, of dead pixels."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from core.data.corruptions.levels import levels, unit


def gaussian(image: Tensor, spread: float, rng: np.random.Generator) -> Tensor:
    """Adds to each value a normal number of this deviation, in shares of the range."""
    return levels(unit(image) + spread * torch.from_numpy(rng.standard_normal(tuple(image.shape))))


def shot(image: Tensor, photons: float, rng: np.random.Generator) -> Tensor:
    """Counts photons, so many at full brightness: the count is drawn from a Poisson distribution."""
    return levels(torch.from_numpy(rng.poisson(unit(image).numpy() * photons) / photons))


def impulse(image: Tensor, share: float, rng: np.random.Generator) -> Tensor:
    """Makes this share of the values black or white, each as often."""
    hit, white = torch.from_numpy(rng.random((2, *image.shape)))
    return torch.where(hit < share, torch.where(white < 0.5, 255, 0).to(torch.uint8), image)
