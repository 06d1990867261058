"""Heatmaps from hiding parts of a picture, carried out by captum: occlusion, feature ablation, LIME and KernelSHAP.

Zero, the mean colour after normalisation, stands for what is hidden. captum works on a stencil, 1 where the picture
shows, so that it need not know the colours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.interpret.attribution.method import AttributionRequest, Attributor
from core.interpret.attribution.superpixels import superpixels
from core.interpret.probe import device_of

if TYPE_CHECKING:
    from sklearn.linear_model import LinearRegression, Ridge
    from torch.utils.data import DataLoader

_WINDOWS = 7  # squares a side, where no window is given
_LIME_WIDTH = 0.25  # of LIME's kernel over cosine distances, as in its authors' code for images
_ENUMERATED = 11  # up to so many parts all coalitions are cheaper than a sample
_SURE = 1e6  # weight of what no part and all of them are worth, as captum has it


def occlusion(request: AttributionRequest) -> Tensor:
    """Covers square after square with the mean colour and notes how far the score falls (Zeiler & Fergus 2013).

    Args:
        request: Its settings are ``window``, the side of the square, and ``stride``, from one to the next and no more
            than the window, both in pixels; 0 for a seventh of the picture, and for the window's side.

    Returns:
        HxW, positive where covering costs evidence, float64 on the CPU.
    """
    from captum.attr import Occlusion

    sides = request.x.shape[2:]
    window = [min(request.settings["window"] or math.ceil(side / _WINDOWS), side) for side in sides]
    stride = [min(request.settings["stride"] or wide, wide) for wide in window]
    places = [1 + math.ceil((side - w) / d) for side, w, d in zip(sides, window, stride, strict=True)]
    given = {"sliding_window_shapes": (1, *window), "strides": (1, *stride)}
    return _attributed(Occlusion, request, 1 + math.prod(places), **given)[0, 0]


def feature_ablation(request: AttributionRequest) -> Tensor:
    """Hides one superpixel after another and notes how far the score falls.

    Args:
        request: ``regions`` of its settings is about how many superpixels there are.

    Returns:
        HxW, positive where hiding costs evidence, float64 on the CPU.
    """
    from captum.attr import FeatureAblation

    parts = superpixels(request.x, request.settings["regions"])
    return _attributed(FeatureAblation, request, int(parts.max()) + 2, feature_mask=_mask(request, parts))[0, 0]


def lime(request: AttributionRequest) -> Tensor:
    """Fits a line to the scores of the picture with random superpixels hidden (Ribeiro et al. 2016, arXiv:1602.04938).

    Each part is shown or hidden by a coin; pictures close to the whole count more; the line's slopes (ridge
    regression) are what each part is worth.

    Args:
        request: Its settings are ``regions``, ``samples`` and ``seed``.

    Returns:
        HxW, signed, float64 on the CPU.
    """
    from sklearn.linear_model import Ridge

    parts = superpixels(request.x, request.settings["regions"])
    rng = np.random.default_rng(request.settings["seed"])
    shown = rng.random((request.settings["samples"], int(parts.max()) + 1)) < 0.5
    shown[0] = True
    away = 1.0 - np.sqrt(shown.mean(1))  # cosine distance to the whole picture
    weights = np.exp(-((away / _LIME_WIDTH) ** 2) / 2)  # halved: their code takes the paper's kernel's root
    return _fitted(request, parts, shown, weights, Ridge(alpha=1.0))


def kernel_shap(request: AttributionRequest) -> Tensor:
    """Estimates each superpixel's Shapley value from coalitions of them (Lundberg and Lee 2017, arXiv:1705.07874).

    The values add up to the score's rise above that of a plain mean-coloured picture. Coalitions are drawn by the
    Shapley kernel, each with its complement; few enough parts are enumerated, which makes the values exact.

    Args:
        request: Its settings are ``regions``, ``samples`` and ``seed``.

    Returns:
        HxW, signed, float64 on the CPU.
    """
    from sklearn.linear_model import LinearRegression

    parts = superpixels(request.x, request.settings["regions"])
    count = int(parts.max()) + 1
    if count <= _ENUMERATED and 2**count - 2 <= request.settings["samples"]:
        inner, weights = _all_coalitions(count)
    else:
        inner, weights = _coalitions(count, request.settings["samples"], request.settings["seed"])
    shown = np.concatenate([np.zeros((1, count), bool), np.ones((1, count), bool), inner])
    return _fitted(request, parts, shown, np.concatenate([[_SURE, _SURE], weights]), LinearRegression())


def _all_coalitions(count: int) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Returns every coalition but none and all, with the Shapley kernel's weights."""
    numbers = np.arange(1, 2**count - 1)
    inner = (numbers[:, None] >> np.arange(count) & 1).astype(bool)
    sizes = inner.sum(1)
    weights = [(count - 1) / (math.comb(count, int(s)) * s * (count - s)) for s in sizes]
    return inner, np.array(weights)


