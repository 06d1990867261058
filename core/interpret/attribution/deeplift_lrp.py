"""Relevance handed back layer by layer: DeepLift and LRP.

captum's DeepLift needs a module of its own for every ReLU call and overwrites where windows of a max pool overlap; its
LRP changes the weights of the network while it works. Here the calls of functions are caught instead, in this thread
alone, so reused ReLUs and functional ones are as good as any, and nothing of the network is touched.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from core.interpret.attribution.gradients import leaf
from core.interpret.attribution.guided_backprop import Function, Rules, elementwise, ruled
from core.interpret.attribution.method import AttributionRequest
from core.interpret.forward import ask
from core.interpret.op_trace import GATES, RELUS, SMOOTH
from core.interpret.probe import Probe

_NEAR = 1e-5  # values that differ by less, relative to their size, count as equal
_STABLE = 1e-9  # keeps a quotient finite, as in the papers
POOLS = ("max_pool2d", "adaptive_max_pool2d")


def deep_lift(request: AttributionRequest) -> Tensor:
    """Hands the score's rise above that of the mean colour back, by DeepLift's rescale rule (Shrikumar et al. 2017).

    At every nonlinearity the slope is the rise of what goes out over the rise of what comes in (arXiv:1704.02685). All
    pixels together add up to the logit's rise above that of a plain mean-coloured picture.

    Returns:
        HxW, colours summed, signed, float64 on the CPU.
    """
    rules: dict[str, Callable[..., Any]] = dict.fromkeys(RELUS | SMOOTH | GATES, elementwise(_rescaled))
    rules |= dict.fromkeys(POOLS, _pooled)
    with Probe(request.network, grad=True) as probe:
        both = leaf(torch.cat([request.x, torch.zeros_like(request.x)]), probe)
        with Rules(rules):
            score = request.aim.scores(ask(probe, request.network, both.clone()))[0]
            slope = torch.autograd.grad(score, both, allow_unused=True)[0] if score.requires_grad else None
    if request.progress is not None:
        request.progress(1, 1)
    slopes = torch.zeros_like(both) if slope is None else slope
    return (slopes[0].detach().cpu().double() * request.x[0].detach().cpu().double()).sum(0)


def _rescaled(x: Tensor, out: Tensor, gradient: Tensor, function: Function) -> Tensor:
    rise, away = out[:1] - out[1:], x[:1] - x[1:]
    apart = _apart(away, x)
    with torch.enable_grad():
        point = x[:1].detach().requires_grad_()
        (plain,) = torch.autograd.grad(function(point).sum(), point)
    slope = torch.where(apart, rise / torch.where(apart, away, torch.ones_like(away)), plain)
    return torch.cat([gradient[:1] * slope, torch.zeros_like(gradient[1:])])


def _apart(away: Tensor, x: Tensor) -> Tensor:
    return away.abs() > _NEAR * torch.maximum(x[:1].abs(), x[1:].abs())


class _DeltaPool(torch.autograd.Function):
    """A max pool whose way back splits the rise between where the picture and where the reference is largest."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, pool: Callable[[Tensor], tuple[Tensor, Tensor]]) -> Tensor:
        out, places = pool(x.detach())
        ctx.save_for_backward(x, out, places)
        return out.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        x, out, places = ctx.saved_tensors
        gradient, away = grads[0][:1], x[:1] - x[1:]
        most = torch.maximum(out[:1], out[1:])
        empty = torch.zeros_like(away).flatten(2)
        here, there = places[:1].flatten(2), places[1:].flatten(2)
        shares = empty.scatter_add(2, here, (gradient * (most - out[1:])).flatten(2))
        shares = shares.scatter_add(2, there, (gradient * (out[:1] - most)).flatten(2)).view_as(away)
        plain = empty.scatter_add(2, here, gradient.flatten(2)).view_as(away)
        apart = _apart(away, x)
        down = torch.where(apart, shares / torch.where(apart, away, torch.ones_like(away)), plain)
        return torch.cat([down, torch.zeros_like(down)]), None


def _pooled(func: Any, x: Tensor, *args: Any, **named: Any) -> Any:
    if not x.requires_grad or named.pop("return_indices", False):
        return NotImplemented
    if func in (F.max_pool2d, torch.max_pool2d):
        keys = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
        given = dict(zip(keys, args, strict=False)) | named

        def pool(value: Tensor) -> tuple[Tensor, Tensor]:
            found: tuple[Tensor, Tensor] = F.max_pool2d(value, **given, return_indices=True)
            return found

    else:
        size = args[0] if args else named["output_size"]

        def pool(value: Tensor) -> tuple[Tensor, Tensor]:
            found: tuple[Tensor, Tensor] = F.adaptive_max_pool2d(value, size, return_indices=True)
            return found

    return _DeltaPool.apply(x.clone(), pool)


