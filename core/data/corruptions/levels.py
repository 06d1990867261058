"""Between the levels 0..255 of a file and the numbers 0..1 that the formulas are written in."""

from __future__ import annotations

import math

import torch
from torch import Tensor

PUBLISHED_SIDE = 224
"""Side of the pictures that the published constants are for, in pixels; lengths grow and shrink with a picture's."""


def unit(image: Tensor) -> Tensor:
    """Returns uint8 levels as numbers from 0 to 1, float64."""
    return image.double() / 255


def levels(values: Tensor) -> Tensor:
    """Returns numbers as uint8 levels; below 0 and above 1 they are cut."""
    return (values.clamp(0, 1) * 255).round().to(torch.uint8)


def scale(image: Tensor) -> float:
    """Returns how many times as wide a picture is as those that the constants were published for."""
    return image.shape[-1] / PUBLISHED_SIDE


def magnified(planes: Tensor, factor: float) -> Tensor:
    """Returns the middle of square planes, enlarged bilinearly to the size that they had.

    (``clipped_zoom`` of Hendrycks and Dietterich's programs: scipy's zoom of order 1.)

    Args:
        planes: ``C x S x S``, float.
        factor: At least 1.
    """
    side = planes.shape[-1]
    kept = math.ceil(side / factor)
    top = (side - kept) // 2
    middle = planes[:, top : top + kept, top : top + kept]
    large = round(kept * factor)
    grown = torch.nn.functional.interpolate(middle[None], size=(large, large), mode="bilinear", align_corners=True)[0]
    trim = (large - side) // 2
    return grown[:, trim : trim + side, trim : trim + side]
