"""Other ways to the figures of every method, for the matrix: torch-cam, plain autograd, or trying everything.

None of them uses the project's probe or its formulas, nor captum, which carries many of the methods out. Each takes a
:class:`Case` and returns the figures on their own grid, and what they come from; or a word why there is no other way
for this network.
"""

from __future__ import annotations

import copy
import itertools
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.case import Array, Case, Found, logits_of, maps_and_slopes
from benchmarks.references_back import deep_lift, guided, lrp
from core.interpret.attribution.superpixels import superpixels
from core.interpret.layout import require_map_layer


def _by_torchcam(name: str) -> Callable[[Case], Found]:
    def other(case: Case) -> Found:
        if require_map_layer(case.layer, case.network.anatomy) != "NCHW":
            return _by_hand(FORMULAS[name])(case)
        from torchcam import methods

        model = case.network.model
        maps, _slopes = maps_and_slopes(case)
        with getattr(methods, name)(model, case.layer) as extractor:
            logits = model(case.x.clone().requires_grad_())
            (cam,) = extractor(case.target, logits_of(logits), normalized=False)
            seen = extractor.hook_a[0][0].double()
        if not torch.allclose(seen, maps, rtol=1e-3, atol=1e-6):  # what followed the layer worked in place
            return _by_hand(FORMULAS[name])(case)
        return cam[0].detach().double().numpy(), "torch-cam"

    return other


def _by_hand(formula: Callable[[Array, Array], Array]) -> Callable[[Case], Found]:
    def other(case: Case) -> Found:
        maps, slopes = maps_and_slopes(case)
        return np.maximum(formula(maps.numpy(), slopes.numpy()), 0), "plain autograd, numpy"

    return other


def _plus_plus(a: Array, g: Array) -> Array:
    below = 2 * g**2 + a.sum((1, 2), keepdims=True) * g**3
    alpha = np.divide(g**2, below, out=np.zeros_like(g), where=below != 0)
    return ((alpha * np.maximum(g, 0)).sum((1, 2))[:, None, None] * a).sum(0)


def _first_part(rows: Array, up: Array | None = None) -> Array:
    flat = rows.reshape(len(rows), -1).T
    u, s, _ = np.linalg.svd(flat, full_matrices=False)
    part = u[:, 0] * s[0]
    along = part if up is None else part * up.ravel()
    return (part if along.sum() >= 0 else -part).reshape(rows.shape[1:])


def _quotient(above: Array, below: Array) -> Array:
    return np.divide(above, below, out=np.zeros_like(above), where=below != 0)


FORMULAS: dict[str, Callable[[Array, Array], Array]] = {
    "GradCAM": lambda a, g: (g.mean((1, 2))[:, None, None] * a).sum(0),
    "LayerCAM": lambda a, g: (np.maximum(g, 0) * a).sum(0),
    "XGradCAM": lambda a, g: (_quotient((g * a).sum((1, 2)), a.sum((1, 2)))[:, None, None] * a).sum(0),
}


def _saliency(case: Case) -> Found:
    return case.gradient(case.x)[0].abs().amax(0).numpy(), "plain autograd"


def _input_x_gradient(case: Case) -> Found:
    return (case.gradient(case.x) * case.x)[0].sum(0).numpy(), "plain autograd"


