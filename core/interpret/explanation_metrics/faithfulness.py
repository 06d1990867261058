"""Faithfulness: does the network really depend on the places that a heatmap shows?

Places are taken away or shown in the order of the map, and the probability of the explained class shows whether they
mattered. Every figure of a map stands beside those of random maps, see
:mod:`core.interpret.explanation_metrics.baselines`. All probabilities are softmax outputs, 0 to 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.errors import InputError
from core.interpret.explanation_metrics.imputation import filling, imputed
from core.interpret.explanation_metrics.metrics import METRICS, Curve, Metric, Scores, Settings
from core.interpret.forward import Forward, check_image
from core.interpret.probe import device_of, model_of
from core.interpret.target import ScoreTarget
from core.messages import Progress

if TYPE_CHECKING:
    from core.models.network import Network

WINDOW = 0.25
"""Sides of the rectangles that infidelity covers, as shares of the picture's."""

__all__ = ["METRICS", "Curve", "Metric", "Scores", "Settings", "infidelity", "measure", "ranked"]


def measure(
    network: Network,
    x: Tensor,
    maps: Sequence[NDArray[np.floating]],
    target: int,
    settings: Settings | None = None,
    *,
    progress: Progress | None = None,
) -> list[Scores]:
    """Tests any number of maps of one picture together: the map itself, random ones, those of other networks.

    Args:
        network: The network that is asked.
        x: One normalised image, 1xCxHxW.
        maps: Each HxW; what is below zero is evidence against the class.
        target: Index of the class that the maps explain.
        settings: How closely to look.
        progress: Called with images done and in all; what it raises ends the work.

    Raises:
        InputError: ``x`` is not one image, or a map has another size.
    """
    check_image(x)
    for heat in maps:
        if heat.shape != tuple(x.shape[2:]):
            raise InputError(
                "The map has {map} pixels and the picture {picture}.",
                map="x".join(map(str, heat.shape)),
                picture="x".join(map(str, x.shape[2:])),
            )
    look = settings or Settings()
    x = x.to(device_of(model_of(network)))
    aim = ScoreTarget(target, probability=True)
    return _Test(Forward(network, aim, look.images(len(maps)), progress), x, look).run(maps)


class _Test:
    """One picture's test: what all maps share is asked once."""

    def __init__(self, forward: Forward, x: Tensor, look: Settings) -> None:
        self.forward, self.x, self.look = forward, x, look
        self.removed = filling(x, look.deletion_fill)
        self.start = filling(x, look.insertion_fill)

    def run(self, maps: Sequence[NDArray[np.floating]]) -> list[Scores]:
        whole, gone, start = self.probabilities([self.x, self.removed, self.start])
        windows = _windows(self.look.windows, (self.x.shape[2], self.x.shape[3]), self.look.seed)
        falls = whole - self.probabilities(self._mixed(self.removed, (~window for window in windows)))
        found = []
        for heat in maps:
            ranks = ranked(heat)
            found.append(
                Scores(
                    deletion=self._curve(ranks, whole, gone, self.removed, deleting=True),
                    insertion=self._curve(ranks, start, whole, self.start, deleting=False),
                    road=self._road(ranks),
                    drop=0.0,
                    increase=False,
                    infidelity=infidelity(heat, windows, falls),
                )
            )
        faded = self.probabilities(self.x * self._tensor(_strength(heat)) for heat in maps)
        return [_with_drop(scores, whole, float(left)) for scores, left in zip(found, faded, strict=True)]

    def probabilities(self, images: Iterable[Tensor]) -> NDArray[np.float64]:
        """Returns the class's probability for images, BxCxHxW each, in batches that are filled up across them."""
        chunks = _chunks(images, self.look.batch or self.forward.batch())
        return np.concatenate([self.forward(chunk).cpu().numpy() for chunk in chunks] or [np.zeros(0)])

    def _mixed(self, other: Tensor, keep: Iterable[NDArray[np.bool_]]) -> Iterator[Tensor]:
        for mask in keep:
            yield torch.where(self._tensor(mask), self.x, other)

    def _tensor(self, values: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.x.device)

    def _curve(self, ranks: NDArray[np.int64], first: float, last: float, other: Tensor, *, deleting: bool) -> Curve:
        shares = np.linspace(0, 1, self.look.steps + 1)
        counts = [round(share * ranks.size) for share in shares[1:-1]]
        keep = ((ranks >= count) if deleting else (ranks < count) for count in counts)
        inner = self.probabilities(self._mixed(other, keep))
        return Curve(shares, np.concatenate(([first], inner, [last])))

    def _road(self, ranks: NDArray[np.int64]) -> float:
        counts = [round(share * ranks.size) for share in self.look.road]
        known = [ranks >= count for count in counts] + [ranks < ranks.size - count for count in counts]
        images = imputed(self.x, self._tensor(np.stack(known))[:, None], seed=self.look.seed)
        left = self.probabilities([images])
        return float(np.mean(left[len(counts) :] - left[: len(counts)]))


