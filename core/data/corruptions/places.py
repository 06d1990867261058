"""Where things stand: turned, moved, covered."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from core.data.operations.resampling import resampled


def rotation(image: Tensor, degrees: float, rng: np.random.Generator) -> Tensor:
    """Turns a picture about its middle, either way by lot; beyond its edge it is reflected."""
    turn = math.radians(degrees) * (1 if rng.random() < 0.5 else -1)
    cosine, sine = math.cos(turn), math.sin(turn)
    return _resampled(image, [[cosine, -sine, 0.0], [sine, cosine, 0.0]])


def shift(image: Tensor, share: float, rng: np.random.Generator) -> Tensor:
    """Moves a picture by this share of its side, in a direction by lot; beyond its edge it is reflected."""
    angle = 2 * math.pi * rng.random()
    return _resampled(image, [[1.0, 0.0, 2 * share * math.cos(angle)], [0.0, 1.0, 2 * share * math.sin(angle)]])


def occlusion(image: Tensor, share: float, rng: np.random.Generator) -> Tensor:
    """Covers a square of this share of the area, somewhere, with the picture's mean colour."""
    side = image.shape[-1]
    wide = max(1, round(math.sqrt(share) * side))
    top, left = (round(chance * (side - wide)) for chance in rng.random(2))
    covered = image.clone()
    covered[:, top : top + wide, left : left + wide] = image.float().mean((1, 2)).round().to(torch.uint8)[:, None, None]
    return covered


def _resampled(image: Tensor, plane: list[list[float]]) -> Tensor:
    return resampled(image[None], torch.tensor(plane)[None], image.shape[-1], "reflection")[0]