def _occlusion(case: Case) -> Found:
    high, wide = case.x.shape[2:]
    side = math.ceil(wide / 7)
    parts = (np.arange(high) // side)[:, None] * 7 + np.arange(wide) // side
    return _falls(case, parts), "one square after another"


def _feature_ablation(case: Case) -> Found:
    return _falls(case, superpixels(case.x, case.settings["regions"])), "one superpixel after another"


def _falls(case: Case, parts: NDArray[np.int64]) -> Array:
    """How far the score falls without each of some parts."""
    numbers, places = np.unique(parts, return_inverse=True)
    left = torch.cat([case.x * torch.from_numpy(parts != number) for number in numbers])
    return (case.scores(case.x)[0] - case.scores(left))[places.reshape(parts.shape)]


def _score_cam(case: Case) -> Found:
    maps, _ = maps_and_slopes(case)
    count = case.settings["channels"]
    order = np.argsort(-maps.flatten(1).std(1, unbiased=False).numpy(), kind="stable")[:count]
    whole, rises = case.scores(case.x)[0], []
    for values in maps[order]:
        mask = F.interpolate(values[None, None], case.x.shape[2:], mode="bilinear", align_corners=False)
        low, high = mask.min(), mask.max()
        mask = (mask - low) / (high - low) if high > low else mask * 0
        rises.append(case.scores(case.x * mask.to(case.x))[0] - whole)
    weights = np.exp(np.array(rises) - max(rises))
    heat = ((weights / weights.sum())[:, None, None] * maps[order].numpy()).sum(0)
    return np.maximum(heat, 0), "one channel after another"


def _ablation_cam(case: Case) -> Found:
    maps, _ = maps_and_slopes(case)
    layout = require_map_layer(case.layer, case.network.anatomy)
    order = np.argsort(-maps.abs().flatten(1).mean(1).numpy(), kind="stable")[: case.settings["channels"]]
    whole, falls = case.scores(case.x)[0], []
    for index in order.tolist():

        def silence(_module: nn.Module, _inputs: Any, output: Any, index: int = index) -> Any:
            tensor = (output[0] if isinstance(output, tuple) else output).clone()
            (tensor if layout == "NCHW" else tensor.movedim(-1, 1))[:, index] = 0
            return (tensor, *output[1:]) if isinstance(output, tuple) else tensor

        handle = case.network.model.get_submodule(case.layer).register_forward_hook(silence)
        falls.append(whole - case.scores(case.x)[0])
        handle.remove()
    return np.maximum((np.array(falls)[:, None, None] * maps[order].numpy()).sum(0), 0), "one channel after another"


def _random_cam(case: Case) -> Found:
    maps, _ = maps_and_slopes(case)
    generator = torch.Generator().manual_seed(case.settings["seed"])
    weights = torch.rand(len(maps), generator=generator, dtype=torch.float64) * 2 - 1
    return np.maximum((weights[:, None, None] * maps).sum(0).numpy(), 0), "plain autograd, numpy"


def _smooth_cam(case: Case) -> Found:
    maps, _ = maps_and_slopes(case)
    totals = [torch.zeros_like(maps) for _ in range(3)]
    for x in _copies(case):
        slope = maps_and_slopes(Case(case.network, x, case.target, {}))[1]
        for power, total in enumerate(totals, 1):
            total += slope**power / case.settings["samples"]
    first, second, third = totals
    below = 2 * second + maps.sum((1, 2), keepdim=True) * third
    alpha = torch.where(below != 0, second / below, torch.zeros_like(below))
    return (((alpha * first.relu()).sum((1, 2))[:, None, None] * maps).sum(0).relu()).numpy(), "copy by copy"


def _copies(case: Case) -> list[Tensor]:
    generator = torch.Generator().manual_seed(case.settings["seed"])
    spread = float(case.x.max() - case.x.min()) * case.settings["noise"] / 100
    noise = [torch.randn(case.x.shape[1:], generator=generator) for _ in range(case.settings["samples"])]
    return [case.x + spread * drawn for drawn in noise]


def _smooth_grad(case: Case) -> Found:
    slopes = torch.cat([case.gradient(x) for x in _copies(case)])
    return slopes.mean(0).abs().amax(0).numpy(), "copy by copy"


def _var_grad(case: Case) -> Found:
    slopes = torch.cat([case.gradient(x) for x in _copies(case)])
    return slopes.var(0, unbiased=False).amax(0).numpy(), "copy by copy"


def _gradient_shap(case: Case) -> Found:
    generator = torch.Generator().manual_seed(case.settings["seed"])
    samples = case.settings["samples"]
    spread = float(case.x.max() - case.x.min()) * case.settings["noise"] / 100
    along = np.random.RandomState(case.settings["seed"]).uniform(size=samples)
    noise = [torch.randn(case.x.shape[1:], generator=generator) for _ in range(samples)]
    ends = torch.cat([case.x + spread * drawn for drawn in noise])
    slopes = torch.cat([case.gradient((end * float(a))[None]) for end, a in zip(ends, along, strict=True)])
    return (slopes * ends).mean(0).sum(0).numpy(), "point by point"


def _integrated(case: Case) -> Found:
    points, weights = np.polynomial.legendre.leggauss(case.settings["steps"])
    slopes = [
        weight / 2 * case.gradient(case.x * (point + 1) / 2) for point, weight in zip(points, weights, strict=True)
    ]
    return (sum(slopes) * case.x)[0].sum(0).numpy(), "point by point"


def _lime(case: Case) -> Found:
    from sklearn.linear_model import Ridge

    parts = superpixels(case.x, case.settings["regions"])
    count = int(parts.max()) + 1
    shown = np.random.default_rng(case.settings["seed"]).random((case.settings["samples"], count)) < 0.5
    shown[0] = True
    scores = np.array([case.scores(case.x * torch.from_numpy(row[parts]))[0] for row in shown])
    cosine = shown.sum(1) / (np.sqrt(shown.sum(1)) * math.sqrt(count) + 1e-300)
    fitted = Ridge(alpha=1.0).fit(shown, scores, sample_weight=np.sqrt(np.exp(-(((1 - cosine) / 0.25) ** 2))))
    return fitted.coef_[parts], "scikit-learn's ridge"


def _shapley(case: Case) -> Found:
    parts = superpixels(case.x, case.settings["regions"])
    count = int(parts.max()) + 1
    subsets = [s for size in range(count + 1) for s in itertools.combinations(range(count), size)]
    scores = case.scores(torch.cat([case.x * torch.from_numpy(np.isin(parts, s)) for s in subsets]))
    table = dict(zip(subsets, scores, strict=True))
    values = np.zeros(count)
    for part in range(count):
        for s, score in table.items():
            if part not in s:
                share = math.factorial(len(s)) * math.factorial(count - len(s) - 1) / math.factorial(count)
                values[part] += share * (table[tuple(sorted((*s, part)))] - score)
    return values[parts], "all coalitions"


class _Asked(nn.Module):
    """An attention that is asked for its weights, and keeps them."""

    def __init__(self, inner: nn.MultiheadAttention, kept: list[Tensor]) -> None:
        super().__init__()
        self.inner, self.kept = inner, kept

    def forward(self, q: Tensor, k: Tensor, v: Tensor, **_named: Any) -> tuple[Tensor, None]:
        inner, heads = self.inner, self.inner.num_heads
        theirs = inner(q, k, v, need_weights=True, average_attn_weights=False)[1]  # no part of the graph
        parts = F.linear(q, inner.in_proj_weight, inner.in_proj_bias).chunk(3, -1)
        a, b, c = (part.reshape(*part.shape[:2], heads, -1) for part in parts)
        weights = torch.einsum("bqhd,bkhd->bhqk", a, b).div(math.sqrt(a.shape[-1])).softmax(-1)
        if not torch.allclose(weights, theirs, atol=1e-5):
            raise ValueError("these are not torch's weights")
        self.kept.append(weights)
        return inner.out_proj(torch.einsum("bhqk,bkhd->bqhd", weights, c).flatten(2)), None


def _attention(case: Case) -> tuple[list[Tensor], Tensor]:
    twin, kept = copy.deepcopy(case.network.model), []
    for block in twin.encoder.layers:  # type: ignore[union-attr]
        block.self_attention = _Asked(block.self_attention, kept)
    for parameter in twin.parameters():
        parameter.requires_grad_(True)
    return kept, twin(case.x.clone().requires_grad_())[0, case.target]


def _rollout(case: Case) -> Found:
    kept, _score = _attention(case)
    reached = None
    for weights in kept:
        mixed = weights[0].detach().double().mean(0)
        mixed = mixed / 2 + torch.eye(len(mixed)) / 2
        reached = mixed if reached is None else mixed @ reached
    side = math.isqrt(len(reached) - 1)
    return reached[0, 1:].reshape(side, side).numpy(), "torch's own weights"


def _gradient_rollout(case: Case) -> Found:
    kept, score = _attention(case)
    slopes = torch.autograd.grad(score, kept)
    reached = torch.eye(kept[0].shape[-1], dtype=torch.float64)
    for weights, slope in zip(kept, slopes, strict=True):
        reached = reached + (weights[0].double() * slope[0].double()).clamp_min(0).mean(0).detach() @ reached
    side = math.isqrt(len(reached) - 1)
    return reached[0, 1:].reshape(side, side).numpy(), "torch's own weights"


REFERENCES: dict[str, Callable[[Case], Found]] = {
    "grad-cam": _by_torchcam("GradCAM"),
    "grad-cam++": _by_hand(_plus_plus),
    "hires-cam": _by_hand(lambda a, g: (a * g).sum(0)),
    "xgrad-cam": _by_hand(FORMULAS["XGradCAM"]),  # torch-cam adds 1e-8 to sums that may be smaller
    "layer-cam": _by_torchcam("LayerCAM"),
    "eigen-cam": _by_hand(lambda a, _g: _first_part(a)),
    "eigen-grad-cam": _by_hand(lambda a, g: _first_part(a * g, (a * g).sum(0))),
    "score-cam": _score_cam,
    "ablation-cam": _ablation_cam,
    "smoothgrad-cam++": _smooth_cam,
    "guided-grad-cam": guided(cam=True),
    "saliency": _saliency,
    "input-x-gradient": _input_x_gradient,
    "integrated-gradients": _integrated,
    "smoothgrad": _smooth_grad,
    "vargrad": _var_grad,
    "gradient-shap": _gradient_shap,
    "guided-backprop": guided(),
    "deconvolution": guided(only_active=False),
    "occlusion": _occlusion,
    "feature-ablation": _feature_ablation,
    "lime": _lime,
    "kernel-shap": _shapley,
    "deep-lift": deep_lift,
    "lrp": lrp,
    "attention-rollout": _rollout,
    "gradient-rollout": _gradient_rollout,
    "random-cam": _random_cam,
}
warnings.filterwarnings("ignore")