def layer_wise_relevance(request: AttributionRequest) -> Tensor:
    """Hands the class's score back layer by layer, to each input in the share it had (Bach et al. 2015, PLOS ONE 10).

    Dense layers and the first one share by the epsilon rule; the convolutions behind it favour what spoke for a value,
    by the gamma rule (Montavon et al. 2019). BatchNorm right behind a convolution counts as part of it, ReLUs hand on
    what they get, max pools to where they took it from.

    Args:
        request: ``gamma`` of its settings is by how many % positive weights count more; 0 for the epsilon rule
            everywhere.

    Returns:
        HxW, colours summed, signed, float64 on the CPU.
    """
    shares = _Shares(request.settings["gamma"] / 100)
    rules: dict[str, Callable[..., Any]] = dict.fromkeys(RELUS, shares.bend)
    rules |= {"conv2d": shares.convolve, "linear": shares.linear, "batch_norm": shares.normalise}
    rules |= dict.fromkeys(("avg_pool2d", "adaptive_avg_pool2d"), shares.weigh)
    with Probe(request.network, grad=True) as probe:
        image = leaf(request.x, probe)
        with Rules(rules):
            logits = ask(probe, request.network, image.clone())
            start = torch.zeros_like(logits)
            start[0, request.aim.target] = logits[0, request.aim.target].detach()
            if request.aim.against is not None:
                start[0, request.aim.against] = -logits[0, request.aim.against].detach()
            (relevance,) = torch.autograd.grad(logits, image, start)
    if request.progress is not None:
        request.progress(1, 1)
    return relevance[0].detach().cpu().double().sum(0)


class _Shares:
    """The functions whose inputs share what their output is worth."""

    def __init__(self, gamma: float) -> None:
        self._gamma = gamma
        self._first = True
        self._last: tuple[Tensor, Tensor, Tensor, Tensor | None, dict[str, Any], float] | None = None

    def convolve(
        self, _func: Any, x: Tensor, weight: Tensor, bias: Tensor | None = None, *args: Any, **named: Any
    ) -> Any:
        keys = ("stride", "padding", "dilation", "groups")
        how = dict(zip(keys, args, strict=False)) | named
        gamma, self._first = 0.0 if self._first else self._gamma, False
        out = _shared(x, lambda value, w: F.conv2d(value, w, bias, **how), weight, gamma)
        self._last = (out, x, weight, bias, how, gamma)
        return out

    def bend(self, func: Any, x: Tensor, *args: Any, **named: Any) -> Any:
        self._last = None  # where it worked in place, what it gives is the convolution's own tensor
        return _unbent(func, x, *args, **named)

    def linear(self, _func: Any, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Any:
        self._first = False
        return _shared(x, lambda value, w: F.linear(value, w, bias), weight, 0.0)

    def normalise(
        self,
        func: Any,
        x: Tensor,
        mean: Tensor,
        variance: Tensor,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
        **named: Any,
    ) -> Any:
        """Takes a BatchNorm together with the convolution right before it; any other shares by itself."""
        if self._last is None or self._last[0] is not x:
            given = (mean, variance, weight, bias, training, momentum, eps)
            return self.weigh(func, x, *given, **named)
        _out, source, kernel, before, how, gamma = self._last
        scale = (variance + eps).rsqrt() * (1 if weight is None else weight)
        shift = (0 if before is None else before) - mean
        joint = scale * shift + (0 if bias is None else bias)
        return _shared(
            source, lambda value, w: F.conv2d(value, w, joint, **how), kernel * scale[:, None, None, None], gamma
        )

    def weigh(self, func: Any, x: Tensor, *args: Any, **named: Any) -> Any:
        return _shared(x, lambda value, _w: func(value, *args, **named), x.new_zeros(()), 0.0)


_unbent = elementwise(lambda _x, _out, gradient, _function: gradient)
"""A nonlinearity that hands on what it gets."""


def _shared(x: Tensor, function: Callable[[Tensor, Tensor], Tensor], weight: Tensor, gamma: float) -> Tensor:
    """Runs a linear function whose way back hands relevance on by the gamma rule (epsilon where gamma is 0)."""
    favoured = weight + gamma * weight.clamp_min(0) if gamma else weight

    def share(entered: Tensor, _out: Tensor, relevance: Tensor, _function: Function) -> Tensor:
        with torch.enable_grad():
            point = entered.detach().requires_grad_()
            worth = function(point, favoured)
            part = relevance / (worth + _STABLE * torch.where(worth >= 0, 1.0, -1.0).to(worth))
            (slope,) = torch.autograd.grad(worth, point, part.detach())
        return slope * entered

    return ruled(x, lambda value: function(value, weight), share)
