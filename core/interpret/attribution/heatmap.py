"""A heatmap: a method's own figures brought to the picture's size and to a scale."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from core.errors import InputError
from core.interpret.attribution.method import Method
from core.interpret.target import ScoreTarget

_FLAT = 1e-6  # a map whose values differ by less, relative to their size, is one value


@dataclass(frozen=True, slots=True, eq=False)
class Heatmap:
    """How much evidence for a class each pixel holds.

    Attributes:
        values: HxW of the input, float32: 0..1 from the weakest to the strongest place, or -1..1 around a true zero
            for a signed method (below zero: evidence against the class).
        method: The method's id.
        layer: The layer looked at; ``None`` for methods that look at the input.
        target: Index of the class explained.
        seconds: Time it took; a shared pass counts in each map that shares it.
        signed: Whether values are -1..1.
        empty: Whether there is no evidence for the class at all; ``values`` are zeros then.
        low: The method's own figure behind the smallest value.
        high: The method's own figure behind the largest value.
        per_pixel: Whether neighbouring pixels differ freely, so that drawing should stretch the values.
        against: Index of the class that the explained one was held against, if one was.
        gap: How far the sum of a method's shares is from the score's rise above that of a plain mean-coloured picture,
            relative to it; ``None`` for methods whose values are no such shares, and where the score does not rise.
        steps: How many points the method took where it chose that itself; ``None`` for the others.
    """

    values: NDArray[np.float32]
    method: str
    layer: str | None
    target: int
    seconds: float
    signed: bool
    empty: bool
    low: float
    high: float
    per_pixel: bool = False
    against: int | None = None
    gap: float | None = None
    steps: int | None = None

    @property
    def figures(self) -> NDArray[np.float32]:
        """The method's own figures at the input's size, HxW: ``values`` before they were brought to a scale."""
        if self.signed:
            return self.values * np.float32(max(abs(self.low), abs(self.high)))
        return np.float32(self.low) + self.values * np.float32(self.high - self.low)


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """A heatmap beside the network's answer to the picture.

    Attributes:
        heatmap: The heatmap.
        probabilities: Softmax of the logits, N values, float32.
        predicted: Index of the most probable class.
    """

    heatmap: Heatmap
    probabilities: NDArray[np.float32]
    predicted: int


def explanation_of(
    row: Method,
    raw: Tensor,
    x: Tensor,
    aim: ScoreTarget,
    layer: str | None,
    logits: Tensor,
    since: float,
    *,
    rise: float | None = None,
    steps: int | None = None,
) -> Explanation:
    """Makes an explanation of a method's own figures.

    Args:
        row: The method.
        raw: HxW in any resolution, the method's figures.
        x: The image, 1xCxHxW.
        aim: What was explained.
        layer: The layer looked at, if one was.
        logits: The class scores, 1xN, on the CPU.
        since: ``time.perf_counter()`` at the beginning.
        rise: What the figures should add up to.
        steps: How many points the method took where it chose that itself.

    Raises:
        InputError: The figures are no numbers.
    """
    if not bool(torch.isfinite(raw).all()):
        raise InputError(
            "{method} came to values that are no numbers for this picture. Choose another method, layer or weights.",
            method=row.title,
        )
    heatmap = _heatmap(raw, (x.shape[2], x.shape[3]), row, aim, layer)
    probabilities = logits[0].float().softmax(0).numpy()
    gap = abs(float(raw.sum()) / rise - 1) if rise else None
    heatmap = replace(heatmap, gap=gap, steps=steps, seconds=time.perf_counter() - since)
    return Explanation(heatmap, probabilities, int(probabilities.argmax()))


def _heatmap(raw: Tensor, size: tuple[int, int], row: Method, aim: ScoreTarget, layer: str | None) -> Heatmap:
    """Brings a method's own figures to the input's size and to 0..1 or -1..1."""
    if raw.shape != size:
        raw = F.interpolate(raw[None, None], size, mode="bilinear", align_corners=False)[0, 0]
    low, high = (float(value) for value in raw.aminmax())
    strongest = max(abs(low), abs(high))
    empty = strongest == 0.0
    if empty:
        values = torch.zeros_like(raw)
    elif row.signed:
        values = raw / strongest
    elif high - low <= _FLAT * strongest:
        values = torch.ones_like(raw)
    else:
        values = (raw - low) / (high - low)
    return Heatmap(
        values.float().numpy(), row.id, layer, aim.target, 0.0, row.signed, empty, low, high, row.per_pixel, aim.against
    )
