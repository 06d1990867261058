"""Passes through a network that leave nothing behind: in eval mode for a while, and no further than needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from torch import Tensor, nn

from core.errors import InputError


class EndForward(Exception):
    """Ends a forward pass that need not go on. A hook raises it, and what started the pass catches it."""


@contextmanager
def eval_mode(*models: nn.Module) -> Iterator[None]:
    """Keeps models in eval mode for as long as the block runs, whatever their own ``train`` does.

    Afterwards, also after an exception, every module has its own training flag again.
    """
    modes = {module: module.training for model in models for module in model.modules()}
    try:
        for module in modes:
            module.training = False
        yield
    finally:
        for module, training in modes.items():
            module.training = training


@contextmanager
def end_after(model: nn.Module, calls: Mapping[str, int]) -> Iterator[None]:
    """Ends the forward pass that the block makes once each of some layers has run often enough.

    Args:
        model: The network.
        calls: Name of a layer -> which of its calls in one pass, from 1, is the last that is needed.
    """
    left = dict(calls)

    def counter(name: str) -> Callable[..., None]:
        def count(_module: nn.Module, _inputs: object, _output: object) -> None:
            left[name] = left.get(name, 0) - 1
            if left[name] <= 0:
                del left[name]
            if not left:
                raise EndForward

        return count

    with ExitStack() as stack, suppress(EndForward):
        for name in calls:
            stack.callback(model.get_submodule(name).register_forward_hook(counter(name)).remove)
        yield


def forward_to(model: nn.Module, x: Tensor, layer: str, calls: int = 1, *, entering: bool = False) -> Tensor:
    """Runs a network up to a layer and no further.

    Modes and gradients are the caller's choice.

    Args:
        model: The network.
        x: Images, BxCxHxW, on its device.
        layer: Name of the layer.
        calls: In which of its calls in one pass, from 1, the pass ends.
        entering: Whether what enters the layer is asked for, rather than what it gives.

    Returns:
        The (first) tensor, part of autograd's graph; of its last call where it has fewer than ``calls``.

    Raises:
        InputError: The layer did not run, or gave no tensor.
    """
    found: list[Tensor] = []
    left = calls

    def keep(_module: nn.Module, inputs: tuple[Any, ...], output: object = None) -> None:
        nonlocal left
        value = inputs if entering else output
        first = value[0] if isinstance(value, tuple | list) and value else value
        if isinstance(first, Tensor):
            found[:] = [first]
        left -= 1
        if left <= 0:
            raise EndForward

    module = model.get_submodule(layer)
    handle = module.register_forward_pre_hook(keep) if entering else module.register_forward_hook(keep)
    try:
        with suppress(EndForward):
            model(x)
    finally:
        handle.remove()
    if not found:
        raise InputError("The layer {layer} gave no output.", layer=layer)
    return found[0]
