"""Each method beside another way to the same figures: by hand, by counting everything, or by captum alone."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.interpret import forward
from core.interpret.attribution import cam, perturbation, score_cam
from core.interpret.attribution.attention_weights import attention_layers, attention_weights, spread
from core.interpret.attribution.explain import METHODS, explain
from core.interpret.attribution.superpixels import superpixels
from core.interpret.layout import to_maps
from core.models.network import Network
from tests.core.interpret.conftest import CLASSES, SIZE, made, raw, scores

# --- captum -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["input-x-gradient", "feature-ablation", "integrated-gradients", "occlusion"])
def test_others_agree_with_captum(tiny: Callable[..., Network], image: Tensor, method: str) -> None:
    from captum.attr import FeatureAblation, InputXGradient, IntegratedGradients, Occlusion

    network = tiny()
    settings = {
        "feature-ablation": {"regions": 9},
        "integrated-gradients": {"steps": 50},
        "occlusion": {"window": 9, "stride": 5},
    }.get(method)
    if method == "integrated-gradients":
        theirs = IntegratedGradients(network.model).attribute(image, target=1, n_steps=50)[0].sum(0)
    elif method == "occlusion":
        given = {"sliding_window_shapes": (3, 9, 9), "strides": (3, 5, 5)}
        theirs = Occlusion(network.model).attribute(image, target=1, **given)[0, 0]
    elif method == "input-x-gradient":
        theirs = InputXGradient(network.model).attribute(image.clone().requires_grad_(), target=1)[0].sum(0)
    else:
        mask = torch.from_numpy(superpixels(image, 9))[None, None]
        theirs = FeatureAblation(network.model).attribute(image, target=1, feature_mask=mask)[0, 0]
    ours = raw(explain(network, image, method, target=1, settings=settings).heatmap)
    assert ours == pytest.approx(theirs.detach().numpy(), rel=1e-3, abs=1e-5)


# --- by plain autograd, and by trying every part; captum carries these methods out ------------------------------------


def slopes(network: Network, images: Tensor, target: int) -> Tensor:
    """The gradient of a class's logit with respect to each image."""
    leaf = images.clone().requires_grad_()
    return torch.autograd.grad(network.model(leaf)[:, target].sum(), leaf)[0].double()


def test_shares_of_gradients_by_plain_autograd(tiny: Callable[..., Network], image: Tensor) -> None:
    network = tiny()
    ours = raw(explain(network, image, "input-x-gradient", target=1).heatmap)
    assert ours == pytest.approx((slopes(network, image, 1) * image)[0].sum(0).numpy(), rel=1e-4, abs=1e-7)
    points, weights = np.polynomial.legendre.leggauss(30)
    along = torch.from_numpy((points + 1) / 2).float().view(-1, 1, 1, 1)
    mean = (torch.from_numpy(weights / 2).view(-1, 1, 1, 1) * slopes(network, image * along, 1)).sum(0)
    ours = raw(explain(network, image, "integrated-gradients", target=1, settings={"steps": 30}).heatmap)
    assert ours == pytest.approx((mean * image[0]).sum(0).numpy(), rel=1e-3, abs=1e-6)


