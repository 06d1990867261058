"""Ends a forward pass as soon as the layers asked for have answered: what lies behind them need not be computed."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack, suppress
from typing import Any

from torch import Tensor, nn

from core.interpret.probe import Probe
from core.models.anatomy import Anatomy


class Reached(Exception):
    """Ends a forward pass that need not go on."""


def reach(probe: Probe, x: Tensor, layers: Iterable[str], anatomy: Anatomy) -> None:
    """Runs a network until its layers have answered, each for the last of its calls.

    Args:
        probe: An open probe that keeps these layers.
        x: Normalised images, BxCxHxW.
        layers: Names of the layers.
        anatomy: The network's anatomy, which knows how often each layer runs.
    """
    left = {name: max(1, anatomy.layer(name).calls) for name in layers}
    if not left:
        return

    def counter(name: str) -> Any:
        def count(_module: nn.Module, _inputs: Any, _output: Any) -> None:
            left[name] -= 1
            if left[name] <= 0:
                del left[name]
            if not left:
                raise Reached

        return count

    with ExitStack() as stack:
        for name in tuple(left):
            handle = probe.model.get_submodule(name).register_forward_hook(counter(name))
            stack.callback(handle.remove)
        with suppress(Reached):
            probe(x)
