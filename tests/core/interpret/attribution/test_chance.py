"""Methods that draw random numbers, beside others that draw their own: alike in distribution, not in seeds."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from torch import Tensor, nn

from core.interpret.attribution import cam
from core.interpret.attribution.explain import explain
from core.interpret.attribution.superpixels import superpixels
from core.models.network import Network
from tests.core.interpret.conftest import CLASSES, SIZE, raw, scores, wrap

MANY = 600


def noisy(image: Tensor, share: float) -> Tensor:
    """Copies of a picture with normal noise, its deviation a share of the picture's range."""
    spread = share * float(image.max() - image.min())
    return image + spread * torch.from_numpy(np.random.RandomState(99).normal(size=(MANY, *image.shape[1:]))).float()


def slopes(network: Network, images: Tensor, target: int) -> Tensor:
    leaf = images.clone().requires_grad_()
    return torch.autograd.grad(network.model(leaf)[:, target].sum(), leaf)[0].double()


def close(ours: NDArray[np.float64], theirs: NDArray[np.float64], *, likeness: float, scale: float = 0.05) -> None:
    """Two estimates are of the same figures: alike in form, and in strength."""
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > likeness
    assert np.abs(ours).mean() == pytest.approx(np.abs(theirs).mean(), rel=scale)


def test_noise_on_gradients(tiny: Callable[..., Network], image: Tensor) -> None:
    network = tiny()
    given = {"samples": MANY, "noise": 30, "seed": 5}
    drawn = slopes(network, noisy(image, 0.3), 1)
    ours = raw(explain(network, image, "smoothgrad", target=1, settings=given).heatmap)
    close(ours, drawn.mean(0).abs().amax(0).numpy(), likeness=0.98)
    ours = raw(explain(network, image, "vargrad", target=1, settings=given).heatmap)
    close(ours, drawn.var(0).amax(0).numpy(), likeness=0.9)


def test_gradient_shap(tiny: Callable[..., Network], image: Tensor) -> None:
    network = tiny()
    ends = noisy(image, 0.1)
    along = torch.from_numpy(np.random.RandomState(7).random(MANY)).float()[:, None, None, None]
    theirs = (slopes(network, ends * along, 2) * ends).mean(0).sum(0).numpy()
    given = {"samples": MANY, "noise": 10, "seed": 5}
    close(raw(explain(network, image, "gradient-shap", target=2, settings=given).heatmap), theirs, likeness=0.95)


def test_smooth_grad_cam_plus_plus(tiny: Callable[..., Network], image: Tensor) -> None:
    network = tiny()
    passes = [cam.layer_pass(network, x[None], target=1) for x in noisy(image, 0.3)[:200]]
    first, second, third = (torch.stack([p.gradients**power for p in passes]).mean(0) for power in (1, 2, 3))
    maps = cam.layer_pass(network, image, target=1).activations
    alpha = second / (2 * second + maps.sum((1, 2), keepdim=True) * third)
    expected = torch.einsum("c,chw->hw", (alpha * first.relu()).nan_to_num().sum((1, 2)), maps).relu()
    given = {"samples": 200, "noise": 30, "seed": 5}
    ours = raw(explain(network, image, "smoothgrad-cam++", target=1, settings=given).heatmap)
    large = torch.nn.functional.interpolate(expected[None, None], (SIZE, SIZE), mode="bilinear")[0, 0].numpy()
    close(ours, large, likeness=0.99)


def test_lime_with_other_coins(tiny: Callable[..., Network], image: Tensor) -> None:
    network = tiny()
    parts = superpixels(image, 12)
    count = int(parts.max()) + 1
    shown = np.random.RandomState(3).randint(0, 2, (2000, count))
    shown[0] = 1
    said = scores(network, image * torch.from_numpy(shown[:, parts])[:, None], 1)
    cosine = np.sqrt(shown.mean(1))
    kernel = np.sqrt(np.exp(-(((1 - cosine) / 0.25) ** 2)))  # as in lime_image.py
    fitted = Ridge(alpha=1.0).fit(shown, said, sample_weight=kernel).coef_
    given = {"regions": 12, "samples": 2000, "seed": 5}
    close(raw(explain(network, image, "lime", target=1, settings=given).heatmap), fitted[parts], likeness=0.99)


def test_sampled_kernel_shap_means_shapley_values(tiny: Callable[..., Network], image: Tensor) -> None:
    network = tiny()
    parts = superpixels(image, 8)
    count = int(parts.max()) + 1
    subsets = [s for size in range(count + 1) for s in itertools.combinations(range(count), size)]
    masks = torch.from_numpy(np.stack([np.isin(parts, s) for s in subsets]))[:, None]
    worth = dict(zip(subsets, scores(network, image * masks, 1), strict=True))
    values = np.zeros(count)
    for part, s in itertools.product(range(count), subsets):
        if part not in s:
            share = math.factorial(len(s)) * math.factorial(count - len(s) - 1) / math.factorial(count)
            values[part] += share * (worth[tuple(sorted((*s, part)))] - worth[s])
    few = min(60, 2**count - 3)
    estimates = [
        raw(
            explain(network, image, "kernel-shap", target=1, settings={"regions": 8, "samples": few, "seed": s}).heatmap
        )
        for s in range(12)
    ]
    assert np.std(estimates, 0).max() > 1e-9  # they are estimates
    close(np.mean(estimates, 0), values[parts], likeness=0.99)


def test_few_coalitions_favour_no_part() -> None:
    class Mean(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.look = nn.Conv2d(3, 2, 1)
            self.head = nn.Linear(2, len(CLASSES))

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.look(x).mean((2, 3)))

    network, x = wrap(Mean()), torch.ones(1, 3, SIZE, SIZE)
    given = {"regions": 64, "samples": 12}
    found = raw(explain(network, x, "kernel-shap", target=0, settings=given).heatmap)
    rise = scores(network, x, 0)[0] - scores(network, x * 0, 0)[0]
    assert found == pytest.approx(np.full((SIZE, SIZE), rise / 64), rel=1e-3)


def test_chance_weighs_maps_evenly_from_minus_to_plus_one(tiny: Callable[..., Network], image: Tensor) -> None:
    network = tiny()
    maps = cam.layer_pass(network, image, target=0).activations.numpy()
    weights = np.random.RandomState(1).uniform(-1, 1, (4000, len(maps)))
    expected = np.maximum(np.einsum("nc,chw->nhw", weights, maps), 0).mean(0)
    ours = [raw(explain(network, image, "random-cam", settings={"seed": s}).heatmap) for s in range(150)]
    assert np.mean(ours) == pytest.approx(expected.mean(), rel=0.15)
