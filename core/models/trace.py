"""One forward pass, watched: which modules ran, in which order, inside which, on which shapes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from core.errors import InputError

BATCH = 2
"""Images in the traced pass. Two, so that a tensor with another first axis is seen not to be one of feature maps."""

Shape = tuple[int, ...]

_REFUSALS = (RuntimeError, AssertionError, ValueError, IndexError)
"""What networks raise at images that they cannot take; ``NotImplementedError`` is a ``RuntimeError``."""


@dataclass(slots=True, eq=False)
class Call:
    """One call of a module.

    Attributes:
        name: Qualified name of the module; empty for the network itself.
        kind: Name of its class.
        entry: Shape of the first tensor going in, batch included; empty if there is none.
        exit: Shape of the first tensor coming out, likewise.
        children: Calls made inside this one, in order.
        order: Position among all calls by the time they returned.
        source: The innermost call that made the very tensor that this one returned.
    """

    name: str
    kind: str
    entry: Shape
    exit: Shape = ()
    children: list[Call] = field(default_factory=list)
    order: int = -1
    source: Call | None = None

    @property
    def origin(self) -> Call:
        """The innermost call that made the tensor this one returned; itself, if it made it."""
        return self.source or self

    def walk(self) -> Iterator[Call]:
        """Yields this call and all inside it, in the order in which they returned."""
        for child in self.children:
            yield from child.walk()
        yield self


def trace(model: nn.Module, image_size: int) -> Call:
    """Runs two blank images through ``model`` in eval mode and returns the call of the network.

    The pass runs on the ``meta`` device, so it costs neither memory nor arithmetic, unless the network holds tensors
    that are neither parameters nor buffers; then it runs where the network is. Modes are restored.

    Args:
        model: A classifier of B x C x H x W images.
        image_size: Side of the images, in pixels.

    Raises:
        InputError: The network cannot take such images.
    """
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad():
            return _run(model, image_size)
    finally:
        for module, training in modes.items():
            module.training = training


def _run(model: nn.Module, image_size: int) -> Call:
    values = [*model.parameters(), *model.buffers()]
    home = values[0].device if values else torch.device("cpu")
    dtype = next((value.dtype for value in values if value.is_floating_point()), torch.float32)
    shape = (BATCH, input_channels(model), image_size, image_size)
    images = torch.empty(shape, dtype=dtype, device="meta")
    if home.type != "meta":
        # Where this fails, it is not possible on shapes alone or not with such images: the pass below tells which.
        with suppress(*_REFUSALS):
            shapes = {
                name: torch.empty_like(value, device="meta")
                for name, value in (*model.named_parameters(), *model.named_buffers())
            }
            with _watched(model) as calls, _ShapesOnly():
                functional_call(model, shapes, (images,))
            return calls[0]
        images = torch.zeros(shape, dtype=dtype, device=home)
    try:
        with _watched(model) as calls, _ShapesOnly() if home.type == "meta" else nullcontext():
            model(images)
    except _REFUSALS as error:
        raise InputError(
            "The network {network} cannot take images of {size} px. Choose another image size.",
            network=type(model).__name__,
            size=image_size,
        ) from error
    return calls[0]


class _ShapesOnly(TorchFunctionMode):
    """Answers normalisations with a tensor of the same shape, which torch takes long to find out on ``meta``."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is F.batch_norm:
            return torch.empty_like(args[0])
        if func is F.layer_norm and len(args) > 1 and args[0].shape[-len(args[1]) :] == tuple(args[1]):
            return torch.empty_like(args[0])
        return func(*args, **(kwargs or {}))


def input_channels(model: nn.Module) -> int:
    """Returns the input channels of the first convolution; 3 where there is none."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            return module.in_channels
    return 3


@contextmanager
def _watched(model: nn.Module) -> Iterator[list[Call]]:
    """Hooks all modules; the list holds the network's call once the pass has ended."""
    roots: list[Call] = []
    open_calls: list[Call] = []
    made: dict[Call, tuple[Tensor, int]] = {}
    names = {module: name for name, module in model.named_modules()}
    count = 0

    def enter(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        tensor = _tensor((args, tuple(kwargs.values())))
        call = Call(names[module], type(module).__name__, tuple(tensor.shape) if tensor is not None else ())
        (open_calls[-1].children if open_calls else roots).append(call)
        open_calls.append(call)

    def leave(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:  # noqa: ARG001
        nonlocal count
        call = open_calls.pop()
        call.order, count = count, count + 1
        tensor = _tensor(output)
        if tensor is None:
            return
        call.exit = tuple(tensor.shape)
        made[call] = (tensor, tensor._version)
        for child in reversed(call.children):
            if child in made and made[child][0] is tensor:
                # changed in place since, as by `result += input`: then this call made it
                call.source = child.origin if made[child][1] == tensor._version else None
                break

    handles = []
    for module in names:
        handles.append(module.register_forward_pre_hook(enter, with_kwargs=True))
        handles.append(module.register_forward_hook(leave))
    try:
        yield roots
    finally:
        for handle in handles:
            handle.remove()


def _tensor(value: Any) -> Tensor | None:
    """Returns the first tensor in nested tuples, lists and dictionaries."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, tuple | list):
        return next((found for found in map(_tensor, value) if found is not None), None)
    return None


def layout(shape: Shape) -> str | None:
    """Returns how a square feature map lies in a traced tensor: ``NCHW``, ``NHWC``, ``tokens``, or ``None``."""
    if not shape or shape[0] != BATCH:
        return None
    if len(shape) == 4:
        if shape[2] == shape[3]:
            return "NCHW"
        return "NHWC" if shape[1] == shape[2] else None
    return "tokens" if len(shape) == 3 and token_side(shape[1]) else None


def side(shape: Shape) -> int | None:
    """Returns the side of the square feature map in a 4-D tensor of that shape, or ``None``."""
    kind = layout(shape)
    return shape[2] if kind in ("NCHW", "NHWC") else None


def token_side(tokens: int) -> int | None:
    """Returns the side of the grid that so many tokens fold to, up to eight leading ones (class token ...) left out."""
    for extra in range(min(9, tokens)):
        root = math.isqrt(tokens - extra)
        if root > 1 and root * root == tokens - extra:
            return root
    return None
