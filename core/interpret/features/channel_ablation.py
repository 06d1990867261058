"""Mutes or boosts channels of a layer and runs the network again; what lies before the layer is not computed twice.

A first pass caches the output of every module before the layer. Later passes return these outputs instead of
computing them, so that a change late in a network costs only what comes after it. Networks are free to do in their
``forward`` what they like, so a replay is checked first: it must give the network's own logits. Where it does not
(a module that changes an input in place which another reads), every later pass is a whole one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core.errors import InputError
from core.interpret.forward import check_image
from core.interpret.layout import channel_axis, require_map_layer
from core.interpret.probe import Probe

if TYPE_CHECKING:
    from core.models.network import Network

_AGREES = 1e-4  # of the largest logit: what rounding may change
MAX_CACHED_BYTES = 300_000_000
"""Bytes of cached outputs above which whole passes are made instead."""


class ChannelScaler:
    """One image's pass through a network, with channels of one layer scaled.

    Several threads may share one; the network's lock serialises them.

    Args:
        network: The network, in any mode; it is left as it was.
        x: One normalised image, 1xCxHxW.
        layer: Name of a layer that gives maps. If it runs several times in one pass, its last call is changed.

    Attributes:
        logits: The network's own answer, N float32.
        replays: Whether what lies before the layer is cached rather than computed again.

    Raises:
        InputError: The layer does not exist or gives no maps, or ``x`` is not one image.

    Example:
        >>> scaler = ChannelScaler(network, x, "layer4")
        >>> scaler.scale({17: 0.0})  # probabilities with channel 17 of layer4 muted
    """

    def __init__(self, network: Network, x: Tensor, layer: str) -> None:
        check_image(x)
        self._network, self._x, self._layer = network, x, layer
        self._axis = channel_axis(require_map_layer(layer, network.anatomy))
        self._last = max(1, network.anatomy.layer(layer).calls)
        self._cached: dict[str, list[Any]] = {}
        self._own: Any = None
        self.replays = False
        with Probe(network) as probe, _recording(probe.model, layer, self._last) as record:
            self.logits = probe(x)[0].float().cpu().numpy()
        if not isinstance(record.own[0] if isinstance(record.own, tuple) else record.own, Tensor):
            raise InputError("The layer {layer} gave no output.", layer=layer)
        self._own, self._cached = record.own, record.cached
        self.replays = _bytes(self._cached) <= MAX_CACHED_BYTES and self._agrees()
        if not self.replays:
            self._cached = {}

    @property
    def channels(self) -> int:
        """Number of channels of the layer."""
        return int(self._first.shape[self._axis])

    @property
    def _first(self) -> Tensor:
        return self._own[0] if isinstance(self._own, tuple) else self._own

    def _agrees(self) -> bool:
        """Whether replaying the cached outputs gives the network's own logits."""
        self.replays = True
        try:
            again = self._logits({})
        except (RuntimeError, TypeError, ValueError, AttributeError, IndexError):
            return False  # it reads what a sequence gave on the way, which was not cached
        scale = max(float(np.abs(self.logits).max()), 1e-6)
        return bool(np.abs(again - self.logits).max() <= _AGREES * scale)

    def scale(self, factors: Mapping[int, float]) -> NDArray[np.float32]:
        """Returns the probabilities with some channels multiplied.

        Args:
            factors: Channel -> factor: 0 mutes it, 1 leaves it, 2 doubles it.

        Returns:
            N float32.

        Raises:
            InputError: There is no such channel.
        """
        for channel in factors:
            if not 0 <= channel < self.channels:
                raise InputError(
                    "There is no channel {channel} in {layer}. Choose from 0 to {last}.",
                    channel=channel,
                    layer=self._layer,
                    last=self.channels - 1,
                )
        logits = self._logits(factors)
        shifted = np.exp(logits - logits.max())
        return np.asarray(shifted / shifted.sum(), np.float32)

    def _logits(self, factors: Mapping[int, float]) -> NDArray[np.float32]:
        with Probe(self._network) as probe:
            own = self._first
            scale = torch.ones(own.shape[self._axis], dtype=own.dtype, device=own.device)
            for channel, factor in factors.items():
                scale[channel] = float(factor)
            shape = [1] * own.ndim
            shape[self._axis] = -1
            cached = {**self._cached, self._layer: [self._own]} if self.replays else {}
            with _replaying(probe.model, self._layer, self._last, scale.view(shape), cached):
                return probe(self._x)[0].float().cpu().numpy()


