"""Other ways to the figures of the methods with a way back of their own: guided backpropagation, DeepLift and LRP."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.fx
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.case import Array, Case, Found, logits_of, maps_and_slopes

_BENT = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.Hardtanh, nn.ELU, nn.SiLU, nn.Tanh, nn.Sigmoid, nn.Hardswish)
_BENDS = (F.relu, torch.relu, F.relu6, F.leaky_relu, F.hardtanh)


def guided(*, only_active: bool = True, cam: bool = False) -> Callable[[Case], Found]:
    """Guided backpropagation, deconvolution (all ReLUs, active or not), or guided Grad-CAM."""

    def other(case: Case) -> Found:
        twin = _with_backs(case.network.model, only_active)
        if twin is None:
            return None, "a network that cannot be traced"
        leaf = case.x.clone().requires_grad_()
        (found,) = torch.autograd.grad(logits_of(twin(leaf))[0, case.target], leaf)[0]
        if cam:
            maps, slopes = maps_and_slopes(case)
            heat = (slopes.mean((1, 2))[:, None, None] * maps).sum(0).relu()
            size = case.x.shape[2:]
            found = found * F.interpolate(heat[None, None], size, mode="bilinear", align_corners=False)[0]
        return found.abs().amax(0).double().numpy(), "plain autograd through other ReLUs"

    return other


class _Back(torch.autograd.Function):
    """A ReLU (up to a value) that hands positive gradients on, and those only where it is active if it is told so."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, top: float, only_active: bool) -> Tensor:
        ctx.save_for_backward((x > 0) & (x < top) | torch.tensor(not only_active))
        return x.clamp(0, top)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        return grads[0].clamp_min(0) * ctx.saved_tensors[0], None, None


def _bent(x: Tensor, top: float, only_active: bool) -> Tensor:
    return _Back.apply(x, top, only_active)


def _with_backs(model: nn.Module, only_active: bool) -> nn.Module | None:
    """Copies a network and gives every call of a ReLU or ReLU6 another way back; ``None`` where that fails."""
    try:
        twin = torch.fx.symbolic_trace(copy.deepcopy(model))
    except Exception:  # noqa: BLE001 - networks with ways of their own cannot be traced
        return None
    for node in list(twin.graph.nodes):
        called = twin.get_submodule(str(node.target)) if node.op == "call_module" else node.target
        top = 6.0 if isinstance(called, nn.ReLU6) or called is F.relu6 else math.inf
        if isinstance(called, nn.ReLU | nn.ReLU6) or called in (F.relu, F.relu6, torch.relu, "relu", "relu_"):
            with twin.graph.inserting_after(node):
                other = twin.graph.call_function(_bent, (node.args[0], top, only_active))
            node.replace_all_uses_with(other)
            twin.graph.erase_node(node)
    twin.recompile()
    return twin


def deep_lift(case: Case) -> Found:
    """DeepLift's shares along straight lines; where a network cannot be traced, only what they add up to."""
    try:
        return secant_shares(case.network.model, case.x, case.target), "straight lines, plain autograd"
    except torch.fx.proxy.TraceError:
        rise = case.scores(case.x)[0] - case.scores(torch.zeros_like(case.x))[0]
        return np.array([[rise]]), "adds up to the score's rise"


def secant_shares(model: nn.Module, x: Tensor, target: int) -> Array:
    """Works out DeepLift's rescale rule without a rule for any way back.

    Beside the picture and the reference a third row goes through the network, on which every nonlinearity is the
    straight line through what the other two got and gave. Its plain gradient holds DeepLift's multipliers.

    Args:
        model: A network that torch.fx can trace, in eval mode.
        x: One image, 1xCxHxW; the reference is zero.
        target: The class.

    Returns:
        HxW, colours summed.
    """
    twin = _Secants(torch.fx.symbolic_trace(copy.deepcopy(model).double()))
    picture = x.detach().double()
    line = picture.clone().requires_grad_()
    logits = twin.run(torch.cat([picture, torch.zeros_like(picture), line]))
    if not torch.allclose(logits[0], logits[2]):  # at the picture the line is the network itself
        raise ValueError("the straight lines lead elsewhere")
    (slope,) = torch.autograd.grad(logits[2, target], line)
    return (slope * picture)[0].sum(0).numpy()


