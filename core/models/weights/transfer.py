"""Weights handed on: every tensor of a file that fits a network is copied, and the others are listed.

So letters teach digits, and digits clothes: all layers fit but the last, whose classes are others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from core.errors import InputError
from core.models.weights.safe_reader import Entry, TensorFile, open_tensors

MIN_SHARE = 0.5
"""Share of the backbone's tensors that must fit; with fewer, the file is taken to be another network's."""
_PREFIX_DEPTH = 3


class Misfit(NamedTuple):
    """A tensor that both sides have, but not in the same shape (or kind of number).

    Attributes:
        name: Its name in the network.
        ours: Its shape in the network, such as ``10×50``.
        theirs: Its shape in the file.
    """

    name: str
    ours: str
    theirs: str


@dataclass(frozen=True, slots=True)
class Transferred:
    """What a file has for a network.

    Attributes:
        copied: Tensors of the network that the file fills, parameters and buffers, in the network's order.
        missing: Tensors of the network that the file does not have.
        misfit: Tensors that both have in different shapes.
        unused: Tensors of the file that the network does not have, by their name in the file.
        values: Number of values copied.
        total: Number of values in the network.
        share: Share of the backbone's tensors that fit; the head does not count.
        prefix: What was taken off the names in the file, such as ``module.``.
        kept: Tensors of the head that would fit but stay new, because they are for other classes.
    """

    copied: tuple[str, ...]
    missing: tuple[str, ...]
    misfit: tuple[Misfit, ...]
    unused: tuple[str, ...]
    values: int
    total: int
    share: float
    prefix: str = ""
    kept: tuple[str, ...] = ()

    @property
    def fits(self) -> bool:
        """Whether enough of the backbone fits for the file to be this network's."""
        return bool(self.copied) and self.share >= MIN_SHARE

    def to_dict(self) -> dict[str, Any]:
        """Returns plain lists, numbers and strings."""
        return {**asdict(self), "misfit": [misfit._asdict() for misfit in self.misfit]}


def compare(
    network: nn.Module | Mapping[str, Tensor], path: Path, *, head: str = "", copy_head: bool = True
) -> Transferred:
    """Says what a file has for a network, without reading a value or changing anything.

    Args:
        network: The network or its ``state_dict``; on ``meta`` as well.
        path: See :func:`core.models.weights.safe_reader.open_tensors`.
        head: Name of the network's last layer, which need not fit.
        copy_head: Whether the last layer would be copied where it fits.

    Raises:
        InputError: The file is no file of tensors, is damaged, or holds code.
    """
    return _compare(_state(network), open_tensors(path), head, copy_head)


def transfer_weights(model: nn.Module, path: Path, *, head: str = "", copy_head: bool = True) -> Transferred:
    """Copies every tensor that fits by name and shape into ``model``; the others keep the values they have.

    Where a prefix stands before all the names that fit, such as ``module.`` of ``DataParallel`` or ``encoder.`` of a
    larger network, it is taken off. All is compared and read before the first value is changed.

    Args:
        model: The network.
        path: See :func:`core.models.weights.safe_reader.open_tensors`.
        head: Name of its last layer, which need not fit.
        copy_head: Whether the last layer is copied where it fits.

    Raises:
        InputError: The file cannot be used, as in :func:`compare`; fewer than :data:`MIN_SHARE` of the backbone's
            tensors fit; or a tensor that fits holds values that are no numbers. The network is as it was then.
    """
    file = open_tensors(path)
    state = _state(model)
    found = _compare(state, file, head, copy_head)
    if not found.fits:
        raise _other_network(file.path, found)
    source = {found.prefix + name: name for name in found.copied}
    values = {source[name]: tensor for name, tensor in file.load(source).items()}
    broken = [name for name, tensor in values.items() if tensor.is_floating_point() and not tensor.isfinite().all()]
    if broken:
        raise InputError(
            "The weight file {file} holds values that are no finite numbers in {count} of its tensors: {tensors}. It "
            "comes from a training that failed; choose another file.",
            file=file.path.name,
            count=len(broken),
            tensors=_few(broken),
        )
    with torch.no_grad():
        for name, tensor in values.items():
            if tensor.shape != state[name].shape:  # the file was replaced between the look and the reading
                raise InputError("The weight file {file} is damaged and cannot be read.", file=str(file.path))
        for name, tensor in values.items():
            state[name].copy_(tensor)
    return found