class _Record:
    """Outputs cached by a first pass: of the modules before the layer, and of the layer itself."""

    def __init__(self) -> None:
        self.cached: dict[str, list[Any]] = {}
        self.own: Any = None
        self.calls = 0


@contextmanager
def _recording(model: nn.Module, layer: str, last: int) -> Iterator[_Record]:
    """Caches the outputs of the outermost modules that returned before the layer's last call began."""
    record = _Record()
    around = _around(layer)
    handles = []

    def recorder(name: str) -> Callable[..., None]:
        def record_output(_module: nn.Module, _inputs: object, output: object) -> None:
            if record.calls < last:
                record.cached.setdefault(name, []).append(_copied(output))

        return record_output

    def own(_module: nn.Module, _inputs: object, output: object) -> None:
        record.calls += 1
        if record.calls == last:
            record.own = _copied(output)

    try:
        for name, module in _outside(model, layer):
            handles.append(module.register_forward_hook(recorder(name)))
        handles.append(model.get_submodule(layer).register_forward_hook(own))
        yield record
    finally:
        for handle in handles:
            handle.remove()
    _forget_unused(model, record.cached, around)


@contextmanager
def _replaying(
    model: nn.Module, layer: str, last: int, scale: Tensor, cached: Mapping[str, list[Any]]
) -> Iterator[None]:
    """Makes modules return their cached outputs, and the layer's last call its output times ``scale``."""
    replaced: list[tuple[nn.Module, Any]] = []
    own = cached.get(layer, [None])[0]
    calls = 0

    def scaled(true: Callable[..., Any]) -> Callable[..., object]:
        def scaled_forward(*given: Any, **named: Any) -> object:
            nonlocal calls
            calls += 1
            if calls != last:
                return true(*given, **named)
            output = true(*given, **named) if own is None else own
            return (output[0] * scale, *output[1:]) if isinstance(output, tuple) else output * scale

        return scaled_forward

    def replayed(queue: list[Any], true: Callable[..., Any]) -> Callable[..., object]:
        def replay(*given: Any, **named: Any) -> object:
            return _copied(queue.pop(0)) if queue else true(*given, **named)

        return replay

    try:
        for name, outputs in {**cached, layer: []}.items():
            module = model.get_submodule(name)
            replaced.append((module, vars(module).get("forward")))
            module.forward = scaled(module.forward) if name == layer else replayed(list(outputs), module.forward)
        yield
    finally:
        for module, former in replaced:
            if former is None:
                del module.forward
            else:
                module.forward = former


def _around(layer: str) -> set[str]:
    """Returns the names of all modules around a layer."""
    parts = layer.split(".")
    return {".".join(parts[:depth]) for depth in range(len(parts))}


def _outside(model: nn.Module, layer: str) -> list[tuple[str, nn.Module]]:
    """Returns the outermost modules that the layer does not stand in, and that are not the layer."""
    around = _around(layer)
    path = {*around, layer}
    same = {id(module) for name, module in model.named_modules(remove_duplicate=False) if name in path}
    return [
        (name, module)
        for name, module in model.named_modules()
        if name and name.rpartition(".")[0] in around and id(module) not in same
    ]


def _forget_unused(model: nn.Module, cached: dict[str, list[Any]], around: set[str]) -> None:
    """Keeps of a plain sequence only what its last finished member gave: nothing else reads the others."""
    for parent in around:
        module = model.get_submodule(parent)
        if type(module).forward is not nn.Sequential.forward:
            continue
        names = [f"{parent}.{child}" if parent else child for child, _ in module.named_children()]
        finished = [name for name in names if name in cached and len(cached[name]) == 1]
        for name in finished[:-1]:
            cached[name] = [None]


def _copied(output: object) -> object:
    """Copies what a module gave: what follows may change it in place."""
    if isinstance(output, Tensor):
        return output.detach().clone()
    if isinstance(output, tuple):
        return tuple(_copied(part) for part in output)
    if isinstance(output, list):
        return [_copied(part) for part in output]
    return output


def _bytes(cached: Mapping[str, list[Any]]) -> int:
    def size(part: object) -> int:
        if isinstance(part, Tensor):
            return part.numel() * part.element_size()
        return sum(size(inner) for inner in part) if isinstance(part, tuple | list) else 0

    return sum(size(outputs) for outputs in cached.values())