def _coalitions(count: int, samples: int, seed: int) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Draws coalitions by the Shapley kernel, each with its complement; all count alike."""
    rng = np.random.default_rng(seed)
    sizes = np.arange(1, count)
    chance = 1.0 / (sizes * (count - sizes))
    drawn = rng.choice(sizes, size=math.ceil(samples / 2), p=chance / chance.sum())
    ranks = rng.random((len(drawn), count)).argsort(1).argsort(1)
    half = ranks < drawn[:, None]
    inner = np.concatenate([half, ~half])[:samples]
    return inner, np.ones(len(inner))


class _Line:
    """A line that captum has fitted: by scikit-learn, in float64 and without a draw from the global generator."""

    def __init__(self, model: LinearRegression | Ridge) -> None:
        self._model = model

    def fit(self, rows: DataLoader[tuple[Tensor, ...]]) -> None:
        """Fits it to what was shown, the scores and the weights."""
        shown, scores, weights = (column.double().cpu().numpy() for column in rows.dataset[:])
        self._model.fit(shown, scores, sample_weight=weights)

    def representation(self) -> Tensor:
        """Returns its slopes."""
        return torch.from_numpy(self._model.coef_)


def _fitted(
    request: AttributionRequest,
    parts: NDArray[np.int64],
    shown: NDArray[np.bool_],
    weights: NDArray[np.float64],
    line: LinearRegression | Ridge,
) -> Tensor:
    """Fits a line to the scores with only some parts shown, row by row of NxR, and paints every part by its slope."""
    from captum.attr import Lime

    mask = _mask(request, parts)
    left = iter(weights.tolist())

    def rows(*_given: Any, **_named: Any) -> Iterator[Tensor]:
        yield from torch.from_numpy(shown).long().to(mask.device).split(1)

    def kind(scores: Callable[[Tensor], Tensor]) -> Attributor:
        return Lime(scores, _Line(line), lambda *_given, **_named: next(left), rows)

    worth = _attributed(kind, request, len(shown), feature_mask=mask, n_samples=len(shown), return_input_shape=False)
    return worth[torch.from_numpy(parts)]


def _attributed(
    kind: Callable[[Callable[[Tensor], Tensor]], Attributor], request: AttributionRequest, total: int, **given: object
) -> Tensor:
    """Lets captum ask for so many pictures through stencils, and returns what it makes of them."""
    forward, x = request.forward(total), request.x.to(device_of(request.network.model))
    method = kind(lambda stencils: forward(x * stencils))
    found: Tensor = method.attribute(torch.ones_like(x[:, :1]), perturbations_per_eval=forward.batch(), **given)
    return found.double().cpu()


def _mask(request: AttributionRequest, parts: NDArray[np.int64]) -> Tensor:
    return torch.from_numpy(parts)[None, None].to(device_of(request.network.model))
