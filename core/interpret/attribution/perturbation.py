"""Heatmaps from hiding parts of a picture: occlusion, feature ablation, LIME and KernelSHAP.

Zero, the mean colour after normalisation, stands for what is hidden.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.interpret.attribution.method import AttributionRequest
from core.interpret.attribution.superpixels import superpixels
from core.interpret.forward import ask, batch_of, scores_of
from core.interpret.probe import Probe, device_of

_WINDOWS = 7  # squares a side, where no window is given
_LIME_WIDTH = 0.25  # of LIME's kernel over cosine distances, as in its authors' code for images
_ENUMERATED = 11  # up to so many parts all coalitions are cheaper than a sample


def occlusion(request: AttributionRequest) -> Tensor:
    """Covers square after square with the mean colour and notes how far the score falls (Zeiler & Fergus 2013).

    Args:
        request: Its settings are ``window``, the side of the square, and ``stride``, from one to the next and no more
            than the window, both in pixels; 0 for a seventh of the picture, and for the window's side.

    Returns:
        HxW, positive where covering costs evidence, float64 on the CPU.
    """
    sides = request.x.shape[2:]
    window = [min(request.settings["window"] or math.ceil(side / _WINDOWS), side) for side in sides]
    stride = [min(request.settings["stride"] or wide, wide) for wide in window]
    rows, columns = (
        [slice(at * d, min(at * d + w, side)) for at in range(1 + math.ceil((side - w) / d))]
        for side, w, d in zip(sides, window, stride, strict=True)
    )
    places = [(row, column) for row in rows for column in columns]
    device = device_of(request.network.model)
    x, step = request.x.to(device), batch_of(request.network, device)
    _check(request)

    def batches() -> Iterator[Tensor]:
        yield x
        for start in range(0, len(places), step):
            chunk = places[start : start + step]
            covered = x.repeat(len(chunk), 1, 1, 1)
            for picture, (row, column) in zip(covered, chunk, strict=True):
                picture[:, row, column] = 0
            yield covered

    scores = scores_of(request.network, batches(), request.aim, 1 + len(places), request.progress)
    falls, times = torch.zeros(2, *sides, dtype=torch.float64)
    for (row, column), score in zip(places, scores[1:], strict=True):
        falls[row, column] += scores[0] - score
        times[row, column] += 1
    return falls / times


def feature_ablation(request: AttributionRequest) -> Tensor:
    """Hides one superpixel after another and notes how far the score falls.

    Args:
        request: ``regions`` of its settings is about how many superpixels there are.

    Returns:
        HxW, positive where hiding costs evidence, float64 on the CPU.
    """
    parts = superpixels(request.x, request.settings["regions"])
    count = int(parts.max()) + 1
    shown = np.concatenate([np.ones((1, count), bool), ~np.eye(count, dtype=bool)])
    scores = _scores(request, parts, shown)
    return _painted(parts, scores[0] - scores[1:])


def lime(request: AttributionRequest) -> Tensor:
    """Fits a line to the scores of the picture with random superpixels hidden (Ribeiro et al. 2016, arXiv:1602.04938).

    Each part is shown or hidden by a coin; pictures close to the whole count more; the line's slopes (ridge
    regression) are what each part is worth.

    Args:
        request: Its settings are ``regions``, ``samples`` and ``seed``.

    Returns:
        HxW, signed, float64 on the CPU.
    """
    parts = superpixels(request.x, request.settings["regions"])
    count = int(parts.max()) + 1
    rng = np.random.default_rng(request.settings["seed"])
    shown = rng.random((request.settings["samples"], count)) < 0.5
    shown[0] = True
    scores = _scores(request, parts, shown)
    away = 1.0 - np.sqrt(shown.mean(1))  # cosine distance to the whole picture
    weights = np.exp(-((away / _LIME_WIDTH) ** 2) / 2)  # halved: their code takes the paper's kernel's root
    return _painted(parts, _ridge(shown.astype(np.float64), scores, weights, penalty=1.0))


def kernel_shap(request: AttributionRequest) -> Tensor:
    """Estimates each superpixel's Shapley value from coalitions of them (Lundberg and Lee 2017, arXiv:1705.07874).

    The values add up to the score's rise above that of a plain mean-coloured picture. Coalitions are drawn by the
    Shapley kernel, each with its complement; few enough parts are enumerated, which makes the values exact.

    Args:
        request: Its settings are ``regions``, ``samples`` and ``seed``.

    Returns:
        HxW, signed, float64 on the CPU.
    """
    parts = superpixels(request.x, request.settings["regions"])
    count = int(parts.max()) + 1
    ends = np.stack([np.zeros(count, bool), np.ones(count, bool)])
    if count == 1:
        scores = _scores(request, parts, ends)
        return _painted(parts, scores[1:] - scores[:1])
    if count <= _ENUMERATED and 2**count - 2 <= request.settings["samples"]:
        inner, weights = _all_coalitions(count)
    else:
        inner, weights = _coalitions(count, request.settings["samples"], request.settings["seed"])
    scores = _scores(request, parts, np.concatenate([ends, inner]))
    nothing, whole = float(scores[0]), float(scores[1])
    # what is fitted is how far each part is from an equal share, so that few samples favour none and the sum is kept
    equal = (whole - nothing) / count
    design = inner - inner.mean(1, keepdims=True)
    wanted = scores[2:] - nothing - inner.sum(1) * equal
    root = np.sqrt(weights)
    away = np.linalg.lstsq(design * root[:, None], wanted * root, rcond=None)[0]
    return _painted(parts, equal + away)


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


def _ridge(
    design: NDArray[np.float64], wanted: NDArray[np.float64], weights: NDArray[np.float64], penalty: float
) -> NDArray[np.float64]:
    """Fits slopes by weighted ridge regression with a free intercept."""
    share = weights / weights.sum()
    centred, target = design - share @ design, wanted - share @ wanted
    normal = centred.T @ (centred * weights[:, None]) + penalty * np.eye(design.shape[1])
    found: NDArray[np.float64] = np.linalg.solve(normal, centred.T @ (weights * target))
    return found


def _scores(request: AttributionRequest, parts: NDArray[np.int64], shown: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Returns the aim's score of the picture with only some parts shown, row by row of NxR."""
    _check(request)
    device = device_of(request.network.model)
    x, where = request.x.to(device), torch.from_numpy(parts).to(device)
    step = batch_of(request.network, device)

    def batches() -> Iterator[Tensor]:
        for start in range(0, len(shown), step):
            masks = torch.from_numpy(shown[start : start + step]).to(device)[:, where]
            yield x * masks[:, None].to(x.dtype)

    found: NDArray[np.float64] = scores_of(
        request.network, batches(), request.aim, len(shown), request.progress
    ).numpy()
    return found


def _check(request: AttributionRequest) -> None:
    """Asks for the whole picture alone, so that what the network cannot take is said clearly."""
    with Probe(request.network) as probe:
        ask(probe, request.network, request.x)


def _painted(parts: NDArray[np.int64], worth: NDArray[np.float64]) -> Tensor:
    """Gives every pixel its part's worth."""
    return torch.from_numpy(np.asarray(worth, np.float64)[parts])
