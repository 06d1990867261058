"""What a network does on its way: which functions it calls, and where two things that depend on the picture meet.

Modules do not show it: GoogLeNet's ReLUs are mere function calls, residual sums are operators. One forward pass
with every call recorded does.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from core.interpret.forward import ask
from core.interpret.probe import Probe, device_of, dtype_of, model_of

if TYPE_CHECKING:
    from core.models.network import Network

RELUS = frozenset({"relu", "relu_", "relu6", "hardtanh", "hardtanh_", "threshold", "threshold_", "clamp_min"})
SMOOTH = frozenset(
    {
        "silu",
        "silu_",
        "gelu",
        "hardswish",
        "hardswish_",
        "elu",
        "elu_",
        "leaky_relu",
        "leaky_relu_",
        "selu",
        "selu_",
        "mish",
        "tanh",
        "tanh_",
        "prelu",
        "celu",
        "celu_",
        "softplus",
        "rrelu",
    }
)
"""Nonlinearities that let something through below zero."""
GATES = frozenset({"sigmoid", "sigmoid_", "hardsigmoid", "hardsigmoid_"})
MIXES = frozenset(
    {
        "softmax",
        "layer_norm",
        "group_norm",
        "instance_norm",
        "rms_norm",
        "normalize",
        "scaled_dot_product_attention",
        "multi_head_attention_forward",
        "_native_multi_head_attention",
    }
)
"""Functions in which values are multiplied or divided by others of the same picture."""
_PRODUCTS = ("mul", "matmul", "bmm", "einsum", "div", "pow", "addcmul", "baddbmm", "true_divide", "truediv")

_KNOWN: weakref.WeakKeyDictionary[nn.Module, OpTrace] = weakref.WeakKeyDictionary()
_GUARD = threading.Lock()


@dataclass(frozen=True, slots=True)
class OpTrace:
    """What a network does with a picture.

    Attributes:
        functions: Names of the functions that get something computed from the picture.
        merges: Names of those that get two such tensors: sums, concatenations, products.
    """

    functions: frozenset[str]
    merges: frozenset[str]

    @property
    def only_relus(self) -> bool:
        """Whether all its nonlinearities, but for gates, are ReLUs, and there are some."""
        return bool(self.functions & RELUS) and not self.functions & SMOOTH

    @property
    def multiplies(self) -> bool:
        """Whether values computed from the picture are multiplied with, or divided by, one another."""
        return bool(self.functions & MIXES) or any(p in name for name in self.merges for p in _PRODUCTS)


def op_trace_of(network: Network) -> OpTrace:
    """Finds out, by one forward pass the first time, what a network does with a picture."""
    model = model_of(network)
    with _GUARD:
        known = _KNOWN.get(model)
    if known is None:
        known = record_ops(network)
        with _GUARD:
            _KNOWN[model] = known
    return known


class OpRecorder(TorchFunctionMode):
    """Records every function that receives a tensor that requires grad."""

    def __init__(self) -> None:
        super().__init__()
        self.functions: set[str] = set()
        self.merges: set[str] = set()

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> object:
        count = _dependent((*args, *(kwargs or {}).values()))
        result = func(*args, **(kwargs or {}))
        name = function_name(func)
        if count and _gives_values(result):
            self.functions.add(name)
            if count > 1:
                self.merges.add(name)
        return result


def function_name(func: object) -> str:
    """Returns the plain name of what a torch function mode is handed."""
    return str(getattr(func, "__name__", "")).strip("_") if _dunder(func) else str(getattr(func, "__name__", ""))


def _dunder(func: object) -> bool:
    return str(getattr(func, "__name__", "")).startswith("__")


def _gives_values(result: object) -> bool:
    """Whether a function returned figures: a tensor, or several, as attention and the ``max`` of an axis do."""
    if isinstance(result, tuple | list):
        return any(_gives_values(part) for part in result)
    return isinstance(result, Tensor) and result.is_floating_point()


def _dependent(values: Sequence[Any]) -> int:
    count = 0
    for value in values:
        if isinstance(value, Tensor):
            count += value.requires_grad
        elif isinstance(value, list | tuple):
            count += _dependent(value)
    return count


def record_ops(network: Network) -> OpTrace:
    """Returns which operations a forward pass of the network carries out, from one pass of one image."""
    with Probe(network, grad=True) as probe:
        x = some_picture(network).requires_grad_()
        with OpRecorder() as recorder:
            ask(probe, network, x)
    return OpTrace(frozenset(recorder.functions), frozenset(recorder.merges))


def some_picture(network: Network) -> Tensor:
    """Returns a picture of noise that a network can take, 1xCxHxW on its device, always the same."""
    side, model = network.preprocessing.crop, model_of(network)
    x = torch.randn(1, network.preprocessing.channels, side, side, generator=torch.Generator().manual_seed(0))
    return x.to(device_of(model), dtype_of(model))
