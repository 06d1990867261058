"""Guided backpropagation and deconvolution: the way back is another one at every ReLU.

captum hooks ReLU modules, and so changes nothing, without a word, where a network calls ReLU as a function or has
ReLU6. Here the calls themselves are caught, in this thread alone, and handed to a module of which captum knows; the
network's own modules get no hooks.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from core.interpret.attribution import cam as cams
from core.interpret.attribution import gradients
from core.interpret.attribution.method import AttributionRequest, Attributor
from core.interpret.forward import Forward
from core.interpret.op_trace import RELUS, function_name

Function = Callable[[Tensor], Tensor]


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
        self, func: Callable[..., Any], types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> object:
        named = dict(kwargs or {})
        rule = self._rules.get(function_name(func))
        if rule is not None:
            found = rule(func, *args, **named)
            if found is not NotImplemented:
                return found
        return func(*args, **named)


def elementwise(bend: Callable[[Tensor, Function], Tensor]) -> Callable[..., Any]:
    """Makes the replacement of a function that works value by value, in place where that was asked for.

    Args:
        bend: Takes what comes in and the function to what goes out.
    """

    def replace(func: Callable[..., Any], x: object, *args: Any, **named: Any) -> object:
        if not isinstance(x, Tensor) or not x.requires_grad:
            return NotImplemented
        in_place = False

        def function(value: Tensor) -> Tensor:
            nonlocal in_place
            copy = value.clone()
            found: Tensor = func(copy, *args, **named)
            in_place = found is copy
            return found

        out = bend(x, function)
        return x.copy_(out) if in_place else out

    return replace


class _Relus(nn.Module):
    """A network whose every ReLU, module or function, in place or not, is a module to hook, which is not its own."""

    def __init__(self, forward: Forward) -> None:
        super().__init__()
        self._forward, self._relu = forward, _Relu()

    def forward(self, x: Tensor) -> Tensor:
        """Returns the scores of images."""
        with Rules(dict.fromkeys(RELUS, elementwise(self._relu.bend))):
            return self._forward(x)


class _Relu(nn.ReLU):
    """Any kind of ReLU."""

    def bend(self, x: Tensor, function: Function) -> Tensor:
        self._function = function
        found: Tensor = self(x.clone())  # what is hooked is used nowhere else, and goes back right behind its ReLU
        return found

    def forward(self, x: Tensor) -> Tensor:
        return self._function(x)


def _hooked(request: AttributionRequest, kind: Callable[[nn.Module], Attributor]) -> Tensor:
    """Lets captum hook all ReLUs on the way back, CxHxW, float64 on the CPU."""
    warnings.filterwarnings("ignore", "Setting backward hooks on ReLU")
    return gradients.attributed(lambda forward: kind(_Relus(forward)), request)


def guided_gradient(request: AttributionRequest) -> Tensor:
    """Returns the guided gradient, CxHxW, float64 on the CPU."""
    from captum.attr import GuidedBackprop

    return _hooked(request, GuidedBackprop)


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
    from captum.attr import Deconvolution

    return gradients.strongest(_hooked(request, Deconvolution))


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
