"""Sensitivity: does a heatmap stay where it is when the picture changes by less than an eye can see?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.errors import InputError

if TYPE_CHECKING:
    from core.specs import Preprocessing

Explainer = Callable[[Tensor], NDArray[np.floating]]
RADIUS = 0.02
"""How far a pixel may change, on the scale of 0 to 1: five of 255 levels."""


def sensitivity(
    explainer: Explainer,
    x: Tensor,
    heat: NDArray[np.floating],
    prep: Preprocessing,
    *,
    radius: float = RADIUS,
    draws: int = 4,
    seed: int = 0,
) -> float:
    """Explains slightly changed pictures and takes the largest change of the map (Yeh et al. 2019, arXiv:1901.09392).

    Args:
        explainer: Makes the map, HxW, of a picture 1xCxHxW, always for the same class.
        x: One normalised image, 1xCxHxW.
        heat: Its map, HxW.
        prep: Tells how far a change of the pixels changes ``x``.
        radius: Largest change of a pixel, on the scale of 0 to 1.
        draws: Changed pictures.
        seed: Seed of the changes.

    Returns:
        The largest distance of a changed picture's map from ``heat``, relative to the length of ``heat``: 0 for a map
        that never moves; ``nan`` for an empty map.
    """
    from captum.metrics import sensitivity_max

    if draws < 1 or not radius > 0:
        raise InputError("Sensitivity needs at least one changed picture, and a change above 0.")
    if not np.any(heat):
        return float("nan")
    chance = torch.Generator().manual_seed(seed)
    scale = torch.tensor([radius / value for value in prep.std])
    scale = scale.view(1, -1, 1, 1) if x.shape[1] == len(prep.std) else scale.mean().view(1, 1, 1, 1)

    def changed(image: Tensor) -> Tensor:
        return image + ((2 * torch.rand(x.shape, generator=chance) - 1) * scale).to(x)

    def explained(image: Tensor | tuple[Tensor, ...]) -> tuple[Tensor]:  # of a tensor captum would take the first row
        found = heat if isinstance(image, tuple) else explainer(image)  # it begins with a tuple: the image as it is
        return (torch.from_numpy(np.asarray(found, np.float64))[None],)

    return float(sensitivity_max(explained, x, changed, n_perturb_samples=draws, max_examples_per_batch=1))


def distance_by_chance(maps: Sequence[NDArray[np.floating]]) -> float:
    """Returns how far unrelated maps lie apart on average, as :func:`sensitivity` measures it; ``nan`` for one.

    Args:
        maps: Random maps of the same values, see :func:`core.interpret.explanation_metrics.baselines.random_maps`.
    """
    found = [
        float(np.linalg.norm(np.asarray(first, np.float64) - second) / max(float(np.linalg.norm(first)), 1e-12))
        for number, first in enumerate(maps)
        for second in maps[number + 1 :]
    ]
    return float(np.mean(found)) if found else float("nan")
