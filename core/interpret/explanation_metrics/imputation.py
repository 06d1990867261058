"""What stands in for pixels that are taken away: a blurred picture, the mean colour, or what lies around them.

Covering a place always shows the network something. A plain colour makes edges that it has never seen; a blurred
picture leaves a trace of what was there; and an imputed one, which is the least of a surprise, is filled from its rim.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from core.errors import InputError

FILLS = ("mean", "blur")
"""What may stand in for a pixel: the mean colour (zero after normalisation), or the picture, strongly blurred."""
BLUR = 1 / 20
"""Deviation of the blur, as a share of the picture's shorter side."""
_SWEEPS = 24


def filling(x: Tensor, fill: str) -> Tensor:
    """Returns the picture that stands in for the pixels taken away.

    Args:
        x: Normalised images, BxCxHxW.
        fill: One of :data:`FILLS`.

    Raises:
        InputError: There is no such filling.
    """
    if fill not in FILLS:
        raise InputError("There is no filling {fill}. Choose one of: {known}.", fill=fill, known=", ".join(FILLS))
    return torch.zeros_like(x) if fill == "mean" else blurred(x, BLUR * min(x.shape[-2:]))


def blurred(x: Tensor, sigma: float) -> Tensor:
    """Blurs pictures with a Gaussian; at the edges the picture is mirrored.

    Args:
        x: BxCxHxW.
        sigma: Deviation of the Gaussian, in pixels.
    """
    for axis in (2, 3):
        reach = min(math.ceil(3 * sigma), x.shape[axis] - 1)
        if reach < 1:
            continue
        offsets = torch.arange(-reach, reach + 1, device=x.device, dtype=x.dtype)
        weights = torch.exp(-0.5 * (offsets / sigma) ** 2)
        shape = [1, 1, -1, 1] if axis == 2 else [1, 1, 1, -1]
        kernel = (weights / weights.sum()).view(shape).expand(x.shape[1], 1, *shape[2:])
        room = (0, 0, reach, reach) if axis == 2 else (reach, reach, 0, 0)
        x = F.conv2d(F.pad(x, room, mode="reflect"), kernel, groups=x.shape[1])
    return x


def imputed(x: Tensor, known: Tensor, *, noise: float = 0.01, seed: int = 0, sweeps: int = _SWEEPS) -> Tensor:
    """Fills missing pixels with the weighted mean of their neighbours and a little noise (Rong 2022, 2202.00449).

    Each missing pixel is to be the mean of its eight neighbours, those beside it twice as heavy as those at its
    corners; missing neighbours are filled alike, which makes one sparse system of equations a picture. It is solved
    from coarse to fine: a picture of half the side gives the start, and a few rounds of averaging settle the rest.

    Args:
        x: One normalised image, 1xCxHxW.
        known: Which pixels stay, Bx1xHxW, bool; one imputed image each.
        noise: Deviation of the noise, in the units of ``x``.
        seed: Seed of the noise.
        sweeps: Rounds of averaging at each size.

    Returns:
        Images, BxCxHxW, on the device of ``x``. Where nothing is known, zeros (the mean colour) and noise.
    """
    known = known.to(x.device)
    batch, size = known.shape[0], x.shape[2:]
    steps = [(x.expand(batch, -1, -1, -1) * known, known.to(x.dtype))]
    while max(steps[-1][0].shape[2:]) > 1:
        values, there = steps[-1]
        weight = F.avg_pool2d(there, 2, ceil_mode=True)
        mean = F.avg_pool2d(values * there, 2, ceil_mode=True) / weight.clamp_min(1e-12)
        steps.append((mean * (weight > 0), (weight > 0).to(x.dtype)))
    filled = steps[-1][0]
    for values, there in reversed(steps[:-1]):
        filled = F.interpolate(filled, values.shape[2:], mode="bilinear", align_corners=False)
        filled = _settled(values, there, filled, sweeps)
    if noise > 0:
        chance = torch.Generator().manual_seed(seed)
        grain = torch.randn((batch, x.shape[1], *size), generator=chance).to(x)
        filled = filled + noise * grain * (~known)
    return filled


def _settled(values: Tensor, there: Tensor, start: Tensor, sweeps: int) -> Tensor:
    """Averages neighbours again and again; what is known stays."""
    kernel = (
        torch.tensor([[1.0, 2, 1], [2, 0, 2], [1, 2, 1]], device=values.device, dtype=values.dtype)[None, None] / 12
    )
    channels = values.shape[1]
    share = F.conv2d(torch.ones_like(values[:1, :1]), kernel, padding=1).clamp_min(1e-12)
    missing = (1 - there) / share
    kept = values * there
    filled = kept + start * (1 - there)
    wide = kernel.expand(channels, 1, 3, 3)
    for _ in range(sweeps):
        filled = kept + missing * F.conv2d(filled, wide, padding=1, groups=channels)
    return filled
