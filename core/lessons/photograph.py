"""Kernels of numbers on a photograph: what each answers, and how that is drawn."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from core.interpret.drawing.colormaps import lookup
from core.lessons.convolution import Sliding, convolve

WAYS = ("grey", "colours", "summed")
_GREY = (0.299, 0.587, 0.114)  # as Pillow makes grey of colours


@dataclass(frozen=True, slots=True)
class Answer:
    """What a kernel answers on a photograph.

    Attributes:
        values: CxHxW: three channels where each colour was answered by itself, else one.
        image: The answer drawn: as a picture where the kernel keeps brightness (its weights add up to 1), else blue
            below zero and red above, zero in the middle; the strongest hundredth has the outermost colours.
        signed: Whether it is drawn around zero.
    """

    values: Tensor
    image: Image.Image
    signed: bool


def answers(pixels: Tensor, kernels: Tensor, sliding: Sliding, way: str = "grey") -> list[Answer]:
    """Lays each kernel on a photograph.

    A kernel of three slices has one for each colour; of any other number the mean of its slices lies on every colour.

    Args:
        pixels: The photograph, 3xHxW, 0 to 1.
        kernels: KxCxhxw.
        sliding: How the window slides; groups do not matter here, and there is no margin.
        way: ``grey``: on the photograph in grey; ``colours``: on each colour by itself; ``summed``: on each colour,
            and the three answers added, as a layer does.

    Raises:
        InputError: The window does not fit into the photograph.
    """
    found = []
    for kernel in kernels.double():
        slices = kernel if len(kernel) == 3 else kernel.mean(0, keepdim=True).repeat(3, 1, 1)
        if way == "grey":
            grey = (pixels.double() * torch.tensor(_GREY, dtype=torch.float64)[:, None, None]).sum(0, keepdim=True)
            values = convolve(grey, slices.mean(0)[None, None], replace(sliding, groups=1, padding=0)).output
            weight = float(slices.mean(0).sum())
        else:
            values = convolve(pixels, slices[:, None], replace(sliding, groups=3, padding=0)).output
            weight = float(slices.sum()) / 3
            if way == "summed":
                values, weight = values.sum(0, keepdim=True), weight * 3
        signed = abs(weight - 1) > 1e-6
        found.append(Answer(values, _drawn(values, signed=signed), signed))
    return found


def _drawn(values: Tensor, *, signed: bool) -> Image.Image:
    array = values.numpy()
    if signed:
        plane = array.mean(0)
        most = float(np.quantile(np.abs(plane), 0.99)) or float(np.abs(plane).max()) or 1.0
        index = np.rint((plane / most).clip(-1, 1) * 127.5 + 127.5).astype(np.uint8)
        return Image.fromarray(lookup("blue-red")[index])
    pixels = np.rint(array.clip(0, 1) * 255).astype(np.uint8)
    return Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))
