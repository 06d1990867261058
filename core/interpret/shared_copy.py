"""A copy of a network that shares its weights, so that long computations do not hold the network's lock."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from core.interpret.probe import Probe

if TYPE_CHECKING:
    from core.models.network import Network

_RELU = {torch.relu, torch.Tensor.relu, nn.functional.relu, nn.functional.relu6}
_RELU_IN_PLACE = {torch.relu_, torch.Tensor.relu_, nn.functional.relu_}
_HARDTANH = {nn.functional.hardtanh, nn.functional.hardtanh_}


def shared_copy(network: Network | nn.Module) -> nn.Module:
    """Returns a copy of a network's module in eval mode; weights and buffers share the original's memory.

    Args:
        network: A network, or its module.
    """
    with Probe(network) as probe:  # locked: not hooked or trained while it is copied
        memo: dict[int, Any] = {}
        for parameter in probe.model.parameters():
            memo[id(parameter)] = nn.Parameter(parameter.detach(), requires_grad=False)
        for buffer in probe.model.buffers():
            memo[id(buffer)] = buffer.detach()
        return copy.deepcopy(probe.model, memo).eval()


class _Redirected(torch.autograd.Function):
    """A ReLU that lets a gradient through where all of a picture's values are off, so that it can come alive.

    A picture whose values all block the gradient receives the gradient of those that ought to grow
    (as in Olah et al. 2017); for all other pictures this is the usual ReLU.
    """

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor, top: float | None, inplace: bool) -> Tensor:
        on = x > 0 if top is None else (x > 0) & (x < top)
        ctx.save_for_backward(on)
        if inplace:
            ctx.mark_dirty(x)
            return x.clamp_(0, top)
        return x.clamp(0, top)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (on,) = ctx.saved_tensors  # type: ignore[attr-defined]
        (gradient,) = gradients
        usual = gradient * on
        stuck = usual.flatten(1).abs().amax(1).eq(0).view(-1, *[1] * (gradient.ndim - 1))
        return torch.where(stuck, gradient.clamp(min=0), usual), None, None


class Redirecting(TorchFunctionMode):
    """Within it, every ReLU or ReLU6 of this thread is a redirected one, whether a module or a function calls it."""

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> object:
        given = kwargs or {}
        if func in _RELU or func in _RELU_IN_PLACE:
            x = args[0] if args else given["input"]
            inplace = func in _RELU_IN_PLACE or bool(given.get("inplace", args[1] if len(args) > 1 else False))
            return _Redirected.apply(x, 6.0 if func is nn.functional.relu6 else None, inplace)
        if func in _HARDTANH:
            x, low, high, inplace = _hardtanh(*args, **given)
            if low == 0:
                return _Redirected.apply(x, high, inplace or func is nn.functional.hardtanh_)
        return func(*args, **given)


def _hardtanh(
    input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> tuple[Tensor, float, float, bool]:
    return input, min_val, max_val, inplace
