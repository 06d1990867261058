"""One forward pass, traced: which modules ran, in which order, inside which, on which shapes, doing what."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from core.errors import InputError
from core.models.anatomy.call import Call
from core.models.anatomy.dataflow import Flow, Use, begin_trail, trail_of
from core.models.anatomy.receptive_field import Shape
from core.models.modes import eval_mode

TRACE_IMAGES = 2
"""Images in the traced pass. Two, so that a tensor with another first axis is seen not to be one of feature maps."""

_REFUSALS = (RuntimeError, AssertionError, ValueError, IndexError)
"""What networks raise at images that they cannot take; ``NotImplementedError`` is a ``RuntimeError``."""


@dataclass(slots=True)
class Trace:
    """A traced forward pass.

    Attributes:
        root: The call of the network.
        uses: By module name, what was done with the weights of modules that did not run themselves.
    """

    root: Call
    uses: dict[str, Use]


class _Refused(Exception):
    """A network could not take the images.

    Attributes:
        call: The innermost module that was running.
        reason: torch's message.
    """

    def __init__(self, call: Call | None, reason: str) -> None:
        super().__init__(reason)
        self.call = call
        self.reason = reason


def trace(model: nn.Module, image_size: int) -> Call:
    """Returns the call of the network in one pass as :func:`follow` makes it."""
    return follow(model, image_size).root


def follow(model: nn.Module, image_size: int) -> Trace:
    """Runs two blank images through ``model`` in eval mode and records the calls.

    The pass runs on the ``meta`` device, so it costs neither memory nor arithmetic, unless the network holds tensors
    that are neither parameters nor buffers; then it runs where the network is. Modes are restored.

    Args:
        model: A classifier of B x C x H x W images.
        image_size: Side of the images, in pixels.

    Raises:
        InputError: The network cannot take such images; the sentence gives the reason and the smallest size that works.
    """
    with eval_mode(model), torch.no_grad():
        try:
            return _run(model, image_size)
        except _Refused as refused:
            raise _refusal(model, image_size, refused) from refused.__cause__


def _run(model: nn.Module, image_size: int) -> Trace:
    values = [*model.parameters(), *model.buffers()]
    home = values[0].device if values else torch.device("cpu")
    dtype = next((value.dtype for value in values if value.is_floating_point()), torch.float32)
    shape = (TRACE_IMAGES, input_channels(model), image_size, image_size)
    if home.type != "meta":
        # Where this fails, it is not possible on shapes alone or not with such images: the pass below shows which.
        with suppress(_Refused):
            return _traced_pass(model, torch.empty(shape, dtype=dtype, device="meta"), _shapes(model))
    return _traced_pass(model, torch.zeros(shape, dtype=dtype, device=home))


def _shapes(model: nn.Module) -> dict[str, Tensor]:
    return {
        name: torch.empty_like(value, device="meta")
        for name, value in (*model.named_parameters(), *model.named_buffers())
    }


def _traced_pass(model: nn.Module, images: Tensor, values: dict[str, Tensor] | None = None) -> Trace:
    """Runs images through the network, with other ``values`` for its parameters and buffers where some are given."""
    named = [(name, value if values is None else values[name]) for name, value in model.named_parameters()]
    owners = {id(value): name.rpartition(".")[0] for name, value in named}
    flow = Flow(owners, TRACE_IMAGES, shapes_only=images.device.type == "meta")
    begin_trail(images)
    try:
        with _hooked(model, flow) as roots, flow:
            if values is None:
                model(images)
            else:
                # a module that goes by two names would be given back its values in the wrong order if tied ones were
                # looked for: they go by their first name alone here
                functional_call(model, values, (images,), tie_weights=False)
    except _REFUSALS as error:
        raise _Refused(flow.calls[-1] if flow.calls else None, str(error)) from error
    return Trace(roots[0], flow.uses)


def _refusal(model: nn.Module, image_size: int, refused: _Refused) -> InputError:
    """Says why a network cannot take images of a size, and which is the smallest that it can."""
    where = refused.call
    smallest = smallest_size(model, image_size)
    values = {"network": type(model).__name__, "size": image_size}
    if where is None or not where.name:
        return InputError("The network {network} cannot take images of {size} px. Choose another image size.", **values)
    values |= {
        "layer": f"{where.name} ({where.kind})",
        "shape": " × ".join(map(str, where.entry[1:])) or "-",
        "reason": refused.reason.strip().splitlines()[0].rstrip(".") if refused.reason.strip() else "-",
    }
    if smallest is None:
        return InputError(
            "The network {network} cannot take images of {size} px: it stops at its layer {layer}, which gets "
            "{shape} ({reason}). Choose another image size.",
            **values,
        )
    return InputError(
        "The network {network} cannot take images of {size} px: it stops at its layer {layer}, which gets {shape} "
        "({reason}). From {smallest} px on it can.",
        smallest=smallest,
        **values,
    )


def smallest_size(model: nn.Module, above: int = 0, limit: int = 1024) -> int | None:
    """Searches the smallest image size that a network can take.

    Args:
        model: The network.
        above: A size that it is known not to take, in pixels.
        limit: The largest size to try.

    Returns:
        The size; ``None`` if none was found, or if the network can only be tried with real values, which takes long.
    """

    def works(size: int) -> bool:
        images = torch.empty((TRACE_IMAGES, input_channels(model), size, size), dtype=dtype, device="meta")
        try:
            _traced_pass(model, images, _shapes(model))
        except _Refused:
            return False
        return True

    dtype = next((value.dtype for value in model.parameters() if value.is_floating_point()), torch.float32)
    with eval_mode(model), torch.no_grad():
        low, high = above, max(8, 2 * above)
        while high <= limit and not works(high):
            low, high = high, 2 * high
        if high > limit:
            return None
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if works(middle) else (middle, high)
    return high


def input_channels(model: nn.Module) -> int:
    """Returns the channels of the images: what the network declares, else what its first convolution takes.

    Where there is no convolution either, that is 3.
    """
    declared = getattr(model, "input_channels", None)
    if isinstance(declared, int):
        return declared
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            return module.in_channels
    return 3


@contextmanager
def _hooked(model: nn.Module, flow: Flow) -> Iterator[list[Call]]:
    """Hooks all modules; the list holds the network's call once the pass has ended."""
    roots: list[Call] = []
    open_calls = flow.calls
    made: dict[Call, tuple[Tensor, int, int]] = {}
    entered: dict[Call, int] = {}
    names = {module: name for name, module in model.named_modules()}
    count = 0

    def enter(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        tensor = _tensor((args, tuple(kwargs.values())))
        call = Call(names[module], type(module).__name__, tuple(tensor.shape) if tensor is not None else ())
        call.began = flow.functions_run
        (open_calls[-1].children if open_calls else roots).append(call)
        open_calls.append(call)
        if tensor is not None:
            entered[call] = _memory(tensor)

    def leave(module: nn.Module, args: tuple[Any, ...], output: object) -> None:  # noqa: ARG001
        nonlocal count
        call = open_calls.pop()
        call.order, count = count, count + 1
        taken, tensor = {entered.pop(call, None)}, _tensor(output)
        if tensor is None:
            return
        call.exit = tuple(tensor.shape)
        call.trail = trail_of(tensor)
        made[call] = (tensor, tensor._version, _memory(tensor))
        taken.update(made[child][2] for child in call.children if child in made)
        call.owns_memory = made[call][2] not in taken
        for child in reversed(call.children):
            if child in made and made[child][0] is tensor:
                # changed in place since, as by `result += input`: then this call made it
                call.source = child.origin if made[child][1] == tensor._version else None
                break

    with ExitStack() as stack:
        for module in names:
            stack.callback(module.register_forward_pre_hook(enter, with_kwargs=True).remove)
            stack.callback(module.register_forward_hook(leave).remove)
        yield roots


def _memory(tensor: Tensor) -> int:
    """Returns what distinguishes memories, for as long as they live."""
    return int(tensor.untyped_storage()._cdata)


def _tensor(value: object) -> Tensor | None:
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
    if not shape or shape[0] != TRACE_IMAGES:
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