def ranked(heat: NDArray[np.floating]) -> NDArray[np.int64]:
    """Returns each pixel's place when they are ordered by the map, HxW, 0 for the strongest.

    Of equal pixels, such as those a ReLU has set to zero, those nearer to stronger ones come first.
    """
    from scipy.ndimage import gaussian_filter

    values = np.asarray(heat, np.float64)
    order = np.lexsort((-gaussian_filter(values, max(values.shape) / 16).ravel(), -values.ravel()))
    ranks = np.empty(values.size, np.int64)
    ranks[order] = np.arange(values.size)
    return ranks.reshape(values.shape)


def infidelity(heat: NDArray[np.floating], windows: NDArray[np.bool_], falls: NDArray[np.float64]) -> float:
    """Compares what a map foretells with what happens (Yeh et al. 2019, arXiv:1901.09392).

    Args:
        heat: HxW; its sum over a window, times one factor for all windows, foretells the window's fall. The factor
            has the size of the best one and is never negative: a map that has it the wrong way round does worse than
            one that foretells nothing, and no two such maps tie (as they would if the factor were cut off at zero).
        windows: Which pixels were covered, KxHxW.
        falls: How far the class's probability fell, K.

    Returns:
        Mean squared error, in squared probability.
    """
    flat = windows.reshape(len(windows), -1).astype(np.float64)
    foretold = flat @ np.asarray(heat, np.float64).ravel()
    power = float(foretold @ foretold)
    scale = abs(float(foretold @ falls)) / power if power > 0 else 0.0
    return float(np.mean((scale * foretold - falls) ** 2))


def _windows(count: int, size: tuple[int, int], seed: int) -> NDArray[np.bool_]:
    """Draws rectangles whose sides are :data:`WINDOW` of the picture's, count x H x W.

    All are of one size: where sizes differ, what a map foretells is mostly how large a window is, random maps and all.
    """
    chance = np.random.default_rng([seed, 7])
    found = np.zeros((count, *size), bool)
    lengths = [max(1, round(side * WINDOW)) for side in size]
    for window in found:
        top, left = (int(chance.integers(0, side - length + 1)) for side, length in zip(size, lengths, strict=True))
        window[top : top + lengths[0], left : left + lengths[1]] = True
    return found


def _strength(heat: NDArray[np.floating]) -> NDArray[np.float32]:
    """Returns what speaks for the class on a scale of 0 to 1."""
    positive = np.clip(np.asarray(heat, np.float32), 0, None)
    highest = float(positive.max(initial=0.0))
    return positive / highest if highest > 0 else positive


def _with_drop(scores: Scores, whole: float, left: float) -> Scores:
    drop = max(0.0, whole - left) / whole if whole > 0 and math.isfinite(whole) else 0.0
    return replace(scores, drop=drop, increase=left > whole)


def _chunks(images: Iterable[Tensor], batch: int) -> Iterator[Tensor]:
    waiting: list[Tensor] = []
    for several in images:
        for image in several.split(1):
            waiting.append(image)
            if len(waiting) == batch:
                yield torch.cat(waiting)
                waiting = []
    if waiting:
        yield torch.cat(waiting)
