"""What a picture is grown on: a spectrum with decorrelated colours, and the small movements before each look."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

if TYPE_CHECKING:
    from core.specs import Preprocessing

COLOURS = ((0.2513, 0.1161, 0.0117), (0.2166, -0.0359, -0.0291), (0.1729, -0.1238, 0.0194))
"""Columns: the three directions in which the colours of photographs vary independently of each other (brightness,
red-yellow against blue, green against magenta), each as long as they vary along it (standard deviation, in shares of
full brightness). Principal components of the pixels of this project's colour samples, the longest first."""
RATE = 0.09
"""Step of each part of the spectrum, in units in which the whole picture, before the sigmoid, would vary by one."""
NOISE = 0.2
"""Contrast of noise pictures, as a standard deviation in shares of full brightness: about that of photographs."""
START = 0.02
"""Standard deviation, before the sigmoid, of what a picture is grown from."""
_PRIME = 1_000_003

Movement = tuple[tuple[int, int], float, float]
"""Pixels down and across, zoom, and angle in radians."""


class Canvas:
    """Pictures as spectra: a step changes patterns of all sizes and not single pixels.

    The amplitude of each frequency is weighed by one over it, as in photographs, so that all of them learn equally
    quickly, and the three colours are mixed as :data:`COLOURS` gives before a sigmoid brings them to 0..1
    (Olah et al. 2017).

    Args:
        starts: Generators, one a picture.
        size: Pixels a side.
        gray: Whether the pictures have one channel.
        device: Where they are.
        contrast: Standard deviation of the start, before the colours are mixed.

    Attributes:
        spectrum: BxCxHx(W//2+1)x2, a leaf that requires grad.
    """

    def __init__(
        self, starts: list[torch.Generator], size: int, *, gray: bool, device: torch.device, contrast: float = START
    ) -> None:
        shape = (1 if gray else 3, size, size // 2 + 1, 2)
        drawn = torch.stack([torch.randn(shape, generator=start) for start in starts])
        self.size = size
        self._weights = _weights(size).to(device)
        self._colours = None if gray else _mix().to(device)
        self.spectrum = (drawn * contrast).to(device).requires_grad_()

    def pixels(self) -> Tensor:
        """Returns the pictures, BxCxHxW, from 0 to 1."""
        flat = torch.fft.irfft2(
            torch.view_as_complex(self.spectrum * self._weights[..., None]), s=(self.size, self.size), norm="ortho"
        )
        if self._colours is not None:
            flat = torch.einsum("dc,bchw->bdhw", self._colours, flat)
        return flat.sigmoid()


class Ascent:
    """Adam (Kingma and Ba 2014, arXiv:1412.6980), upwards, on gradients that are brought to the same length a picture.

    ``torch.optim`` would take seconds to load; this is all of it that is needed.

    Args:
        values: Bx..., changed in place.
    """

    def __init__(self, values: Tensor, rate: float = RATE, beta: float = 0.9, beta2: float = 0.999) -> None:
        self._values, self._rate, self._betas = values, rate, (beta, beta2)
        self._mean, self._power = torch.zeros_like(values), torch.zeros_like(values)
        self._steps = 0

    @torch.no_grad()
    def step(self, gradient: Tensor) -> None:
        """Goes one step up."""
        gradient = gradient.nan_to_num(0.0, 0.0, 0.0)
        length = gradient.flatten(1).square().mean(1).sqrt().view(-1, *[1] * (gradient.ndim - 1))
        gradient = gradient / length.clamp(min=torch.finfo(gradient.dtype).tiny)
        self._steps += 1
        first, second = self._betas
        self._mean.lerp_(gradient, 1 - first)
        self._power.mul_(second).addcmul_(gradient, gradient, value=1 - second)
        spread = (self._power / (1 - second**self._steps)).sqrt_().add_(1e-8)
        self._values.addcdiv_(self._mean, spread, value=self._rate / (1 - first**self._steps))


def noise(count: int, size: int, seed: int, *, gray: bool) -> Tensor:
    """Returns pictures with the spectrum, colours and contrast of photographs and nothing in them, BxCxHxW, 0 to 1."""
    starts = [torch.Generator().manual_seed(seed * _PRIME + 7_919 * (1 + index)) for index in range(count)]
    contrast = 4 * NOISE  # around the middle a sigmoid is a quarter as steep as its argument
    with torch.no_grad():
        return Canvas(starts, size, gray=gray, device=torch.device("cpu"), contrast=contrast).pixels()


def movements(steps: int, size: int, seed: int) -> list[Movement]:
    """Draws how a picture is moved before each look."""
    generator = torch.Generator().manual_seed(seed)
    most = max(1, size // 12)
    shifts = torch.randint(-most, most + 1, (steps, 2), generator=generator).tolist()
    zooms = (0.9 + 0.2 * torch.rand(steps, generator=generator)).tolist()
    angles = (math.radians(8.0) * (2 * torch.rand(steps, generator=generator) - 1)).tolist()
    return [((down, across), zoom, angle) for (down, across), zoom, angle in zip(shifts, zooms, angles, strict=True)]


def moved(pixels: Tensor, movement: Movement) -> Tensor:
    """Moves pictures BxCxHxW alike: around the edges, then zoomed and turned about the middle, mirrored at borders."""
    shift, zoom, angle = movement
    count, channels, height, width = pixels.shape
    cos, sin = math.cos(angle) / zoom, math.sin(angle) / zoom
    turn = torch.tensor([[[cos, -sin, 0.0], [sin, cos, 0.0]]], device=pixels.device, dtype=pixels.dtype)
    # all pictures and colours as channels of one: where each pixel comes from is worked out once
    flat = pixels.roll(shift, (2, 3)).reshape(1, count * channels, height, width)
    grid = F.affine_grid(turn, [1, 1, height, width], align_corners=False)
    found = F.grid_sample(flat, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    return found.reshape(count, channels, height, width)


def as_input(pixels: Tensor, prep: Preprocessing, side: int | None) -> Tensor:
    """Turns pictures into the network's input, as :func:`core.data.images.normalise` does for photographs.

    Args:
        pixels: BxCxHxW from 0 to 1; one channel or three.
        prep: The network's preprocessing.
        side: Pixels a side that the network needs; ``None`` where it takes any.
    """
    if side is not None and pixels.shape[-2:] != (side, side):
        pixels = F.interpolate(pixels, (side, side), mode="bilinear", align_corners=False, antialias=True)
    mean, std = (
        torch.tensor(values, device=pixels.device, dtype=pixels.dtype).view(1, 3, 1, 1)
        for values in (prep.mean, prep.std)
    )
    scaled = (pixels - mean) / std  # a single channel stands for three equal ones
    return scaled.mean(1, keepdim=True) if prep.channels == 1 else scaled


def to_bytes(pixels: Tensor) -> NDArray[np.uint8]:
    """Returns pictures BxCxHxW from 0 to 1 as BxHxWx3 on the CPU, with 256 levels."""
    levels = (pixels.detach().nan_to_num(0.5) * 255).round().clamp(0, 255).to(torch.uint8).cpu()
    return np.ascontiguousarray(levels.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).numpy())


def from_bytes(pictures: NDArray[np.uint8], *, gray: bool, device: torch.device) -> Tensor:
    """Returns pictures BxHxWx3 as BxCxHxW from 0 to 1."""
    found = torch.from_numpy(pictures).to(device).permute(0, 3, 1, 2).float() / 255
    return found[:, :1] if gray else found


def _mix() -> Tensor:
    """Returns :data:`COLOURS`, scaled so that the colour that varies most does so by one."""
    mix = torch.tensor(COLOURS)
    return mix / mix.norm(dim=1).max()


def _weights(size: int) -> Tensor:
    """Returns the amplitude of each frequency, Hx(W//2+1), such that unit parameters give pixels of variance one."""
    down, across = torch.fft.fftfreq(size), torch.fft.rfftfreq(size)
    frequency = torch.sqrt(down[:, None] ** 2 + across[None] ** 2)
    weights = 1 / frequency.clamp(min=1 / size)
    twice = torch.full_like(weights, 2.0)  # rfft keeps one of two columns that mirror each other
    twice[:, 0] = 1.0
    if size % 2 == 0:
        twice[:, -1] = 1.0
    variance = 2 * (twice * weights**2).sum() / size**2  # a real and an imaginary part of variance one each
    return weights / variance.sqrt()
