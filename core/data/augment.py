"""Random changes to training images, a whole batch at a time on its device.

Each image gets one affine map (random resized crop after Szegedy et al. 2015, arXiv:1409.4842; mirror; rotation),
carried out by a single resampling, and then one linear map of its colours. Without rotation the crop is a slice,
which on a CPU costs a fifth of the general resampling (0.1 against 0.6 ms an image at 224 px).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from core.data.operations.apply import count_of, operate
from core.data.operations.draws import Drawn, drawn, numbers
from core.data.operations.resampling import as_bytes, as_levels, by_image, flipped, resampled
from core.data.threads import each
from core.specs import AugmentSpec

_ASPECT = math.log(4 / 3)
_GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601 luma


@dataclass(frozen=True, slots=True)
class _Views:
    """What part of each canvas is seen, how it is turned and whether it is mirrored; tensors of shape B.

    ``width`` and ``height`` are shares of the canvas, ``right`` and ``down`` the centre's place from -1 to 1, ``turn``
    radians, ``mirrored`` bool.
    """

    width: Tensor
    height: Tensor
    right: Tensor
    down: Tensor
    turn: Tensor
    mirrored: Tensor


NUMBERS_PER_IMAGE = 9
"""Numbers that one image takes at most, without further operations."""


class Augmenter:
    """Changes batches at random.

    Args:
        spec: What is changed, and how much.
        size: Side of the images that come out, in pixels.
    """

    def __init__(self, spec: AugmentSpec, size: int) -> None:
        self.spec, self.size = spec, size

    @property
    def numbers(self) -> int:
        """Numbers that one image takes at most."""
        return NUMBERS_PER_IMAGE + count_of(self.spec)

    def __call__(self, batch: Tensor, rng: torch.Generator | Drawn) -> Tensor:
        """Returns a changed copy.

        Args:
            batch: Canvases, uint8 Bx3xRxR with R at least ``size``.
            rng: Random number generator, or what it gave in advance, on the batch's device.

        Returns:
            uint8 Bx3x``size``x``size``.
        """
        views = self._views(batch, rng)
        if self.spec.rotation:
            images = self._resampled(batch, views)
        elif self.spec.crop_scale == 1.0:
            images = flipped(self._centre(batch), views.mirrored, -1)
        elif batch.device.type == "cpu":
            images = self._sliced(batch, views)
        else:
            images = self._resampled(batch, views)
        if self.spec.color:
            images = self._coloured(images, rng)
        return operate(images, self.spec, rng) if self.spec.operations else images

    def _views(self, batch: Tensor, rng: torch.Generator | Drawn) -> _Views:
        """Draws a view for every image; a view keeps ``crop_scale`` to 1 of the area, its sides 3:4 to 4:3."""
        count, device, spec = len(batch), batch.device, self.spec

        def uniform(low: float, high: float) -> Tensor:
            return low + (high - low) * numbers(rng, 1, count, device)[0]

        if spec.crop_scale < 1.0:
            root = uniform(spec.crop_scale, 1.0).sqrt()
            stretch = torch.exp(uniform(-_ASPECT / 2, _ASPECT / 2))
            width, height = (root * stretch).clamp(max=1.0), (root / stretch).clamp(max=1.0)
            right, down = uniform(-1.0, 1.0) * (1 - width), uniform(-1.0, 1.0) * (1 - height)
        else:
            width = height = torch.full((count,), self.size / batch.shape[-1], device=device)
            right = down = torch.zeros(count, device=device)
        turn = torch.deg2rad(uniform(-spec.rotation, spec.rotation)) if spec.rotation else torch.zeros_like(width)
        mirrored = uniform(0.0, 1.0) < (0.5 if spec.flip else 0.0)
        return _Views(width, height, right, down, turn, mirrored)

    def _centre(self, batch: Tensor) -> Tensor:
        """Cuts out the centre as evaluation sees it: no pixel is interpolated."""
        start = round((batch.shape[-1] - self.size) / 2.0)
        return batch[..., start : start + self.size, start : start + self.size]

    def _sliced(self, batch: Tensor, views: _Views) -> Tensor:
        """Slices each view out, to whole pixels, resizes it, antialiased, and mirrors it."""
        side = batch.shape[-1]
        sides = torch.stack([views.width, views.height], 1).mul(side).round().clamp(1, side)
        middles = torch.stack([views.right, views.down], 1).add(1).mul(side / 2)
        starts = torch.minimum((middles - sides / 2).round().clamp(min=0), side - sides)

        def seen(place: tuple[int, list[int]]) -> Tensor:
            row, (left, top, width, height) = place
            view = batch[row : row + 1, :, top : top + height, left : left + width]
            return F.interpolate(view, size=(self.size, self.size), mode="bilinear", antialias=True)

        places = list(enumerate(torch.cat([starts, sides], 1).int().tolist()))
        return flipped(torch.cat(each(seen, places)), views.mirrored, -1)

    def _resampled(self, batch: Tensor, views: _Views) -> Tensor:
        """Samples each canvas through its affine map, bilinearly; beyond the edge the picture is reflected."""
        mirror = torch.where(views.mirrored, -1.0, 1.0)
        cosine, sine = views.turn.cos(), views.turn.sin()
        rows = [
            torch.stack([mirror * views.width * cosine, -views.height * sine, views.right], 1),
            torch.stack([mirror * views.width * sine, views.height * cosine, views.down], 1),
        ]
        return resampled(batch, torch.stack(rows, 1), self.size, "reflection")

    def _coloured(self, images: Tensor, rng: torch.Generator | Drawn) -> Tensor:
        """Multiplies brightness, contrast (about the mean grey) and saturation (about each pixel's grey)."""
        low, high = 1 - self.spec.color, 1 + self.spec.color
        drawn = low + (high - low) * numbers(rng, 3, len(images), images.device).reshape(3, -1, 1, 1)
        return by_image(_coloured, images, *drawn)


def _coloured(images: Tensor, brightness: Tensor, contrast: Tensor, saturation: Tensor) -> Tensor:
    """Does so by one 3x3 matrix and one offset an image; factors ``B x 1 x 1``."""
    grey = torch.stack([torch.full((), share, device=images.device) for share in _GREY]).view(1, 1, 3)
    pixels = as_levels(images, planes=True).flatten(2)
    mean = brightness * (grey @ pixels.mean(2, keepdim=True))
    same, mixed = torch.eye(3, device=images.device), grey.expand(1, 3, 3)
    matrix = brightness * contrast * (saturation * same + (1 - saturation) * mixed)
    offset = (1 - contrast) * mean
    if images.device.type != "cpu":
        return as_bytes(torch.baddbmm(offset, matrix, pixels)).view(images.shape)
    changed = matrix.numpy() @ pixels.numpy()
    changed += offset.numpy()
    return as_bytes(torch.from_numpy(changed)).view(images.shape)


def views(
    square: Image.Image, spec: AugmentSpec, size: int, *, seed: int, position: int, epochs: Iterable[int]
) -> list[Image.Image]:
    """Returns an image as a training sees it in some epochs, before it is normalised.

    Args:
        square: RGB; what the pixel store keeps of the image, its sides at least ``size``.
        spec: The changes.
        size: Side of the images that come out, in pixels.
        seed: Seed of the training.
        position: Place of the image in its data set.
        epochs: Epochs, from 0.
    """
    augmenter = Augmenter(spec, size)
    batch = torch.from_numpy(np.array(square)).permute(2, 0, 1)[None]
    place = np.array([position])
    seen = (augmenter(batch, drawn(seed, epoch, place, augmenter.numbers))[0] for epoch in epochs)
    return [Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy()) for pixels in seen]