def test_what_hiding_costs_by_hiding(tiny: Callable[..., Network], image: Tensor) -> None:
    network = tiny()
    whole = scores(network, image, 1)[0]
    parts = superpixels(image, 9)
    falls = [whole - scores(network, image * torch.from_numpy(parts != part), 1)[0] for part in range(parts.max() + 1)]
    ours = raw(explain(network, image, "feature-ablation", target=1, settings={"regions": 9}).heatmap)
    assert ours == pytest.approx(np.array(falls)[parts], rel=1e-3, abs=1e-6)
    total, times = np.zeros((2, SIZE, SIZE))
    starts = [*range(0, SIZE - 9, 5), SIZE - 9 + (5 - (SIZE - 9) % 5) % 5]
    for row, column in itertools.product(starts, starts):
        covered = image.clone()
        covered[:, :, row : row + 9, column : column + 9] = 0
        total[row : row + 9, column : column + 9] += whole - scores(network, covered, 1)[0]
        times[row : row + 9, column : column + 9] += 1
    ours = raw(explain(network, image, "occlusion", target=1, settings={"window": 9, "stride": 5}).heatmap)
    assert ours == pytest.approx(total / times, rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("method", ["integrated-gradients", "gradient-shap"])
def test_a_gap_tells_how_far_shares_are_from_the_rise(tiny: Callable[..., Network], image: Tensor, method: str) -> None:
    network, name = tiny(), "steps" if method == "integrated-gradients" else "samples"
    rise = float(np.diff(scores(network, torch.cat([torch.zeros_like(image), image]), 1))[0])
    few, many = (explain(network, image, method, target=1, settings={name: n}).heatmap for n in (2, 400))
    for heatmap in (few, many):
        assert heatmap.gap == pytest.approx(abs(raw(heatmap).sum() / rise - 1), rel=1e-3, abs=1e-4)
    assert many.gap is not None
    assert many.gap < (0.02 if name == "steps" else 0.3)
    assert explain(network, image, "saliency").heatmap.gap is None


@pytest.mark.parametrize("method", ["smoothgrad", "vargrad", "gradient-shap", "integrated-gradients", "lime"])
def test_how_many_go_through_at_once_changes_nothing(
    tiny: Callable[..., Network], image: Tensor, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, found = tiny(), []
    for count in (1, 3, 16):
        monkeypatch.setattr(forward, "batch_of", lambda *_given, _count=count, **_named: _count)
        found.append(raw(explain(network, image, method, target=1).heatmap))
    for other in found[1:]:
        assert other == pytest.approx(found[0], rel=1e-3, abs=1e-4 * np.abs(found[0]).max())


# --- by hand ----------------------------------------------------------------------------------------------------------


def test_kernel_shap_is_exact_where_all_coalitions_are_tried(tiny: Callable[..., Network], image: Tensor) -> None:
    network = tiny()
    parts = superpixels(image, 6)
    count = int(parts.max()) + 1
    assert 3 <= count <= 11

    def worth(shown: tuple[int, ...]) -> float:
        return float(scores(network, image * torch.from_numpy(np.isin(parts, shown)), 1)[0])

    table = {s: worth(s) for size in range(count + 1) for s in itertools.combinations(range(count), size)}
    values = np.zeros(count)
    for part in range(count):
        for shown, score in table.items():
            if part not in shown:
                share = math.factorial(len(shown)) * math.factorial(count - len(shown) - 1) / math.factorial(count)
                values[part] += share * (table[tuple(sorted((*shown, part)))] - score)
    given = {"regions": 6, "samples": 2**11}
    found = raw(explain(network, image, "kernel-shap", target=1, settings=given).heatmap)
    assert found == pytest.approx(values[parts], rel=1e-3, abs=1e-5)


def test_sampled_shap_and_lime_find_a_sum(image: Tensor) -> None:
    class Sum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.look = nn.Conv2d(3, 2, 1)
            self.head = nn.Linear(2 * SIZE * SIZE, len(CLASSES))

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.look(x).flatten(1))

    network = made(Sum)
    parts = superpixels(image, 30)
    count = int(parts.max()) + 1
    assert count > 11
    whole = scores(network, image, 0)[0]
    alone = [whole - scores(network, image * torch.from_numpy(parts != part), 0)[0] for part in range(count)]
    expected = np.array(alone)[parts]
    given = {"regions": 30, "samples": 400}
    shap = raw(explain(network, image, "kernel-shap", target=0, settings=given).heatmap)
    assert shap == pytest.approx(expected, abs=1e-3 * np.abs(expected).max())
    fitted = raw(explain(network, image, "lime", target=0, settings=given).heatmap)
    assert np.corrcoef(fitted.ravel(), expected.ravel())[0, 1] > 0.99


@pytest.mark.parametrize("kind", ["NCHW", "tokens", "NHWC"])
def test_score_and_ablation_cam_channel_by_channel(tiny: Callable[..., Network], image: Tensor, kind: str) -> None:
    network = tiny(kind)
    layer = network.anatomy.cam_layer
    found = cam.layer_pass(network, image, target=2, layer=layer)
    maps = found.activations
    whole = scores(network, image, 2)[0]
    rises, falls = [], []
    for index, values in enumerate(maps):
        mask = F.interpolate(values[None, None], (SIZE, SIZE), mode="bilinear", align_corners=False)
        low, high = mask.min(), mask.max()
        mask = (mask - low) / (high - low) if high > low else torch.zeros_like(mask)
        rises.append(scores(network, image * mask.float(), 2)[0] - whole)

        def silence(_module: nn.Module, _inputs: object, output: Tensor, index: int = index) -> Tensor:
            output = output.clone()
            (output if kind == "NCHW" else output.movedim(-1, 1))[:, index] = 0
            return output

        handle = network.model.get_submodule(layer).register_forward_hook(silence)
        falls.append(whole - scores(network, image, 2)[0])
        handle.remove()
    weights = torch.tensor(rises).softmax(0)
    by_score = torch.einsum("c,chw->hw", weights, maps).relu()
    by_fall = torch.einsum("c,chw->hw", torch.tensor(falls), maps).relu()
    for method, expected in (("score-cam", by_score), ("ablation-cam", by_fall)):
        ours = explain(network, image, method, target=2, settings={"channels": 0}).heatmap
        large = F.interpolate(expected[None, None], (SIZE, SIZE), mode="bilinear", align_corners=False)[0, 0].numpy()
        assert raw(ours) == pytest.approx(large, rel=1e-3, abs=1e-4 * np.abs(large).max() + 1e-9)


def test_a_network_that_joins_branches_is_ablated_as_a_whole(image: Tensor) -> None:
    class Joined(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Conv2d(3, 4, 3, 2, 1)
            self.left = nn.Conv2d(4, 3, 3, 1, 1)
            self.head = nn.Linear(7, len(CLASSES))

        def forward(self, x: Tensor) -> Tensor:
            x = self.stem(x).relu()
            return self.head(torch.cat([x, self.left(x)], 1).mean((2, 3)))

    network = made(Joined)
    found = explain(network, image, "ablation-cam", target=0, layer="left", settings={"channels": 0}).heatmap
    weights = network.model.head.weight.detach()[0, 4:].double()
    maps = cam.layer_pass(network, image, target=0, layer="left").activations
    expected = torch.einsum("c,chw->hw", weights * maps.mean((1, 2)), maps).relu()
    large = F.interpolate(expected[None, None], (SIZE, SIZE), mode="bilinear", align_corners=False)[0, 0].numpy()
    assert raw(found) == pytest.approx(large, rel=1e-3, abs=1e-7)


def test_smooth_methods_without_noise_are_the_plain_ones(tiny: Callable[..., Network], image: Tensor) -> None:
    network = tiny()
    for smooth, plain in (("smoothgrad-cam++", "grad-cam++"), ("smoothgrad", "saliency")):
        ours = explain(network, image, smooth, target=1, settings={"noise": 0}).heatmap
        assert ours.values == pytest.approx(explain(network, image, plain, target=1).heatmap.values, abs=1e-4)
    still = explain(network, image, "vargrad", target=1, settings={"noise": 0}).heatmap
    assert still.high < 1e-10


def test_smooth_grad_and_var_grad_copy_by_copy(tiny: Callable[..., Network], image: Tensor) -> None:
    network = tiny()
    given = {"samples": 6, "noise": 20, "seed": 3}
    generator = torch.Generator().manual_seed(3)
    noise = torch.stack([torch.randn(3, SIZE, SIZE, generator=generator) for _ in range(6)])
    noise *= float(image.max() - image.min()) * 0.2
    copies = (image + noise).requires_grad_()
    slopes = torch.autograd.grad(network.model(copies)[:, 1].sum(), copies)[0].double()
    ours = raw(explain(network, image, "smoothgrad", target=1, settings=given).heatmap)
    assert ours == pytest.approx(slopes.mean(0).abs().amax(0).numpy(), rel=1e-3, abs=1e-6)
    ours = raw(explain(network, image, "vargrad", target=1, settings=given).heatmap)
    assert ours == pytest.approx(slopes.var(0, unbiased=False).amax(0).numpy(), rel=1e-3, abs=1e-8)


def test_gradient_shap_comes_to_integrated_gradients(tiny: Callable[..., Network], image: Tensor) -> None:
    network = tiny()
    given = {"samples": 1500, "noise": 0}
    shap = explain(network, image, "gradient-shap", target=0, settings=given).heatmap.values
    way = explain(network, image, "integrated-gradients", target=0, settings={"steps": 300}).heatmap.values
    assert np.corrcoef(shap.ravel(), way.ravel())[0, 1] > 0.99


def test_eigen_cams_are_the_first_singular_vector() -> None:
    rng = np.random.default_rng(2)
    for shape in ((5, 4, 4), (40, 3, 3)):
        a, g = rng.normal(size=shape), rng.normal(size=shape)
        for formula, maps in ((cam.eigen_cam, a), (cam.eigen_grad_cam, a * g)):
            rows = maps.reshape(shape[0], -1).T
            u, s, _v = np.linalg.svd(rows, full_matrices=False)
            part = u[:, 0] * s[0]
            part *= np.sign((part * (1 if formula is cam.eigen_cam else rows.sum(1))).sum())
            found = formula(torch.from_numpy(a), torch.from_numpy(g)).numpy()
            assert found == pytest.approx(np.maximum(part, 0).reshape(shape[1:]), abs=1e-6)
    assert (cam.eigen_cam(torch.zeros(3, 2, 2), torch.zeros(3, 2, 2)) == 0).all()


def test_eigen_cam_of_negative_maps_is_not_empty() -> None:
    maps = -torch.rand(6, 4, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = cam.eigen_cam(maps, maps)  # as before a ReLU, where values below zero outweigh
    assert found.numpy() == pytest.approx(cam.eigen_cam(-maps, maps).numpy())
    assert (found > 0).all()


def test_xgrad_cam_by_hand_and_without_mass() -> None:
    a = torch.tensor([[[1.0, 3.0], [0.0, 0.0]], [[1.0, -1.0], [0.0, 0.0]]], dtype=torch.float64)
    g = torch.tensor([[[2.0, 4.0], [9.0, 9.0]], [[5.0, 1.0], [0.0, 0.0]]], dtype=torch.float64)
    assert cam.xgrad_cam(a, g).numpy() == pytest.approx((a[0] * (2 + 12) / 4).numpy())


def test_chance_follows_its_seed(tiny: Callable[..., Network], image: Tensor) -> None:
    network = tiny()
    state = torch.get_rng_state()
    maps = [explain(network, image, "random-cam", settings={"seed": seed}).heatmap.values for seed in (1, 1, 2)]
    assert (maps[0] == maps[1]).all()
    assert (maps[0] != maps[2]).any()
    numbers = np.random.get_state()
    for method in ("lime", "kernel-shap", "smoothgrad", "vargrad", "gradient-shap", "smoothgrad-cam++"):
        twice = [explain(network, image, method, settings={"seed": 4}).heatmap.values for _ in range(2)]
        assert (twice[0] == twice[1]).all()
        if method != "smoothgrad-cam++":  # the slope of this network's last maps is the same for all pictures
            assert (twice[0] != explain(network, image, method, settings={"seed": 5}).heatmap.values).any()
    assert torch.equal(torch.get_rng_state(), state)
    assert all(np.array_equal(a, b) for a, b in zip(numbers, np.random.get_state(), strict=True))


# --- attention --------------------------------------------------------------------------------------------------------


def test_attention_weights_are_torchs_own(tiny: Callable[..., Network], image: Tensor) -> None:
    network = tiny("tokens")
    assert attention_layers(network) == ("attention",)
    (found,) = attention_weights(network, torch.cat([image, -image])).values()
    kept: dict[str, Tensor] = {}
    handle = network.model.norm.register_forward_hook(lambda _m, _i, output: kept.update(y=output))
    network.model(torch.cat([image, -image]))
    handle.remove()
    module = network.model.attention
    theirs = module(kept["y"], kept["y"], kept["y"], need_weights=True, average_attn_weights=False)[1]
    assert found.shape == (2, 2, 17, 17)
    assert found.numpy() == pytest.approx(theirs.detach().numpy(), abs=1e-5)
    assert attention_layers(tiny()) == ()
    assert attention_weights(tiny(), image) == {}


def test_attention_that_cannot_be_worked_out_is_not_offered(tiny: Callable[..., Network], image: Tensor) -> None:
    class Halved(nn.MultiheadAttention):
        def forward(self, *given: Any, **named: Any) -> Any:
            out, weights = super().forward(*given, **named)
            return out / 2, weights

    network = tiny("tokens")
    network.model.attention.__class__ = Halved
    for method in ("attention-rollout", "gradient-rollout"):
        assert "cannot be worked out" in str(METHODS[method].unavailable(network))
        assert METHODS[method].unavailable(tiny("tokens")) is None
    assert attention_weights(network, image) == {}


def test_rollouts_by_hand(tiny: Callable[..., Network], image: Tensor) -> None:
    network = tiny("tokens")
    (weights,) = attention_weights(network, image).values()
    mixed = (weights[0].mean(0) + torch.eye(17)) / 2
    found = explain(network, image, "attention-rollout").heatmap
    expected = F.interpolate(mixed[0, 1:].reshape(1, 1, 4, 4), (SIZE, SIZE), mode="bilinear", align_corners=False)
    assert raw(found) == pytest.approx(expected[0, 0].numpy(), rel=1e-3)

    step = 1e-3
    model = network.model
    y = model.norm(torch.cat([model.token, model.patches(image).flatten(2).transpose(1, 2)], 1)).detach()
    x = torch.cat([model.token, model.patches(image).flatten(2).transpose(1, 2)], 1).detach()
    value = F.linear(y, model.attention.in_proj_weight[24:], model.attention.in_proj_bias[24:])
    value = value.unflatten(-1, (2, 6)).transpose(1, 2).double()

    def score(attention: Tensor) -> float:
        out = (attention.double() @ value).transpose(1, 2).flatten(2).float()
        return model.head(model.last(x + model.attention.out_proj(out))[:, 0])[0, 1].item()

    ours = explain(network, image, "gradient-rollout", target=1)
    slopes = torch.zeros(2, 17)
    for head, patch in itertools.product(range(2), range(17)):
        up, down = weights.clone(), weights.clone()
        up[0, head, 0, patch] += step * 100
        down[0, head, 0, patch] -= step * 100
        slopes[head, patch] = (score(up) - score(down)) / (step * 200)
    row = (slopes * weights[0, :, 0]).clamp_min(0).mean(0)[1:].detach().double()
    large = F.interpolate(row.reshape(1, 1, 4, 4), (SIZE, SIZE), mode="bilinear", align_corners=False)[0, 0].numpy()
    assert np.corrcoef(raw(ours.heatmap).ravel(), large.ravel())[0, 1] > 0.99


# --- parts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (2, 2), (32, 32), (24, 80)])
@pytest.mark.parametrize("channels", [1, 3])
def test_superpixels_cover_every_picture(size: tuple[int, int], channels: int) -> None:
    x = torch.randn(1, channels, *size, generator=torch.Generator().manual_seed(0))
    for picture in (x, torch.zeros_like(x)):
        parts = superpixels(picture, 12)
        assert parts.shape == size
        assert sorted(set(parts.ravel())) == list(range(parts.max() + 1))
        assert parts.max() + 1 <= 40


def test_coalitions_are_drawn_by_the_shapley_kernel() -> None:
    inner, weights = perturbation._coalitions(8, 4000, 0)
    assert inner.shape == (4000, 8)
    assert (weights == 1).all()
    sizes = np.bincount(inner.sum(1), minlength=9)[1:8] / 4000
    kernel = np.array([1 / (s * (8 - s)) for s in range(1, 8)])
    assert sizes == pytest.approx(kernel / kernel.sum(), abs=0.02)
    assert inner.mean(0) == pytest.approx(np.full(8, 0.5), abs=0.03)


def test_replaced_outputs_keep_their_layout() -> None:
    for layout, shape in (("NCHW", (1, 3, 2, 2)), ("NHWC", (1, 2, 2, 3)), ("tokens", (1, 5, 3))):
        kept = torch.rand(shape) + 1
        without = score_cam._without(kept, torch.tensor([2, 0]), layout)  # type: ignore[arg-type]
        for copy, channel in zip(without, (2, 0), strict=True):
            maps, before = to_maps(copy[None], layout), to_maps(kept, layout)  # type: ignore[arg-type]
            assert (maps[channel] == 0).all()
            rest = [index for index in range(3) if index != channel]
            assert torch.equal(maps[rest], before[rest])


def test_titles_and_settings_are_for_people() -> None:
    for row in METHODS.values():
        for setting in row.settings:
            assert setting.low <= setting.default <= setting.high
            assert setting.help.endswith(".")


def test_how_many_patches_a_head_looks_at() -> None:
    assert spread(torch.full((4, 4), 0.05)) == (pytest.approx(16.0), pytest.approx(1 / 16))
    one = torch.zeros(3, 3)
    one[1, 1] = 0.7
    assert spread(one) == (pytest.approx(1.0), pytest.approx(1.0))
    assert spread(torch.tensor([3.0, 1.0]))[1] == pytest.approx(0.75)
    assert spread(torch.zeros(2, 2))[1] == 0.0
