"""The skips of a network, and what becomes of gradients and answers when one of them is cut."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from core.errors import InputError
from core.interpret.probe import device_of
from core.interpret.shared_copy import shared_copy
from core.messages import Progress
from core.models.network import Network

AT_ONCE = 4
"""Pictures that go through a network at once: more gain little on a CPU, and a cancelled work waits for them."""
_SUMS = {"add", "add_", "__add__", "__radd__", "__iadd__"}


@dataclass(frozen=True, slots=True)
class Skip:
    """A block that adds its input, or a projection of it, to what its layers make of it.

    Attributes:
        name: Module path of the block.
        before: Shape of what enters it, without the batch.
        after: Shape of what leaves it.
        projection: Weights of the convolutions on its shortcut; 0 in an identity block.
    """

    name: str
    before: tuple[int, ...]
    after: tuple[int, ...]
    projection: int


@dataclass(frozen=True, slots=True)
class Cut:
    """A network with all its skips beside the same with one of them cut.

    Attributes:
        layers: Names of the convolutions and linear layers in the order in which they ran.
        whole: Length of the gradient of each layer's weights, for the cross-entropy of what the network says.
        cut: The same without the skip.
        named: The class that the network says.
        probabilities: Its probability, with the skip and without.
    """

    layers: tuple[str, ...]
    whole: tuple[float, ...]
    cut: tuple[float, ...]
    named: int
    probabilities: tuple[float, float]


def skips(network: Network) -> list[Skip]:
    """Returns the blocks whose skip can be cut, in the network's order; none where it has no sums around layers."""
    modules = dict(network.model.named_modules())
    found = []
    for stage in network.anatomy.stages:
        for block in stage.blocks:
            if block.skip != "add" or block.name not in modules:
                continue
            layer = network.anatomy.layer(block.name)
            module = modules[block.name]
            aside = (child for name, child in module.named_children() if name in ("downsample", "shortcut", "skip"))
            weights = sum(
                inner.weight.numel() for child in aside for inner in child.modules() if isinstance(inner, nn.Conv2d)
            )
            found.append(Skip(block.name, tuple(layer.input_shape), tuple(layer.output_shape), weights))
    return found


class _Without(TorchFunctionMode):
    """Leaves the shortcut of a block's sum out.

    Args:
        entered: What entered the block.
        aside: What its own modules made of that directly: the shortcut of a convolution block is among them.
    """

    def __init__(self, entered: Tensor, aside: list[Tensor]) -> None:
        super().__init__()
        self._entered, self._aside = entered, aside
        self.left_out = 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> object:
        if getattr(func, "__name__", "") in _SUMS and not self.left_out and len(args) > 1:
            pair = args[:2]
            if all(isinstance(one, Tensor) for one in pair) and pair[0].shape == pair[1].shape:
                for short, other in (pair, pair[::-1]):
                    if short is self._entered or any(short is one for one in self._aside):
                        self.left_out += 1
                        return other
        return func(*args, **(kwargs or {}))


def without(network: Network, name: str) -> nn.Module:
    """Returns a copy of a network, in eval mode, in which one block hands on what its layers make, and no sum.

    Args:
        network: The network, which stays as it is.
        name: Module path of the block, one of :func:`skips`.

    Raises:
        InputError: The network has no such block, or its skip cannot be told from its layers.
    """
    if name not in {skip.name for skip in skips(network)}:
        raise InputError("The network {network} has no skip at {name}.", network=network.name, name=name)
    model = shared_copy(network).cpu()
    block = model.get_submodule(name)
    original = block.forward

    def forward(x: Tensor, *more: object, **named: object) -> object:
        aside: list[Tensor] = []

        def note(_module: nn.Module, inputs: tuple[object, ...], output: object) -> None:
            if inputs and inputs[0] is x and isinstance(output, Tensor):
                aside.append(output)

        hooks = [child.register_forward_hook(note) for child in block.children()]
        try:
            with _Without(x, aside) as mode:
                out = original(x, *more, **named)
        finally:
            for hook in hooks:
                hook.remove()
        if not mode.left_out:
            raise InputError("The skip at {name} cannot be told from the block's own layers.", name=name)
        return out

    block.forward = forward
    return model


def compare(network: Network, cut: nn.Module, x: Tensor) -> Cut:
    """Sends a picture through both, forward and back.

    Args:
        network: The network.
        cut: What :func:`without` made of it.
        x: A normalised picture, 1xCxHxW.
    """
    x = x.cpu()
    first, said = _gradients(shared_copy(network).cpu(), x, None)
    named = int(said.argmax())
    second, later = _gradients(cut, x, named)
    lengths = tuple(second.get(name, 0.0) for name in first)
    return Cut(tuple(first), tuple(first.values()), lengths, named, (float(said[named]), float(later[named])))


def _gradients(model: nn.Module, x: Tensor, named: int | None) -> tuple[dict[str, float], Tensor]:
    """Sends a picture forward and back.

    Args:
        model: The network.
        x: The picture.
        named: The class whose cross-entropy it is; that which the network itself says by default.

    Returns:
        By the layers with a window or a matrix of weights, in the order in which they ran, the length of these
        weights' gradient; and the probabilities.
    """
    layers = {name: m for name, m in model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}
    ran: dict[str, Tensor] = {}

    def note(name: str) -> Callable[..., None]:
        def begins(layer: nn.Module, _given: object) -> None:
            ran.setdefault(name, layer.weight.requires_grad_())  # type: ignore[arg-type]

        return begins

    hooks = [layer.register_forward_pre_hook(note(name)) for name, layer in layers.items()]
    try:
        logits = model(x)
    finally:
        for hook in hooks:
            hook.remove()
    wanted = logits.detach().argmax(1) if named is None else torch.tensor([named])
    slopes = torch.autograd.grad(F.cross_entropy(logits, wanted), list(ran.values()), allow_unused=True)
    lengths = (0.0 if slope is None else float(slope.norm()) for slope in slopes)
    return dict(zip(ran, lengths, strict=True)), logits.detach().softmax(1)[0]


@torch.no_grad()
def answers(model: nn.Module, batch: Tensor, progress: Progress | None = None) -> Tensor:
    """Returns the class that a network in eval mode names for each picture of a batch.

    Args:
        model: The network.
        batch: Normalised pictures, BxCxHxW.
        progress: Called with the number of pictures that were asked about, and of all; what it raises ends the work.
    """
    found: list[Tensor] = []
    for part in batch.split(AT_ONCE):
        found.append(torch.as_tensor(model(part.to(device_of(model)))).argmax(1).cpu())
        if progress is not None:
            progress(sum(map(len, found)), len(batch))
    return torch.cat(found)
