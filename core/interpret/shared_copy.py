"""A network's twin: the same weights in modules of its own, so that looking for long keeps nobody else waiting."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.hooks import RemovableHandle

from core.interpret.probe import Probe

_RELU = {torch.relu, torch.Tensor.relu, nn.functional.relu, nn.functional.relu6}
_RELU_IN_PLACE = {torch.relu_, torch.Tensor.relu_, nn.functional.relu_}
_HARDTANH = {nn.functional.hardtanh, nn.functional.hardtanh_}


def twin_of(network: Any) -> nn.Module:
    """Returns a copy of a network's module in eval mode; weights and buffers share the original's memory.

    Args:
        network: A :class:`core.models.network.Network`.
    """
    with Probe(network) as probe:  # nobody else hooks it or trains it while it is copied
        memo: dict[int, Any] = {}
        for parameter in probe.model.parameters():
            memo[id(parameter)] = nn.Parameter(parameter.detach(), requires_grad=False)
        for buffer in probe.model.buffers():
            memo[id(buffer)] = buffer.detach()
        return copy.deepcopy(probe.model, memo).eval()


class Reached(Exception):
    """The forward pass has come to the layer that is looked at: nothing behind it need run."""


class UpTo:
    """Runs a network up to a layer and no further.

    Args:
        probe: An open probe.
        layer: Name of the layer.
        calls: In which of its calls in one pass, from 1, the pass is ended: the last, as for feature maps.
    """

    def __init__(self, probe: Probe, layer: str, calls: int = 1) -> None:
        self._probe, self._calls = probe, max(1, calls)
        self._module = probe.model.get_submodule(layer)
        self._left = 0
        self._output: Tensor | None = None
        self._handle: RemovableHandle | None = None

    def __enter__(self) -> UpTo:
        self._handle = self._module.register_forward_hook(self._keep)
        return self

    def __exit__(self, *_: object) -> None:
        if self._handle is not None:
            self._handle.remove()
        self._output = None

    def __call__(self, x: Tensor) -> Tensor:
        """Returns the layer's output for images BxCxHxW, still part of autograd's graph."""
        self._left, self._output = self._calls, None
        with suppress(Reached):
            self._probe.model(x)
        found, self._output = self._output, None
        if found is None:
            raise RuntimeError("the layer did not run")
        return found

    def _keep(self, _module: nn.Module, _inputs: Any, output: Any) -> None:
        first = output[0] if type(output) is tuple and output else output
        self._left -= 1
        if isinstance(first, Tensor):
            self._output = first
        if self._left == 0:
            raise Reached


class _Redirected(torch.autograd.Function):
    """A ReLU that lets a gradient through where all of a picture's values are off, so that it can come alive.

    A picture that none of the values lets any gradient through is handed the gradient of those that ought to grow
    (as in Olah et al. 2017); for all other pictures this is the usual ReLU.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, top: float | None, inplace: bool) -> Tensor:
        on = x > 0 if top is None else (x > 0) & (x < top)
        ctx.save_for_backward(on)
        if inplace:
            ctx.mark_dirty(x)
            return x.clamp_(0, top)
        return x.clamp(0, top)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None, None]:
        (on,) = ctx.saved_tensors
        (slope,) = slopes
        usual = slope * on
        stuck = usual.flatten(1).abs().amax(1).eq(0).view(-1, *[1] * (slope.ndim - 1))
        return torch.where(stuck, slope.clamp(min=0), usual), None, None


class Redirecting(TorchFunctionMode):
    """Within it, every ReLU or ReLU6 of this thread is a redirected one, whether a module or a function calls it."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
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