def _state(network: nn.Module | Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    return network.state_dict() if isinstance(network, nn.Module) else network


def _compare(state: Mapping[str, Tensor], file: TensorFile, head: str, copy_head: bool) -> Transferred:
    entries = file.entries
    prefix = _prefix(state, entries)
    copied: list[str] = []
    missing: list[str] = []
    misfit: list[Misfit] = []
    kept: list[str] = []
    for name, tensor in state.items():
        entry = entries.get(prefix + name)
        if entry is None:
            missing.append(name)
        elif not copy_head and _of_head(name, head) and _fits(tensor, entry):
            kept.append(name)
        elif _fits(tensor, entry):
            copied.append(name)
        else:
            misfit.append(_misfit(name, tensor, entry))
    mine = {prefix + name for name in state}
    counting = [name for name in state if not _of_head(name, head) and not name.endswith("num_batches_tracked")]
    fitting = set(copied)
    return Transferred(
        copied=tuple(copied),
        missing=tuple(missing),
        misfit=tuple(misfit),
        unused=tuple(name for name in entries if name not in mine),
        values=sum(state[name].numel() for name in copied),
        total=sum(tensor.numel() for tensor in state.values()),
        share=sum(name in fitting for name in counting) / len(counting) if counting else 1.0,
        prefix=prefix,
        kept=tuple(kept),
    )


def _of_head(name: str, head: str) -> bool:
    return bool(head) and (name == head or name.startswith(f"{head}."))


def _prefix(state: Mapping[str, Tensor], entries: Mapping[str, Entry]) -> str:
    """Returns the prefix in the file's names with which most tensors fit; the shortest of several."""
    candidates = {""}
    for name in entries:
        parts = name.split(".")[:-1]
        candidates.update(".".join(parts[:depth]) + "." for depth in range(1, min(len(parts), _PREFIX_DEPTH) + 1))

    def fitting(prefix: str) -> int:
        return sum(
            (entry := entries.get(prefix + name)) is not None and _fits(tensor, entry) for name, tensor in state.items()
        )

    usable = [prefix for prefix in candidates if sum(name.startswith(prefix) for name in entries) > 1 or not prefix]
    return max(sorted(usable, key=lambda prefix: (len(prefix), prefix)), key=fitting)


def _fits(tensor: Tensor, entry: Entry) -> bool:
    return tuple(tensor.shape) == entry.shape and tensor.is_floating_point() == entry.floating


def _misfit(name: str, tensor: Tensor, entry: Entry) -> Misfit:
    ours, theirs = _shape(tuple(tensor.shape)), _shape(entry.shape)
    if ours == theirs:
        ours += " float" if tensor.is_floating_point() else " int"
        theirs += " float" if entry.floating else " int"
    return Misfit(name, ours, theirs)


def _shape(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "1"


def _few(names: list[str]) -> str:
    return "; ".join(names[:4]) + ("; …" if len(names) > 4 else "")


def _other_network(path: Path, found: Transferred) -> InputError:
    differences = [f"{row.name} {row.theirs} ≠ {row.ours}" for row in found.misfit]
    differences += [f"− {name}" for name in found.missing]
    differences += [f"+ {name}" for name in found.unused]
    return InputError(
        "The weight file {file} is another network's: only {share} %\u00a0of this backbone's tensors are in it with "
        "the same name and shape. Differences: {tensors}. Nothing was copied.",
        file=path.name,
        share=round(100 * found.share),
        tensors=_few(differences),
    )
