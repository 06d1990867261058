"""Passes of one picture through a network that begin anew at a layer: what ran before it is not computed again.

A first pass caches the outputs of the outermost modules before the layer; later ones return them instead of computing.
Networks are free to do in their ``forward`` what they like, so a replay has to be checked by whoever uses it: without a
change it must give what the whole pass gave, or end in none of :data:`REFUSALS`. Where it does not (a module that
changes an input in place which another reads), whole passes are what is left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

Call = Callable[..., Any]
REFUSALS = (RuntimeError, TypeError, ValueError, AttributeError, IndexError)
"""What a replay ends in where a network reads what was not cached, as what a sequence gave on the way."""
MAX_CACHED_BYTES = 300_000_000
"""Bytes of cached outputs above which whole passes are made instead."""


class Record:
    """What a first pass cached.

    Attributes:
        cached: Name of a module before the layer -> what its calls gave, in their order; empty where the layer did
            not run as a module of its own.
        own: What the layer's last call gave; ``None`` where it did not run.
        calls: How often the layer ran.
    """

    def __init__(self) -> None:
        self.cached: dict[str, list[Any]] = {}
        self.own: Any = None
        self.calls = 0

    @property
    def fits(self) -> bool:
        """Whether it is small enough to be kept."""
        return sum(_bytes(outputs) for outputs in self.cached.values()) <= MAX_CACHED_BYTES


@contextmanager
def recording(model: nn.Module, layer: str, last: int) -> Iterator[Record]:
    """Caches, in the one pass of the block, what the outermost modules gave before a call of the layer ended.

    Args:
        model: The network.
        layer: Name of the layer.
        last: Which of its calls, from 1.
    """
    record = Record()
    around = _around(layer)
    handles = []

    def recorder(name: str) -> Callable[..., None]:
        def record_output(_module: nn.Module, _inputs: object, output: object) -> None:
            if record.calls < last:
                record.cached.setdefault(name, []).append(copied(output))

        return record_output

    def own(_module: nn.Module, _inputs: object, output: object) -> None:
        record.calls += 1
        if record.calls == last:
            record.own = copied(output)

    try:
        for name, module in _outside(model, layer):
            handles.append(module.register_forward_hook(recorder(name)))
        handles.append(model.get_submodule(layer).register_forward_hook(own))
        yield record
    finally:
        for handle in handles:
            handle.remove()
    if record.calls < last:
        record.cached.clear()
    _forget_unused(model, record.cached, around)


@contextmanager
def replaying(
    model: nn.Module, cached: Mapping[str, list[Any]], change: Mapping[str, Callable[[Call], Call]] | None = None
) -> Iterator[None]:
    """Makes modules return what was cached of them, in the one pass of the block.

    Args:
        model: The network.
        cached: Name of a module -> what its calls gave, of a :class:`Record`; later calls are carried out.
        change: Name of another module -> what makes of its ``forward`` the one that is called instead.
    """
    replaced: list[tuple[nn.Module, Any]] = []

    def replayed(outputs: list[Any], true: Call) -> Call:
        queue = list(outputs)

        def replay(*given: Any, **named: Any) -> object:
            return copied(queue.pop(0)) if queue else true(*given, **named)

        return replay

    try:
        for name in {**cached, **(change or {})}:
            module = model.get_submodule(name)
            replaced.append((module, vars(module).get("forward")))
            changed = change[name](module.forward) if change and name in change else None
            module.forward = replayed(cached[name], module.forward) if changed is None else changed
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


def copied(output: object) -> object:
    """Copies what a module gave: what follows may change it in place."""
    if isinstance(output, Tensor):
        return output.detach().clone()
    if isinstance(output, tuple):
        return tuple(copied(part) for part in output)
    if isinstance(output, list):
        return [copied(part) for part in output]
    return output


def _bytes(part: object) -> int:
    if isinstance(part, Tensor):
        return part.numel() * part.element_size()
    return sum(_bytes(inner) for inner in part) if isinstance(part, tuple | list) else 0
