"""Scales of heatmaps that are compared: what a colour means in one of them, it means in all.

A heatmap's own scale ends at its own strongest place, so that a class of 1.6 % is drawn as brightly as one of 82.8 %.
On a common scale a map's figures are multiplied by the probability of its class, and the strongest of all maps ends
the colours. The factor is not arbitrary: the gradient of a probability p_c is p_c times that of the logits' lead over
the others, which for a class that is hardly there is nearly nothing.

Which common scale is sound depends on what is compared:

- *Classes of one picture, moments of one training*: the same method on the same layer of the same build and the same
  picture. Its figures have one unit, shares or slopes of a logit, and are compared as they are (:data:`FIGURES`).
- *Pictures, networks*: a network of another build has units of its own, and from picture to picture the class changes,
  while a softmax, which knows leads only, leaves open how strong each class's figures are. Each map is brought to its
  own scale first; only the probability sets how bright its strongest place is (:data:`PROBABILITY`).
- *Methods, layers*: neither unit nor meaning is common, and the class is the same. Each keeps its own (:data:`OWN`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from core.interpret.drawing.overlay import Drawable

Scale = Literal["figures", "probability", "own"]
FIGURES: Scale = "figures"
PROBABILITY: Scale = "probability"
OWN: Scale = "own"
PEAK = 0.98
"""Share of the pixels whose colours stay within the scale, in maps of single pixels: a handful of them is far above."""


class Scalable(Drawable, Protocol):
    """What a scale needs of a heatmap."""

    @property
    def figures(self) -> NDArray[np.float32]:
        """The method's own figures, HxW."""
        ...


def levels(
    heatmaps: Sequence[Scalable], probabilities: Sequence[float], scale: Scale = FIGURES
) -> list[NDArray[np.float32]]:
    """Brings heatmaps to the scale on which they are drawn.

    Args:
        heatmaps: The heatmaps, of any sizes.
        probabilities: How probable the network holds each one's class to be, 0 to 1.
        scale: What they share.

    Returns:
        For each heatmap HxW of it, 0 to 1, or -1 to 1 where it is signed. The strongest of all reaches 1, if any is
        not empty; each does so on its own scale.
    """
    if scale == OWN:
        return [_within(one.values, _strongest(one.values, one)) for one in heatmaps]
    found = [one.figures if scale == FIGURES else one.values for one in heatmaps]
    found = [values * np.float32(share) for values, share in zip(found, probabilities, strict=True)]
    top = max((_strongest(values, one) for values, one in zip(found, heatmaps, strict=True)), default=0.0)
    return [_within(values, top) for values in found]


def _strongest(values: NDArray[np.float32], heatmap: Scalable) -> float:
    """Returns the figure at which a map's colours may end."""
    size = np.abs(values)
    return float(np.quantile(size, PEAK) or size.max()) if heatmap.per_pixel else float(size.max())


def _within(values: NDArray[np.float32], top: float) -> NDArray[np.float32]:
    return np.clip(values / np.float32(top), -1.0, 1.0) if top > 0 else np.zeros_like(values)
