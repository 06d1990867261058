"""Relevance handed back layer by layer: DeepLift and LRP.

captum's DeepLift needs a module of its own for every ReLU call and overwrites where windows of a max pool overlap. Here
the calls of functions are caught instead, in this thread alone, so reused ReLUs and functional ones are as good as any,
and nothing of the network is touched. captum's LRP, which needs modules too and changes their weights while it works,
is given modules made of the calls.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torch.overrides import TorchFunctionMode

from core.interpret.attribution.guided_backprop import Function, Rules, elementwise
from core.interpret.attribution.method import AttributionRequest
from core.interpret.forward import ask
from core.interpret.op_trace import GATES, RELUS, SMOOTH, function_name
from core.interpret.probe import Probe, device_of

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
    rules: dict[str, Callable[..., Any]] = dict.fromkeys(
        RELUS | SMOOTH | GATES, elementwise(lambda x, function: _Rescaled.apply(x.clone(), function))
    )
    rules |= dict.fromkeys(POOLS, _pooled)
    with Probe(request.network, grad=True) as probe:
        both = torch.cat([request.x, torch.zeros_like(request.x)]).to(device_of(probe.model)).requires_grad_()
        with Rules(rules):
            score = request.aim.scores(ask(probe, request.network, both.clone()))[0]
            slope = torch.autograd.grad(score, both, allow_unused=True)[0] if score.requires_grad else None
    if request.progress is not None:
        request.progress(1, 1)
    slopes = torch.zeros_like(both) if slope is None else slope
    return (slopes[0].detach().cpu().double() * request.x[0].detach().cpu().double()).sum(0)


class _Rescaled(torch.autograd.Function):
    """A function that works value by value, whose slope is the rise of what goes out over that of what comes in."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, function: Function) -> Tensor:
        out = function(x.detach())
        ctx.save_for_backward(x, out)
        ctx.function = function  # type: ignore[attr-defined]
        return out.clone()  # what follows may work in place

    @staticmethod
    def backward(ctx: FunctionCtx, *grads: Tensor) -> tuple[Tensor, None]:
        x, out = ctx.saved_tensors  # type: ignore[attr-defined]
        gradient, rise, away = grads[0][:1], out[:1] - out[1:], x[:1] - x[1:]
        apart = _apart(away, x)
        with torch.enable_grad():
            point = x[:1].detach().requires_grad_()
            (plain,) = torch.autograd.grad(ctx.function(point).sum(), point)  # type: ignore[attr-defined]
        slope = torch.where(apart, rise / torch.where(apart, away, torch.ones_like(away)), plain)
        return torch.cat([gradient * slope, torch.zeros_like(gradient)]), None


def _apart(away: Tensor, x: Tensor) -> Tensor:
    return away.abs() > _NEAR * torch.maximum(x[:1].abs(), x[1:].abs())


class _DeltaPool(torch.autograd.Function):
    """A max pool whose way back splits the rise between where the picture and where the reference is largest."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, pool: Callable[[Tensor], tuple[Tensor, Tensor]]) -> Tensor:
        out, places = pool(x.detach())
        ctx.save_for_backward(x, out, places)
        return out.clone()

    @staticmethod
    def backward(ctx: FunctionCtx, *grads: Tensor) -> tuple[Tensor, None]:
        x, out, places = ctx.saved_tensors  # type: ignore[attr-defined]
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


def _pooled(func: Callable[..., Any], x: Tensor, *args: Any, **named: Any) -> object:
    if not x.requires_grad or named.pop("return_indices", False):
        return NotImplemented
    pool = F.adaptive_max_pool2d if "adaptive" in function_name(func) else F.max_pool2d
    return _DeltaPool.apply(x.clone(), lambda value: pool(value, *args[:5], **named, return_indices=True))


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
    from captum.attr import LRP
    from captum.attr._utils.lrp_rules import EpsilonRule

    x = request.x.to(device_of(request.network.model))
    with Probe(request.network) as probe, _Calls(x, request.settings["gamma"] / 100) as calls:
        logits = ask(probe, request.network, x)
    if calls.now is not logits:
        raise TypeError("the calls are no chain from the picture to the logits")
    chain = nn.Sequential(*calls.steps, _Step(request.aim.scores, EpsilonRule()))
    relevance: Tensor = LRP(chain).attribute(x.clone().requires_grad_())
    if request.progress is not None:
        request.progress(1, 1)
    return relevance[0].detach().cpu().double().sum(0)


class _Step(nn.Module):
    """A call of a function as a module, which captum's LRP can give other weights without touching the network's.

    Args:
        function: Takes what comes in, and weight and bias where there are some.
        rule: captum's rule for how the inputs share.
        given: What the call gave, which captum's first pass need not work out again.
        weights: Weight, which captum may replace, and bias; they share the network's memory.
    """

    weight: Any

    def __init__(
        self, function: Callable[..., Tensor], rule: object, given: Tensor | None = None, *weights: Tensor | None
    ) -> None:
        super().__init__()
        self.function, self.rule, self.given = function, rule, given
        self.weight, self.bias = (None if part is None else part.detach() for part in weights or (None, None))

    def forward(self, x: Tensor) -> Tensor:
        """Calls the function, but for the first time."""
        given, self.given = self.given, None
        if given is not None:
            return given
        return self.function(x) if self.weight is None else self.function(x, self.weight, self.bias)


class _Calls(TorchFunctionMode):
    """Makes a step of every function that a picture goes through, one after the other.

    Args:
        x: The picture.
        gamma: How much more positive weights count in all convolutions but the first.
    """

    def __init__(self, x: Tensor, gamma: float) -> None:
        super().__init__()
        self.steps: list[_Step] = []
        self.now, self._gamma, self._before = x, gamma, ""

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> object:
        named = dict(kwargs or {})
        result = func(*args, **named)
        if isinstance(result, Tensor) and result.is_floating_point():
            x, *rest = args or (named.pop("input", None),)
            if x is self.now:
                self.now = result
                self._note(func, result, rest, named)
        return result

    def _note(self, func: Callable[..., Any], result: Tensor, rest: list[Any], named: dict[str, Any]) -> None:
        from captum.attr._utils.lrp_rules import EpsilonRule, GammaRule, IdentityRule

        name, before, self._before = function_name(func), self._before, ""
        if name in ("conv2d", "linear"):
            weight = rest.pop(0) if rest else named.pop("weight")
            bias = rest.pop(0) if rest else named.pop("bias", None)
            inner = any(step.weight is not None for step in self.steps)
            rule = GammaRule(self._gamma) if inner and name == "conv2d" else EpsilonRule()
            self.steps.append(_Step(lambda x, w, b: func(x, w, b, *rest, **named), rule, result, weight, bias))
            self._before = name
        elif name == "batch_norm" and before == "conv2d":
            step, norm = self.steps.pop(), signature(F.batch_norm).bind(result, *rest, **named)
            norm.apply_defaults()
            parts = (norm.arguments[part] for part in ("running_mean", "running_var", "eps", "weight", "bias"))
            joint = fuse_conv_bn_weights(step.weight, step.bias, *parts)
            self.steps.append(_Step(step.function, step.rule, result, *joint))
        else:
            rule = IdentityRule() if name in RELUS else EpsilonRule()
            self.steps.append(_Step(lambda x: func(x.clone(), *rest, **named), rule, result))  # it may work in place
