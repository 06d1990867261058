"""Pooling against a stride: what each keeps of a map, what it costs, and how steady it is under a shift."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from core.errors import InputError

WAYS = ("max", "mean", "stride")
"""The largest of a window, its mean, or a convolution that skips: 3 x 3, padding 1, as many channels as before."""


@dataclass(frozen=True, slots=True)
class Pooled:
    """A map made smaller.

    Attributes:
        way: ``max`` or ``mean``.
        output: What is left, CxHxW float64.
        share: Gradient of the sum of the output with respect to the input, CxHxW.
    """

    way: str
    output: Tensor
    share: Tensor


def pool(maps: Tensor, way: str, side: int, *, across: bool = False) -> Pooled:
    """Pools maps with a window that does not overlap.

    Args:
        maps: CxHxW.
        way: ``max`` or ``mean``.
        side: Side of the window; 0 for the whole map (global pooling).
        across: Whether the channels are pooled together, too: C x side x side cells become one.

    Raises:
        InputError: There is no such way, or the window does not fit into the map.
    """
    if way not in ("max", "mean"):
        raise InputError("There is no pooling {name}. Choose max or mean.", name=way)
    if side < 0 or side > min(maps.shape[1:]):
        raise InputError(
            "A window of {side} does not fit into a map of {height} x {width}. Take a smaller one.",
            side=side,
            height=maps.shape[1],
            width=maps.shape[2],
        )
    given = maps.double().clone().requires_grad_()
    window = (side, side) if side else tuple(maps.shape[1:])
    box = (len(maps) if across else 1, *window)
    function = F.max_pool3d if way == "max" else F.avg_pool3d
    output = function(given[None, None], box)[0, 0]
    (share,) = torch.autograd.grad(output.sum(), given)
    return Pooled(way, output.detach(), share)


@dataclass(frozen=True, slots=True)
class Measured:
    """What a way of halving a map costs, and how steady it is.

    Attributes:
        way: One of :data:`WAYS`.
        milliseconds: Median time of a pass, forward alone.
        parameters: Number of weights.
        macs: Multiply-adds, or comparisons and additions of a pool.
        change: How much the answer changes when the picture moves by one pixel: the length of the difference over that
            of the answer.
    """

    way: str
    milliseconds: float
    parameters: int
    macs: int
    change: float


def measure(pixels: Tensor, *, channels: int = 16, shift: int = 1, repeats: int = 7) -> list[Measured]:
    """Halves the same maps in each way, and measures.

    The maps are ``channels`` random 3 x 3 filters' answers on the picture, behind a ReLU.

    Args:
        pixels: A picture, 3xHxW, 0 to 1, of even sides of at least 8.
        channels: Number of maps.
        shift: Pixels by which the picture is moved to the right.
        repeats: Passes of which the median is taken.

    Raises:
        InputError: The picture is too small, or the shift is not below its width.
    """
    height, width = pixels.shape[1:]
    if min(height, width) < 8 or not 0 <= shift < width // 2:
        raise InputError(
            "A picture of {height} x {width} cannot be moved by {shift}. Give one of at least 8 x 8, and a shift below "
            "half of its width.",
            height=height,
            width=width,
            shift=shift,
        )
    generator = torch.Generator().manual_seed(0)
    filters = torch.randn(channels, 3, 3, 3, generator=generator) / 3
    weight = torch.randn(channels, channels, 3, 3, generator=generator) * (2 / (9 * channels)) ** 0.5
    ways: dict[str, Callable[[Tensor], Tensor]] = {
        "max": lambda maps: F.max_pool2d(maps, 2),
        "mean": lambda maps: F.avg_pool2d(maps, 2),
        "stride": lambda maps: F.conv2d(maps, weight, stride=2, padding=1),
    }
    moved = torch.roll(pixels, shift, 2)
    here, there = (F.relu(F.conv2d(picture[None].float(), filters)) for picture in (pixels, moved))
    here, there = here[..., shift + 2 :], there[..., shift + 2 :]  # without the columns that came round
    found = []
    with torch.no_grad():
        for way, act in ways.items():
            answer, other = act(here), act(there)
            cells = answer.numel()
            found.append(
                Measured(
                    way,
                    _median(act, here, repeats),
                    weight.numel() if way == "stride" else 0,
                    cells * (9 * channels if way == "stride" else 4),
                    float((answer - other).norm() / answer.norm().clamp_min(1e-12)),
                )
            )
    return found


def _median(act: Callable[[Tensor], Tensor], maps: Tensor, repeats: int) -> float:
    times = []
    act(maps)  # the first pass sets things up
    for _repeat in range(repeats):
        begun = time.perf_counter()
        act(maps)
        times.append(time.perf_counter() - begun)
    return 1000 * sorted(times)[len(times) // 2]
