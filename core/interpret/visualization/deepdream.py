"""DeepDream: a picture is changed so that a whole layer answers more strongly to what it sees in it already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from core.errors import InputError
from core.interpret.visualization.fourier_image import from_bytes, to_bytes
from core.interpret.visualization.gradient_ascent import Climber, Spot, opened, spot_of
from core.messages import Progress
from core.specs import checks

if TYPE_CHECKING:
    from core.models.network import Network

LONGEST_SIDE = 320
"""Longest side of the picture, in pixels, by default."""
LARGEST = 1024
MAX_ASPECT_RATIO = 4
"""How many times as long as its short side a picture may be; of a longer one the middle is used."""
RATE = 0.01
"""How far a pixel goes in a step, on average, in shares of full brightness."""


@dataclass(frozen=True, slots=True)
class Depth:
    """How strongly a picture is changed.

    Attributes:
        octaves: Sizes that the picture is changed at, from small to full: large patterns grow in the small ones.
        zoom: Size of one over the size before it.
        steps: Steps at each size.
        strength: How far each step goes; 1 is usual.
        side: Longest side of the picture, in pixels.
        seed: Of the shifts between the steps.
    """

    octaves: int = 4
    zoom: float = 1.4
    steps: int = 10
    strength: float = 1.0
    side: int = LONGEST_SIDE
    seed: int = 0

    def __post_init__(self) -> None:
        checks.whole("octaves", self.octaves, low=1, high=8)
        checks.number("zoom", self.zoom, low=1.1, high=2.0)
        checks.whole("steps", self.steps, low=1, high=200)
        checks.number("strength", self.strength, low=0.05, high=10)
        checks.whole("side", self.side, low=32, high=LARGEST)
        checks.whole("seed", self.seed, low=0, high=2**31 - 1)


@dataclass(frozen=True, slots=True, eq=False)
class DeepDream:
    """A picture changed by DeepDream.

    Attributes:
        image: HxWx3, uint8.
        original: The picture before, at the same size.
        layer: The layer's name.
        before: Mean square of the layer's values (of the chosen channels) for the picture before.
        after: The same for the picture.
    """

    image: NDArray[np.uint8]
    original: NDArray[np.uint8]
    layer: str
    before: float
    after: float


def deep_dream(
    network: Network,
    image: Image.Image,
    layer: str,
    *,
    channels: Sequence[int] | None = None,
    depth: Depth | None = None,
    precision: str = "auto",
    progress: Progress | None = None,
) -> DeepDream:
    """Changes a picture so that a layer answers more strongly (Mordvintsev, Olah and Tyka 2015, "Inceptionism").

    Gradient ascent on the mean square of the layer's values, on the pixels, at several sizes one after the other; what
    was changed at one size is enlarged and carried over to the next. The network is not locked while it works.

    Args:
        network: The network.
        image: Any picture; of a panorama its middle. A network that takes only one size sees its middle square.
        layer: A layer that gives maps, or a row of values.
        channels: Only these channels count; ``None`` for all of them.
        depth: Sizes, steps and strength.
        precision: ``fp32``, ``bf16``, or ``auto`` for what this machine has instructions for.
        progress: Called with steps done and in all; what it raises ends the work with nothing left behind.

    Raises:
        InputError: The layer or a channel does not exist, the picture is too small for it, or the network's
            activations are no numbers.
    """
    depth = depth or Depth()
    picture = _picture(image, network, depth.side)
    spot = spot_of(network, layer, size=max(picture.shape[:2]))
    if spot.side is not None:
        picture = _square(picture)
    index = _index(channels, spot)
    with opened(network, spot, precision) as climber:
        start = from_bytes(picture[None], gray=climber.gray, device=climber.device)
        before = float(_activation(climber, start, index))
        if not np.isfinite(before):
            raise InputError(
                "The activations at {layer} are not numbers (nan or infinite), so nothing can be grown from them. "
                "The weights are damaged, or the training went astray.",
                layer=layer,
            )
        found = _ascend(climber, start, index, depth, progress)
        bytes_ = to_bytes(found)
        after = float(_activation(climber, from_bytes(bytes_, gray=climber.gray, device=climber.device), index))
    return DeepDream(bytes_[0], to_bytes(start)[0], layer, before, after)


def _ascend(climber: Climber, start: Tensor, index: Tensor | None, depth: Depth, progress: Progress | None) -> Tensor:
    generator = torch.Generator().manual_seed(depth.seed)
    sizes = _sizes(climber, start, depth)
    detail = torch.zeros_like(start)
    for number, size in enumerate(sizes):
        base = _resized(start, size)
        picture = (base + _resized(detail, size)).clamp(0, 1)
        for step in range(depth.steps):
            most = max(1, min(size) // 16)
            shift = torch.randint(-most, most + 1, (2,), generator=generator).tolist()
            shown = picture.roll(shift, (2, 3)).requires_grad_()
            (gradient,) = torch.autograd.grad(_square_mean(climber.output(shown), climber.spot, index), shown)
            gradient = gradient.nan_to_num(0.0, 0.0, 0.0).roll([-s for s in shift], (2, 3))
            gradient = gradient / gradient.abs().mean().clamp(min=torch.finfo(gradient.dtype).tiny)
            picture = (picture.detach() + RATE * depth.strength * gradient).clamp(0, 1)
            if progress is not None:
                progress(number * depth.steps + step + 1, len(sizes) * depth.steps)
        detail = picture - base
    return picture


def _square_mean(output: Tensor, spot: Spot, index: Tensor | None) -> Tensor:
    maps = spot.maps(output)
    return (maps if index is None else maps[:, index]).square().mean()


def _activation(climber: Climber, picture: Tensor, index: Tensor | None) -> Tensor:
    with torch.no_grad():
        return _square_mean(climber.output(picture, exact=True), climber.spot, index)


def _sizes(climber: Climber, start: Tensor, depth: Depth) -> list[tuple[int, int]]:
    """Returns the sizes from small to full; those at which the layer does not answer any more are left out."""
    height, width = start.shape[2:]
    found = []
    for octave in range(depth.octaves):
        share = depth.zoom**-octave
        size = (max(1, round(height * share)), max(1, round(width * share)))
        if octave:
            try:
                activation = _activation(climber, _resized(start, size), None)
            except (RuntimeError, AssertionError, ValueError, IndexError, ZeroDivisionError):
                break
            if not bool(activation.isfinite()):
                break
        found.append(size)
    return found[::-1]


def _resized(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    if pixels.shape[-2:] == size:
        return pixels
    return F.interpolate(pixels, size, mode="bilinear", align_corners=False, antialias=True)


def _picture(image: Image.Image, network: Network, side: int) -> NDArray[np.uint8]:
    """Returns a picture at its working size, and gray where the network sees no colours."""
    reach = MAX_ASPECT_RATIO * min(image.size)
    left, top = (max(0, length - reach) // 2 for length in image.size)
    image = image.crop((left, top, image.width - left, image.height - top))
    share = side / max(image.size)
    size = (max(1, round(image.width * share)), max(1, round(image.height * share)))
    shrunk = image.convert("RGB").resize(size, Image.Resampling.BICUBIC)
    if network.preprocessing.channels == 1:
        shrunk = shrunk.convert("L").convert("RGB")
    return np.array(shrunk)


def _square(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return np.ascontiguousarray(picture[top : top + side, left : left + side])


def _index(channels: Sequence[int] | None, spot: Spot) -> Tensor | None:
    if channels is None:
        return None
    for channel in channels:
        if not 0 <= channel < spot.channels:
            raise InputError(
                "There is no channel {channel} in the layer {layer}. Choose from 0 to {last}.",
                channel=channel,
                layer=spot.layer.name,
                last=spot.channels - 1,
            )
    return torch.tensor(list(channels))


__all__ = ["LARGEST", "LONGEST_SIDE", "DeepDream", "Depth", "deep_dream"]
