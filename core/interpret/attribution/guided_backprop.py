"""Guided backpropagation and deconvolution: the way back is another one at every ReLU.

captum hooks ReLU modules, and so changes nothing, without a word, where a network calls ReLU as a function, and fails
on those that work in place. Here the calls themselves are caught, in this thread alone: no module is touched.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from core.interpret.attribution import cam as cams
from core.interpret.attribution import gradients
from core.interpret.attribution.method import AttributionRequest
from core.interpret.op_trace import RELUS, function_name

Function = Callable[[Tensor], Tensor]
Rule = Callable[[Tensor, Tensor, Tensor, Function], Tensor]
"""What came in, what went out, the gradient from above and the function, to the gradient handed down."""

_IN_PLACE_AT = {
    "relu": 0,
    "relu6": 0,
    "silu": 0,
    "hardswish": 0,
    "hardsigmoid": 0,
    "mish": 0,
    "selu": 0,
    "elu": 1,
    "celu": 1,
    "leaky_relu": 1,
    "hardtanh": 2,
    "threshold": 2,
}
"""At which place behind the tensor these functions are told whether to work in place."""


class _Ruled(torch.autograd.Function):
    """A function of one tensor whose way back is given."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, function: Function, rule: Rule) -> Tensor:
        out = function(x.detach())
        ctx.save_for_backward(x, out)
        ctx.rule, ctx.function = rule, function
        return out.clone()  # what follows may work in place

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        x, out = ctx.saved_tensors
        return ctx.rule(x, out, grads[0], ctx.function), None, None


def ruled(x: Tensor, function: Function, rule: Rule) -> Tensor:
    """Returns ``function(x)`` with a way back of its own."""
    found: Tensor = _Ruled.apply(x.clone(), function, rule)
    return found


class Rules(TorchFunctionMode):
    """Gives functions another way back while a network runs, in this thread only.

    Args:
        rules: Plain name of a torch function -> what replaces it: the function and its arguments to the result, or
            ``NotImplemented`` to let it be.
    """

    def __init__(self, rules: Mapping[str, Callable[..., Any]]) -> None:
        super().__init__()
        self._rules = rules

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        named = dict(kwargs or {})
        rule = self._rules.get(function_name(func))
        if rule is not None:
            found = rule(func, *args, **named)
            if found is not NotImplemented:
                return found
        return func(*args, **named)


def elementwise(rule: Rule) -> Callable[..., Any]:
    """Makes the replacement of a function that works value by value, in place where that was asked for."""

    def replace(func: Any, x: Tensor, *args: Any, **named: Any) -> Any:
        if not isinstance(x, Tensor) or not x.requires_grad:
            return NotImplemented
        name = function_name(func)
        in_place = bool(named.pop("inplace", False)) or name.endswith("_")
        place = _IN_PLACE_AT.get(name, len(args))
        if len(args) > place:
            in_place, args = in_place or bool(args[place]), args[:place]
        out = ruled(x, lambda value: func(value.clone(), *args, **named), rule)
        return x.copy_(out) if in_place else out

    return replace


def _guided(x: Tensor, out: Tensor, gradient: Tensor, _function: Function) -> Tensor:
    return gradient.clamp_min(0) * ((out > 0) & (out == x))


def _deconvolved(_x: Tensor, _out: Tensor, gradient: Tensor, _function: Function) -> Tensor:
    return gradient.clamp_min(0)


def _rewritten(request: AttributionRequest, rule: Rule) -> Tensor:
    with Rules(dict.fromkeys(RELUS, elementwise(rule))):
        return gradients.gradient(request)


def guided_gradient(request: AttributionRequest) -> Tensor:
    """Returns the guided gradient, CxHxW, float64 on the CPU."""
    return _rewritten(request, _guided)


def guided_backprop(request: AttributionRequest) -> Tensor:
    """Goes back through active ReLUs only, with positive gradients only (Springenberg et al. 2014, arXiv:1412.6806).

    Returns:
        HxW: the largest magnitude of a pixel's colours, float64 on the CPU.
    """
    return gradients.strongest(guided_gradient(request))


def deconvolution(request: AttributionRequest) -> Tensor:
    """Goes back with positive gradients only, whatever was active (Zeiler and Fergus 2013, arXiv:1311.2901).

    Returns:
        HxW: the largest magnitude of a pixel's colours, float64 on the CPU.
    """
    return gradients.strongest(_rewritten(request, _deconvolved))


def guided_grad_cam(request: AttributionRequest) -> Tensor:
    """Multiplies guided backpropagation with Grad-CAM (Selvaraju et al. 2017, arXiv:1610.02391).

    Returns:
        HxW, not negative, float64 on the CPU.
    """
    aim = request.aim
    found = cams.layer_pass(request.network, request.x, target=aim.target, against=aim.against, layer=request.layer)
    cam = cams.grad_cam(found.activations, found.gradients)
    cam = F.interpolate(cam[None, None], request.x.shape[2:], mode="bilinear", align_corners=False)[0, 0]
    return gradients.strongest(guided_gradient(request) * cam)
