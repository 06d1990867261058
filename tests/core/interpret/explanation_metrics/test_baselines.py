"""What a map is held against: random maps of its coarseness and values, and a network that has learned nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from scipy.stats import spearmanr
from skimage.metrics import structural_similarity
from torch import Tensor

from core.errors import InputError
from core.interpret.explanation_metrics.baselines import coarseness, random_maps, randomised, similarity
from core.models.network import Network


def noise(side: int, sigma: float, seed: int = 0) -> np.ndarray:
    return gaussian_filter(np.random.default_rng(seed).standard_normal((side, side)), sigma).astype(np.float32)


@pytest.mark.parametrize("sigma", [3.0, 8.0])
def test_coarseness_is_the_deviation_of_the_gaussian_that_smoothed_it(sigma: float) -> None:
    found = np.mean([coarseness(noise(160, sigma, seed)) for seed in range(4)])
    assert found == pytest.approx(sigma, rel=0.2)


def test_coarseness_of_grains_and_of_nothing() -> None:
    assert coarseness(noise(64, 0.0)) < 0.5
    assert coarseness(np.ones((64, 48), np.float32)) == 8
    assert coarseness(np.ones((1, 1), np.float32)) > 0


def test_random_maps_have_the_values_and_the_coarseness_but_not_the_places() -> None:
    heat = noise(96, 6).clip(0)
    maps = random_maps(heat, 6, seed=3)
    for other in maps:
        assert np.array_equal(np.sort(other, axis=None), np.sort(heat, axis=None))
    assert np.mean([coarseness(other) for other in maps]) == pytest.approx(coarseness(heat), rel=0.3)
    assert np.mean([abs(similarity(heat, other).spearman) for other in maps]) < 0.3
    assert np.array_equal(maps, random_maps(heat, 6, seed=3))
    assert not np.array_equal(maps[0], random_maps(heat, 1, seed=4)[0])
    assert not np.array_equal(maps[0], maps[1])


def test_similarity_is_scipys_and_skimages() -> None:
    first, second = noise(40, 3, 1), noise(40, 3, 2)
    found = similarity(first, second)
    assert found.spearman == pytest.approx(spearmanr(first.ravel(), second.ravel()).statistic, abs=1e-6)
    spread = max(first.max(), second.max()) - min(first.min(), second.min())
    wanted = structural_similarity(first.astype(float), second.astype(float), win_size=7, data_range=float(spread))
    assert found.ssim == pytest.approx(wanted, abs=1e-9)
    assert similarity(first, first).spearman == pytest.approx(1)
    assert similarity(first, np.zeros_like(first)).spearman == 0
    assert np.isnan(similarity(first[:2, :2], second[:2, :2]).ssim)
    with pytest.raises(InputError, match="40x40 and 20x40"):
        similarity(first, second[:20])


@pytest.mark.parametrize("kind", ["NCHW", "tokens", "NHWC"])
def test_a_randomised_network_is_another_and_leaves_the_first(
    tiny: Callable[..., Network], image: Tensor, kind: str
) -> None:
    network = tiny(kind)
    before = {name: value.clone() for name, value in network.model.state_dict().items()}
    logits = network.model(image)
    other = randomised(network, seed=1)
    assert all(torch.equal(value, before[name]) for name, value in network.model.state_dict().items())
    assert not torch.allclose(other.model(image), logits, atol=1e-3)
    assert torch.isfinite(other.model(image)).all()
    assert other.lock is not network.lock
    again = randomised(network, seed=1)
    assert torch.equal(other.model(image), again.model(image))
    for (name, old), new in zip(network.model.named_parameters(), other.model.parameters(), strict=True):
        if old.numel() > 64:
            assert float(new.detach().std()) == pytest.approx(float(old.detach().std()), rel=0.35), name


def test_randomising_cascades_from_the_head(tiny: Callable[..., Network]) -> None:
    network = tiny()
    known = dict(network.model.named_parameters())
    stages = network.anatomy.stages
    for count in range(1, len(stages) + 1):
        changed = {
            name
            for name, value in randomised(network, stages=count).model.named_parameters()
            if not torch.equal(value, known[name])
        }
        allowed = {name for stage in stages[-count:] for name in stage.parameter_names}
        assert changed <= allowed
        assert {name for name in allowed if known[name].ndim > 1} <= changed
    with pytest.raises(InputError, match="cannot be drawn anew"):
        randomised(network, stages=len(stages) + 1)
