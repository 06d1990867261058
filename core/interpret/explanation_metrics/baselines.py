"""What a heatmap has to be better than: maps drawn at random, and maps of a network that has learned nothing.

A figure of faithfulness alone means little. These are the two references that every figure stands beside: random maps
as coarse as the map itself and with the very same values, and the map that the same method gives once the network's
weights are replaced by random ones (Adebayo et al. 2018, arXiv:1810.03292).
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from core.errors import InputError
from core.interpret.probe import lock_of

if TYPE_CHECKING:
    from core.models.network import Network

_FALL = 2 * math.sqrt(math.log(2))
"""A Gaussian of deviation s smooths white noise so that its autocorrelation falls to one half at a lag of 2 s √ln 2."""

_TRIED = 4


@dataclass(frozen=True, slots=True)
class Similarity:
    """How alike two maps are.

    Attributes:
        spearman: Rank correlation of their values, -1 to 1; 0 where one of them is the same everywhere.
        ssim: Structural similarity (Wang et al. 2004), at most 1; ``nan`` for maps too small for its window.
    """

    spearman: float
    ssim: float


def coarseness(heat: NDArray[np.floating]) -> float:
    """Tells how smooth a map is.

    Args:
        heat: HxW.

    Returns:
        Deviation, in pixels, of the Gaussian that makes white noise as smooth as the map: from where the map's
        autocorrelation falls to one half. A map that is the same everywhere counts as smooth over an eighth of its
        side.
    """
    height, width = heat.shape
    values = np.asarray(heat, np.float64) - float(heat.mean())
    if not np.any(np.abs(values) > 1e-12):
        return max(height, width) / 8
    padded = (2 * height, 2 * width)
    power = np.abs(np.fft.rfft2(values, padded)) ** 2
    sums = np.fft.irfft2(power, padded)[:height, :width]
    lags = [
        _half(sums[0] / (height * np.arange(width, 0, -1)), width),
        _half(sums[:, 0] / (width * np.arange(height, 0, -1)), height),
    ]
    return float(np.mean(lags)) / _FALL


def _half(correlation: NDArray[np.float64], length: int) -> float:
    """Returns the lag at which a correlation falls to one half of its first value, at most half the side."""
    ratio = correlation / correlation[0]
    below = np.flatnonzero(ratio < 0.5)
    if not len(below):
        return length / 2
    place = int(below[0])
    step = ratio[place - 1] - ratio[place]
    return min(place - 1 + float((ratio[place - 1] - 0.5) / step), length / 2)


def random_maps(heat: NDArray[np.floating], count: int, *, seed: int = 0) -> NDArray[np.float32]:
    """Draws maps that know nothing of picture or network, but are as coarse as a map and have its very values.

    Smoothed noise decides where the largest value goes, where the second largest, and so on: only the places are
    random, so that whatever a figure owes to the map's distribution it owes to these, too.

    Args:
        heat: HxW.
        count: How many.
        seed: Seed of the first; the same seed gives the same maps.

    Returns:
        Maps, count x H x W.
    """
    from scipy.ndimage import gaussian_filter

    wanted = coarseness(heat)
    values = np.sort(np.asarray(heat, np.float32), axis=None)

    def draw(number: int, sigma: float) -> NDArray[np.float32]:
        noise = np.random.default_rng([seed, number]).standard_normal(heat.shape)
        found = np.empty(heat.shape, np.float32)
        found.flat[np.argsort(gaussian_filter(noise, sigma), axis=None)] = values
        return found

    # a few of them show how far the measure is off for a picture of this size and for these values
    seen = float(np.mean([coarseness(draw(number, wanted)) for number in range(_TRIED)]))
    sigma = wanted * min(max(wanted / max(seen, 1e-6), 0.5), 2.0) if wanted > 1 else wanted
    return (
        np.stack([draw(number, sigma) for number in range(count)]) if count else np.empty((0, *heat.shape), np.float32)
    )


def randomised(network: Network, *, stages: int | None = None, seed: int = 0) -> Network:
    """Copies a network and draws weights of the copy anew: what is left then owes nothing to what was learned.

    Each tensor is drawn from a normal distribution with its own mean and deviation, so that signals keep their
    strength in networks of any kind.

    Args:
        network: The network; it is left as it was.
        stages: How many of the last stages are drawn anew, the head first (cascading randomisation); ``None`` for all.
        seed: Seed of the draws.

    Raises:
        InputError: There are not so many stages.
    """
    known = network.anatomy.stages
    if stages is not None and not 1 <= stages <= len(known):
        raise InputError(
            "{count} stages cannot be drawn anew; the network has {known}.", count=stages, known=len(known)
        )
    with lock_of(network):
        model = copy.deepcopy(network.model)
    chosen = known if stages is None else known[-stages:]
    names = {name for stage in chosen for name in stage.parameter_names}
    chance = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if stages is not None and name not in names:
                continue
            values = parameter.detach().float().cpu()
            drawn = torch.randn(values.shape, generator=chance) * values.std(unbiased=False) + values.mean()
            parameter.copy_(drawn)
    return replace(network, model=model, lock=type(network.lock)())


def similarity(first: NDArray[np.floating], second: NDArray[np.floating]) -> Similarity:
    """Compares two maps of one size, HxW, by the ranks of their values and by their structure."""
    if first.shape != second.shape:
        raise InputError(
            "Maps of {first} and {second} pixels cannot be compared.",
            first="x".join(map(str, first.shape)),
            second="x".join(map(str, second.shape)),
        )
    spearman = rank_correlation(first, second)
    side = min(first.shape)
    if side < 3:
        return Similarity(spearman, math.nan)
    from skimage.metrics import structural_similarity

    spread = max(float(max(first.max(), second.max()) - min(first.min(), second.min())), 1e-12)
    window = min(7, side if side % 2 else side - 1)
    ssim = structural_similarity(
        np.asarray(first, np.float64), np.asarray(second, np.float64), win_size=window, data_range=spread
    )
    return Similarity(spearman, float(ssim))


def rank_correlation(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """Returns Spearman's rank correlation of two maps of one size, -1 to 1; 0 where one is the same everywhere."""
    from scipy.stats import rankdata

    ranks = [rankdata(heat, axis=None) for heat in (first, second)]
    ranks = [values - values.mean() for values in ranks]
    scale = math.sqrt(float(ranks[0] @ ranks[0]) * float(ranks[1] @ ranks[1]))
    return float(ranks[0] @ ranks[1]) / scale if scale > 0 else 0.0
