"""Random changes to training images, a whole batch at a time on its device.

Each image gets one affine map (random resized crop after Szegedy et al. 2015, arXiv:1409.4842; mirror; rotation),
carried out by a single resampling, and then a change of brightness, contrast and saturation.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from core.specs import AugmentSpec

_ASPECT = math.log(4 / 3)
_GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601 luma


class Augmenter:
    """Changes batches at random.

    Args:
        spec: What is changed, and how much.
        size: Side of the images that come out, in pixels.
    """

    def __init__(self, spec: AugmentSpec, size: int) -> None:
        self.spec, self.size = spec, size

    def __call__(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        """Returns a changed copy.

        Args:
            batch: Canvases, uint8 Bx3xRxR with R at least ``size``.
            generator: Source of chance, on the batch's device.

        Returns:
            uint8 Bx3x``size``x``size``.
        """
        if self.spec.crop_scale == 1.0 and self.spec.rotation == 0.0:
            images = self._slices(batch, generator)
        else:
            images = self._resampled(batch, generator)
        return self._coloured(images, generator) if self.spec.color else images

    def _slices(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        """Cuts the centre out and mirrors some images: no pixel is interpolated."""
        margin = round((batch.shape[-1] - self.size) / 2.0)
        images = batch[..., margin : margin + self.size, margin : margin + self.size]
        if not self.spec.flip:
            return images.clone()
        mirrored = torch.rand(len(batch), generator=generator, device=batch.device) < 0.5
        return torch.where(mirrored.view(-1, 1, 1, 1), images.flip(-1), images)

    def _resampled(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        """Draws an affine map an image and samples the canvas through it, bilinearly."""
        grid = F.affine_grid(
            self._maps(batch, generator), [len(batch), batch.shape[1], self.size, self.size], align_corners=False
        )
        sampled = F.grid_sample(
            batch.to(torch.float32), grid, mode="bilinear", padding_mode="reflection", align_corners=False
        )
        return sampled.round_().clamp_(0, 255).to(torch.uint8)

    def _maps(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        """Returns Bx2x3: from places in the result (-1..1) to places in the canvas (-1..1)."""
        count, device = len(batch), batch.device

        def uniform(low: float, high: float) -> Tensor:
            return low + (high - low) * torch.rand(count, generator=generator, device=device)

        spec = self.spec
        if spec.crop_scale < 1.0:
            root = uniform(spec.crop_scale, 1.0).sqrt()
            stretch = torch.exp(uniform(-_ASPECT / 2, _ASPECT / 2))
            width, height = (root * stretch).clamp(max=1.0), (root / stretch).clamp(max=1.0)
            right, down = uniform(-1.0, 1.0) * (1 - width), uniform(-1.0, 1.0) * (1 - height)
        else:
            width = height = torch.full((count,), self.size / batch.shape[-1], device=device)
            right = down = torch.zeros(count, device=device)
        angle = torch.deg2rad(uniform(-spec.rotation, spec.rotation))
        mirror = torch.where(uniform(0.0, 1.0) < 0.5, -1.0, 1.0) if spec.flip else torch.ones_like(width)
        cosine, sine = angle.cos(), angle.sin()
        rows = [
            torch.stack([mirror * width * cosine, -height * sine, right], 1),
            torch.stack([mirror * width * sine, height * cosine, down], 1),
        ]
        return torch.stack(rows, 1)

    def _coloured(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Multiplies brightness, contrast and saturation by factors around 1."""
        low, high = 1 - self.spec.color, 1 + self.spec.color
        factors = low + (high - low) * torch.rand(3, len(images), 1, 1, 1, generator=generator, device=images.device)
        weights = torch.tensor(_GREY, device=images.device).view(1, 3, 1, 1)
        values = images.to(torch.float32) * factors[0]
        middle = (values * weights).sum(1, keepdim=True).mean((2, 3), keepdim=True)
        values = middle + (values - middle) * factors[1]
        grey = (values * weights).sum(1, keepdim=True)
        values = grey + (values - grey) * factors[2]
        return values.round_().clamp_(0, 255).to(torch.uint8)