class _Secants(torch.fx.Interpreter):
    """Runs a network on three rows, of which the last takes straight lines."""

    def call_module(self, target: Any, args: Any, kwargs: Any) -> Any:
        module = self.fetch_attr(target)
        if isinstance(module, _BENT):
            return _line(module, args[0])
        if isinstance(module, nn.MaxPool2d):
            how = (module.kernel_size, module.stride, module.padding, module.dilation, module.ceil_mode)
            return _pool_line(args[0], how, {})
        return super().call_module(target, args, kwargs)

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        if target in _BENDS:
            return _line(lambda x: target(x, *args[1:], **kwargs), args[0])
        if target is F.max_pool2d:
            return _pool_line(args[0], args[1:], {**kwargs, "return_indices": True})
        return super().call_function(target, args, kwargs)

    def call_method(self, target: Any, args: Any, kwargs: Any) -> Any:
        if target in ("relu", "relu_"):
            return _line(torch.relu, args[0])
        return super().call_method(target, args, kwargs)


def _line(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    with torch.no_grad():
        ends = function(x[:2].clone())
        away = x[:1] - x[1:2]
        rise = ends[:1] - ends[1:]
    with torch.enable_grad():
        point = x[:1].detach().clone().requires_grad_()
        (plain,) = torch.autograd.grad(function(point.clone()).sum(), point)
    slope = torch.where(away.abs() > 1e-12, rise / torch.where(away == 0, 1.0, away), plain)
    return torch.cat([ends, ends[1:] + slope * (x[2:] - x[1:2].detach())])


def _pool_line(x: Tensor, how: Any, named: dict[str, Any]) -> Tensor:
    """A max pool's rise is the picture's largest value less the reference's, each at its own place."""
    with torch.no_grad():
        ends, places = F.max_pool2d(x[:2], *how, **{**named, "return_indices": True})
        most = ends.amax(0, keepdim=True)
        away = (x[:1] - x[1:2]).flatten(2)
    found = ends[1:]
    for place, part in ((places[:1], most - ends[1:]), (places[1:], ends[:1] - most)):
        at = place.flatten(2)
        apart = away.gather(2, at)
        slope = torch.where(apart == 0, 0.0, part.flatten(2) / torch.where(apart == 0, 1.0, apart))
        walked = (x[2:] - x[1:2].detach()).flatten(2).gather(2, at)
        found = found + (slope * walked).view_as(found)
    return torch.cat([ends, found])


def lrp(case: Case) -> Found:
    """LRP one layer after another: the epsilon rule, and the gamma rule for all convolutions but the first."""
    chain = _Chain(torch.fx.symbolic_trace(copy.deepcopy(case.network.model).double()))
    logits = chain.run(case.x.double())
    if any(isinstance(module, nn.BatchNorm2d) for module, _x in chain.steps):
        return None, "a BatchNorm that would have to be fused first"
    relevance = torch.zeros_like(logits)
    relevance[0, case.target] = logits[0, case.target]
    inner = [module for module, _x in chain.steps if isinstance(module, nn.Conv2d)][1:]
    for module, x in reversed(chain.steps):
        if isinstance(module, nn.ReLU | nn.Dropout):
            continue
        if module in inner:
            with torch.no_grad():
                module.weight += case.settings["gamma"] / 100 * module.weight.clamp_min(0)
        leaf = x.clone().requires_grad_()
        out = module(leaf)
        shares = relevance / torch.where(out < 0, out - 1e-9, out + 1e-9)
        (slope,) = torch.autograd.grad(out, leaf, shares.detach())
        relevance = (leaf * slope).detach()
    return relevance[0].sum(0).numpy(), "layer by layer, plain autograd"


class _Chain(torch.fx.Interpreter):
    """Runs a network and keeps each step with what came into it."""

    def __init__(self, module: torch.fx.GraphModule) -> None:
        super().__init__(module)
        self.steps: list[tuple[Any, Tensor]] = []

    def call_module(self, target: Any, args: Any, kwargs: Any) -> Any:
        module = self.fetch_attr(target)
        if hasattr(module, "inplace"):
            module.inplace = False
        self.steps.append((module, args[0].detach()))
        return super().call_module(target, args, kwargs)

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        self.steps.append((lambda x: target(x, *args[1:], **kwargs), args[0].detach()))
        return super().call_function(target, args, kwargs)
