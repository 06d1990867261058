"""What the layers of a network answer to a few images, by stage: histograms, and the units that stay silent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from core.models.network import Network

HISTOGRAM_VALUES = 1 << 16
"""Values that a histogram counts at most, evenly spaced."""
HISTOGRAM_BINS = 40
TAIL_SHARE = 0.001
"""Share of the values at either end that fall into the outer bins, so that single ones do not squeeze the rest."""
RELU_TYPES = (nn.ReLU, nn.ReLU6)


class StageAnswers:
    """What the layers of a network gave in one pass.

    Args:
        network: The network.

    Attributes:
        entering: What entered the head, by call.
        behind: Stages of which something ran once the head had been entered.
    """

    def __init__(self, network: Network) -> None:
        self._model, self._head = network.model, network.anatomy.head
        self._outputs, self._alive = _last_layers(network), _rectifiers(network)
        self._values: dict[str, Tensor] = {}
        self._living: dict[str, list[Tensor]] = {}
        self.entering: list[Tensor] = []
        self.behind: set[str] = set()
        self._ahead: set[str] = set()
        self._outside = False

    @property
    def ends_with_head(self) -> bool:
        """Whether all that is looked at runs before the head or within it, each stage on one side."""
        return len(self.entering) == 1 and not self._outside and not self.behind & self._ahead

    def row(self, stage: str) -> dict[str, Any]:
        """Returns the figures of a stage's outputs."""
        return _output_row(self._values.get(stage), self._living.get(stage, []))

    def watching(self) -> ExitStack:
        """Returns a context in which the layers are watched."""
        modules, stack = dict(self._model.named_modules()), ExitStack()

        def watch(layer: str, hook: Callable[..., None]) -> None:
            stack.callback(modules[layer].register_forward_hook(hook).remove)

        head = modules[self._head]
        entered = head.register_forward_pre_hook(lambda _module, inputs: self.entering.append(inputs[0].detach()))
        stack.callback(entered.remove)
        for stage, layer in self._outputs.items():
            watch(layer, self._keep(stage, layer))
        for layer, (stage, axis) in self._alive.items():
            watch(layer, self._count(stage, layer, axis))
        return stack

    def _keep(self, stage: str, layer: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: object, output: object) -> None:
            if isinstance(output, Tensor):
                self._note(stage, layer)
                self._values[stage] = sample(output, HISTOGRAM_VALUES)

        return hook

    def _count(self, stage: str, layer: str, dimension: int) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: object, output: Tensor) -> None:
            self._note(stage, layer)
            channel = dimension % output.ndim
            others = [axis for axis in range(output.ndim) if axis != channel]
            self._living.setdefault(stage, []).append(output.amax(others) > 0)

        return hook

    def _note(self, stage: str, layer: str) -> None:
        if not self.entering:
            self._ahead.add(stage)
            return
        self.behind.add(stage)
        self._outside |= layer != self._head and not layer.startswith(f"{self._head}.")


def histogram(values: Tensor) -> dict[str, Any] | None:
    """Counts values in :data:`HISTOGRAM_BINS` equal bins from ``low`` to ``high``; ``None`` if there are none."""
    numbers = values.detach().float().cpu().numpy()
    numbers = numbers[np.isfinite(numbers)]
    if not len(numbers):
        return None
    low, high = (float(edge) for edge in np.quantile(numbers, (TAIL_SHARE, 1 - TAIL_SHARE)))
    if not high > low:
        low, high = low - 0.5, high + 0.5
    counts, _ = np.histogram(numbers.clip(low, high), HISTOGRAM_BINS, (low, high))
    return {"low": low, "high": high, "counts": counts.tolist()}


def sample(tensor: Tensor, most: int) -> Tensor:
    """Returns a copy of evenly spaced values, in float32."""
    flat = tensor.detach().reshape(-1)
    return flat[:: max(1, -(-len(flat) // most))].to(torch.float32, copy=True)


def _last_layers(network: Network) -> dict[str, str]:
    """Returns the layer whose answers stand for a stage: the last one in it that computes something."""
    modules = dict(network.model.named_modules())
    passing = ("Pool", "Dropout", "StochasticDepth", "Identity", "Flatten")
    found: dict[str, str] = {}
    for layer in network.anatomy.layers:
        if layer.leaf and layer.name in modules and not any(word in layer.kind for word in passing):
            found[layer.stage] = layer.name
    return found


def _rectifiers(network: Network) -> dict[str, tuple[str, int]]:
    """Returns the ReLUs: name -> stage, and which dimension of their output counts the units."""
    modules = dict(network.model.named_modules())
    return {
        layer.name: (layer.stage, 1 if layer.layout == "NCHW" or len(layer.output_shape) == 1 else -1)
        for layer in network.anatomy.layers
        if isinstance(modules.get(layer.name), RELU_TYPES)
    }


def _output_row(values: Tensor | None, living: Sequence[Tensor]) -> dict[str, Any]:
    """Returns the figures of a stage's outputs."""
    row: dict[str, Any] = {}
    if values is not None:
        row["activations"] = histogram(values)
    if living:
        row["units"] = sum(len(channels) for channels in living)
        row["dead"] = row["units"] - sum(int(channels.sum()) for channels in living)
    return row
