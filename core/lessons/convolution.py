"""A convolution on numbers: the padded picture, the window at each place, every product of its sum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from core.errors import InputError
from core.messages import N_

Mode = Literal["zeros", "reflect", "replicate", "circular"]
MODES: dict[str, str] = {
    "zeros": N_("Zeros"),
    "reflect": N_("Mirrored"),
    "replicate": N_("Edge repeated"),
    "circular": N_("From the other side"),
}
"""What stands in the margin, by torch's name of it."""


@dataclass(frozen=True, slots=True)
class Sliding:
    """How the window slides.

    Attributes:
        stride: Cells from one place to the next.
        padding: Cells added on each side.
        dilation: Cells from one tap of the window to the next.
        groups: Into how many groups channels and kernels are parted; each kernel sees the channels of its group alone.
        mode: What the added cells hold, one of :data:`MODES`.
        flipped: Whether the kernel is turned by 180 degrees first: mathematics' convolution, where torch's
            ``conv2d`` is what mathematics calls a correlation.
    """

    stride: int = 1
    padding: int = 0
    dilation: int = 1
    groups: int = 1
    mode: Mode = "zeros"
    flipped: bool = False


@dataclass(frozen=True, slots=True)
class Term:
    """One product of a sum.

    Attributes:
        channel: Channel of the picture.
        row: Row in the padded picture.
        column: Column in it.
        pixel: What stands there.
        weight: The kernel's weight over it.
        product: Pixel times weight.
    """

    channel: int
    row: int
    column: int
    pixel: float
    weight: float
    product: float


@dataclass(frozen=True, slots=True)
class Convolved:
    """A picture under kernels.

    Attributes:
        sliding: How the window slid.
        padded: The picture with its margin, CxHxW float64.
        kernels: The kernels as they were laid on, flipped where that was asked for, KxC/groupsxhxw.
        output: What torch answers, KxHxW float64.
    """

    sliding: Sliding
    padded: Tensor
    kernels: Tensor
    output: Tensor

    def channels_of(self, kernel: int) -> range:
        """Returns the channels of the picture that a kernel sees."""
        each, per_group = self.kernels.shape[1], len(self.kernels) // self.sliding.groups
        first = kernel // per_group * each
        return range(first, first + each)

    def terms(self, kernel: int, row: int, column: int) -> list[Term]:
        """Returns every product of one value of the output, channel by channel, row by row."""
        stride, dilation = self.sliding.stride, self.sliding.dilation
        found = []
        for place, channel in enumerate(self.channels_of(kernel)):
            for i, weights in enumerate(self.kernels[kernel, place].tolist()):
                for j, weight in enumerate(weights):
                    at = (row * stride + i * dilation, column * stride + j * dilation)
                    pixel = float(self.padded[channel, at[0], at[1]])
                    found.append(Term(channel, *at, pixel, weight, pixel * weight))
        return found


def convolve(picture: Tensor, kernels: Tensor, sliding: Sliding | None = None) -> Convolved:
    """Lays kernels on a picture, as ``torch.nn.functional.conv2d`` does.

    Args:
        picture: CxHxW.
        kernels: KxC/groupsxhxw.
        sliding: How the window slides; by default one cell at a time, without a margin.

    Raises:
        InputError: Picture and kernels do not fit to each other, or the window does not fit into the picture.
    """
    sliding = sliding or Sliding()
    picture, kernels = picture.double(), kernels.double()
    _check(picture, kernels, sliding)
    padded = pad(picture, sliding.padding, sliding.mode)
    if sliding.flipped:
        kernels = kernels.flip(-2, -1)
    reach = [sliding.dilation * (side - 1) + 1 for side in kernels.shape[2:]]
    if reach[0] > padded.shape[1] or reach[1] > padded.shape[2]:
        raise InputError(
            "The window spans {reach} cells and the picture with its margin has {has}: it fits nowhere. Add padding, "
            "or take a smaller kernel or dilation.",
            reach=f"{reach[0]} x {reach[1]}",
            has=f"{padded.shape[1]} x {padded.shape[2]}",
        )
    output = F.conv2d(padded[None], kernels, stride=sliding.stride, dilation=sliding.dilation, groups=sliding.groups)[0]
    return Convolved(sliding, padded, kernels, output)


def pad(picture: Tensor, padding: int, mode: Mode = "zeros") -> Tensor:
    """Returns a picture, CxHxW, with a margin on each side.

    Raises:
        InputError: The picture is too small for such a margin to be taken from it.
    """
    if not padding:
        return picture
    most = {"reflect": min(picture.shape[1:]) - 1, "circular": min(picture.shape[1:])}.get(mode, padding)
    if padding > most:
        raise InputError(
            "A margin of {padding} cannot be taken from a picture of {height} x {width}: this kind of padding gives at "
            "most {most}. Take less padding, or zeros.",
            padding=padding,
            height=picture.shape[1],
            width=picture.shape[2],
            most=most,
        )
    return F.pad(picture[None], (padding,) * 4, mode="constant" if mode == "zeros" else mode)[0]


def _check(picture: Tensor, kernels: Tensor, sliding: Sliding) -> None:
    for name, value, least in (
        ("stride", sliding.stride, 1),
        ("dilation", sliding.dilation, 1),
        ("groups", sliding.groups, 1),
        ("padding", sliding.padding, 0),
    ):
        if value < least:
            raise InputError(
                "The {name} is {value}; it is a whole number of at least {least}.", name=name, value=value, least=least
            )
    if not bool(torch.isfinite(picture).all() and torch.isfinite(kernels).all()):
        raise InputError("A value is no finite number. Give every cell one.")
    channels, count, groups = len(picture), len(kernels), sliding.groups
    if channels % groups or count % groups:
        raise InputError(
            "{channels} channels and {kernels} kernels cannot be parted into {groups} groups of equal size.",
            channels=channels,
            kernels=count,
            groups=groups,
        )
    if kernels.shape[1] != channels // groups:
        raise InputError(
            "Each kernel has {has} slices, and it lies on {wanted} channels: give it one slice a channel of its group.",
            has=kernels.shape[1],
            wanted=channels // groups,
        )
