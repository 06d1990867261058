"""Kernels with a name, and pictures with a kernel whose answer is known: the notes' own among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from core.lessons.convolution import Sliding
from core.messages import N_

KERNELS: dict[str, tuple[str, str]] = {
    "copy": (N_("Copy"), "0,0,0;0,1,0;0,0,0"),
    "vertical": (N_("Edges, upright"), "-1,0,1;-2,0,2;-1,0,1"),
    "horizontal": (N_("Edges, level"), "-1,-2,-1;0,0,0;1,2,1"),
    "outline": (N_("Lines and outlines"), "1,1,1;1,-8,1;1,1,1"),
    "step": (N_("Bright above dark"), "1,1,1;-1,-1,-1;0,0,0"),
    "blur": (N_("Blur, the mean of nine"), ";".join([",".join(["0.1111111111111111"] * 3)] * 3)),
    "gauss": (N_("Blur, Gaussian"), "0.0625,0.125,0.0625;0.125,0.25,0.125;0.0625,0.125,0.0625"),
    "sharpen": (N_("Sharpen"), "0,-1,0;-1,5,-1;0,-1,0"),
    "emboss": (N_("Emboss"), "-2,-1,0;-1,1,1;0,1,2"),
    "shift": (N_("Shift to the left"), "0,0,0;0,0,1;0,0,0"),
}
"""Kernels of 3 x 3 by their name in a link: what each does, and its numbers."""


@dataclass(frozen=True, slots=True)
class Preset:
    """A picture under kernels.

    Attributes:
        title: What it shows.
        picture: The picture, as a link carries it.
        kernels: The kernels, likewise.
        sliding: How the window slides.
    """

    title: str
    picture: str
    kernels: str
    sliding: Sliding = field(default_factory=Sliding)


_LINE = ";".join(["0,0,10,0,0"] * 5)
_H = "0,1,0,0,1;0,1,0,0,1;0,1,1,1,1;0,1,0,0,1;0,1,0,0,1"
_X, _F = "2,3,4;3,1,5;4,-1,-2", "0,3;1,-2"
_POOLED = "100,0,0,0;500,10,100,0;0,100,250,0;0,0,0,250"
_RAMP = ";".join(",".join(str(column + row) for column in range(7)) for row in range(7))
_COLOURS = "9,9,0,0;9,9,0,0;9,9,0,0;9,9,0,0|0,0,9,9;0,0,9,9;0,0,9,9;0,0,9,9|0,0,0,0;0,0,0,0;9,9,9,9;9,9,9,9"
_UPRIGHT, _LEVEL, _OUTLINE = (KERNELS[name][1] for name in ("vertical", "horizontal", "outline"))

PRESETS: dict[str, Preset] = {
    "line": Preset(N_("One bright line (the notes)"), _LINE, _OUTLINE, Sliding(padding=1)),
    "letter": Preset(N_("The letter H (the notes)"), _H, KERNELS["step"][1], Sliding(padding=1)),
    "small": Preset(N_("Three by three, by hand (the notes)"), _X, _F),
    "flipped": Preset(N_("The same, kernel flipped"), _X, _F, Sliding(flipped=True)),
    "mean": Preset(N_("Mean pooling as a kernel (the notes)"), _POOLED, "0.25,0.25;0.25,0.25", Sliding(stride=2)),
    "colours": Preset(N_("Three channels, one kernel"), _COLOURS, "|".join([_UPRIGHT] * 3), Sliding(padding=1)),
    "several": Preset(N_("One picture, three kernels"), _H, f"{_UPRIGHT}/{_LEVEL}/{_OUTLINE}", Sliding(padding=1)),
    "pointwise": Preset(N_("1 × 1: colours mixed to grey"), _COLOURS, "0.299|0.587|0.114"),
    "depthwise": Preset(
        N_("Depthwise: a kernel a channel"), _COLOURS, f"{_UPRIGHT}/{_LEVEL}/{_OUTLINE}", Sliding(padding=1, groups=3)
    ),
    "dilated": Preset(N_("Dilated: taps two cells apart"), _RAMP, _UPRIGHT, Sliding(dilation=2)),
}
"""By name in a link, in the order in which they are offered."""


def stack(names: Sequence[str], channels: int) -> Tensor:
    """Returns kernels of :data:`KERNELS`, Kx``channels``x3x3, the same slice for every channel."""
    grids = [
        torch.tensor([[float(v) for v in row.split(",")] for row in KERNELS[name][1].split(";")], dtype=torch.float64)
        for name in names
    ]
    return torch.stack(grids)[:, None].repeat(1, channels, 1, 1)


def names_of(kernels: Tensor) -> list[str]:
    """Returns which of :data:`KERNELS` kernels are, KxCxhxw; empty where one of them is another."""
    known = {tuple(stack([name], 1).flatten().tolist()): name for name in KERNELS}
    found = []
    for kernel in kernels:
        slices = {tuple(channel.flatten().tolist()) for channel in kernel}
        name = known.get(next(iter(slices))) if len(slices) == 1 and kernel.shape[1:] == (3, 3) else None
        if name is None:
            return []
        found.append(name)
    return found
