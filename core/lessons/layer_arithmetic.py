"""One value of a convolution of a network on a picture, written out: products, sums, bias, norm, activation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.errors import InputError
from core.interpret.layout import kind_of
from core.interpret.probe import Probe, reach
from core.models.anatomy.records import Anatomy

if TYPE_CHECKING:
    from core.models.network import Network

FOLLOWERS = 3
"""Layers behind a convolution that are looked at: norm, activation, and one more."""
_SAME = ("SameConv2d", "Conv2dSame")
"""Convolutions that pad as TensorFlow's ``SAME`` does."""


@dataclass(frozen=True, slots=True)
class Follower:
    """A layer that takes what the convolution gave, and nothing else.

    Attributes:
        name: Its name.
        module: The layer itself.
        output: What it gave out, KxHxW.
    """

    name: str
    module: nn.Module
    output: Tensor


@dataclass(frozen=True, slots=True)
class Recorded:
    """What one pass left of a convolution.

    Attributes:
        layer: Its name.
        module: The convolution.
        padded: What came in, with its margin, CxHxW float64.
        margin: Cells of the margin: left, right, top, bottom.
        output: What it gave out, KxHxW.
        followers: The norm and the activation behind it, in order; empty where something else follows.
    """

    layer: str
    module: nn.Conv2d
    padded: Tensor
    margin: tuple[int, int, int, int]
    output: Tensor
    followers: tuple[Follower, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One step from the sum to what the next layer gets.

    Attributes:
        kind: ``sum``, ``bias``, ``norm`` or ``activation``.
        name: The layer it belongs to.
        value: The value after it.
        torch_value: What the network itself had there; ``None`` within a layer.
        parts: The figures that go in, by their sign in the formula.
    """

    kind: str
    name: str
    value: float
    torch_value: float | None
    parts: dict[str, float]


@dataclass(frozen=True, slots=True)
class Cell:
    """One value of a convolution's map, and where it comes from.

    Attributes:
        channel: Channel of the output.
        row: Row of the cell.
        column: Its column.
        channels: The channels of the input that it sees.
        patch: What lies under the window, Cxhxw float64.
        kernel: The weights over it, likewise.
        sums: Sum of the products of each channel, C.
        margin: Taps that lie on the margin, hxw.
        steps: From the sum on, in order.
    """

    channel: int
    row: int
    column: int
    channels: range
    patch: Tensor
    kernel: Tensor
    sums: Tensor
    margin: Tensor
    steps: tuple[Step, ...]


def convolutions(anatomy: Anatomy) -> tuple[str, ...]:
    """Returns the convolutions that run once in a pass and give maps, in the network's order."""
    return tuple(
        layer.name
        for layer in anatomy.layers
        if layer.leaf and layer.calls == 1 and layer.map_shape and layer.kernel and kind_of(layer) == "conv"
    )


def record(network: Network, x: Tensor, layer: str) -> Recorded:
    """Runs a picture through a network as far as a convolution and what follows it.

    Args:
        network: The network; it is left as it was.
        x: One normalised image, 1xCxHxW.
        layer: Name of a convolution.

    Raises:
        InputError: The layer is no two-dimensional convolution that runs once, or has no kernel.
    """
    if layer not in convolutions(network.anatomy):
        raise InputError(
            "The layer {layer} lays no kernel on a map, so there is no sum to write out. Choose a convolution.",
            layer=layer,
        )
    leaves = [entry for entry in network.anatomy.layers if entry.leaf and entry.calls == 1 and entry.output_shape]
    place = next(index for index, entry in enumerate(leaves) if entry.name == layer)
    behind = [e.name for e in leaves[place + 1 : place + 1 + FOLLOWERS] if kind_of(e) in ("norm", "activation")]
    found: dict[str, tuple[Tensor, Tensor]] = {}
    with Probe(network) as probe:
        module = probe.model.get_submodule(layer)
        modules = {name: probe.model.get_submodule(name) for name in (layer, *behind)}
        inputs: dict[str, Tensor] = {}
        hooks = [m.register_forward_pre_hook(_keep(inputs, name)) for name, m in modules.items()]
        hooks += [m.register_forward_hook(_pair(inputs, found, name)) for name, m in modules.items()]
        try:
            reach(probe, x, tuple(modules), network.anatomy)
        finally:
            for hook in hooks:
                hook.remove()
    if not isinstance(module, nn.Conv2d) or layer not in found:
        raise InputError("The layer {layer} is no two-dimensional convolution. Choose another one.", layer=layer)
    given, output = found[layer]
    margin = _margin(module, given)
    mode = "constant" if module.padding_mode == "zeros" else module.padding_mode
    padded = F.pad(given.double(), margin, mode=mode) if any(margin) else given.double()
    return Recorded(layer, module, padded[0], margin, output[0], _followers(modules, behind, found, output))


def cell(recorded: Recorded, channel: int, row: int, column: int) -> Cell:
    """Writes out one value of a convolution's map.

    Args:
        recorded: What a pass left.
        channel: Channel of the output.
        row: Row of the cell.
        column: Its column.

    Raises:
        InputError: There is no such channel or cell, or the layer changes its weights before it multiplies.
    """
    count, rows, columns = recorded.output.shape
    for name, value, most in (("channel", channel, count), ("row", row, rows), ("column", column, columns)):
        if not 0 <= value < most:
            raise InputError(
                "There is no {name} {value} in the map of {layer}: it has {most}, counted from 0.",
                name=name,
                value=value,
                layer=recorded.layer,
                most=most,
            )
    module = recorded.module
    kernel = module.weight[channel].detach().double().cpu()
    each, per_group = len(kernel), count // module.groups
    channels = range(channel // per_group * each, channel // per_group * each + each)
    top, left = row * module.stride[0], column * module.stride[1]
    down, across = (
        slice(start, start + step * (side - 1) + 1, step)
        for start, side, step in (
            (top, kernel.shape[1], module.dilation[0]),
            (left, kernel.shape[2], module.dilation[1]),
        )
    )
    patch = recorded.padded[channels.start : channels.stop, down, across].cpu()
    sums = (patch * kernel).flatten(1).sum(1)
    inside = torch.zeros(recorded.padded.shape[1:], dtype=torch.bool)
    first, last, above, below = recorded.margin
    inside[above : inside.shape[0] - below, first : inside.shape[1] - last] = True
    steps = tuple(_steps(recorded, channel, row, column, float(sums.sum())))
    _agree(recorded, steps, float((patch * kernel).abs().sum()))
    return Cell(channel, row, column, channels, patch, kernel, sums, ~inside[down, across], steps)


def _keep(inputs: dict[str, Tensor], name: str) -> Callable[..., None]:
    def keep(_module: nn.Module, given: tuple[Any, ...]) -> None:
        if given and isinstance(given[0], Tensor):
            inputs[name] = given[0].detach().clone()  # what comes behind may work in place

    return keep


def _pair(inputs: dict[str, Tensor], found: dict[str, tuple[Tensor, Tensor]], name: str) -> Callable[..., None]:
    def pair(_module: nn.Module, _given: tuple[Any, ...], output: object) -> None:
        if name in inputs and isinstance(output, Tensor):
            found[name] = inputs[name].cpu(), output.detach().clone().cpu()

    return pair


def _margin(module: nn.Conv2d, given: Tensor) -> tuple[int, int, int, int]:
    """Returns the margin that a convolution adds: left, right, top, bottom."""
    if type(module).__name__ in _SAME:
        found: list[int] = []
        for axis in (1, 0):
            side, kernel, stride, dilation = (
                given.shape[2 + axis],
                module.kernel_size[axis],
                module.stride[axis],
                module.dilation[axis],
            )
            reach_ = dilation * (kernel - 1) + 1
            extra = max(0, (-(-side // stride) - 1) * stride + reach_ - side)
            found += [extra // 2, extra - extra // 2]
        return found[0], found[1], found[2], found[3]
    left, right, top, bottom = module._reversed_padding_repeated_twice
    return left, right, top, bottom


def _followers(
    modules: dict[str, nn.Module], behind: list[str], found: dict[str, tuple[Tensor, Tensor]], output: Tensor
) -> tuple[Follower, ...]:
    """Returns those layers that took exactly what the one before gave, up to the first that did not."""
    kept: list[Follower] = []
    before = output
    for name in behind:
        if name not in found or not torch.equal(found[name][0], before) or found[name][1].shape != output.shape:
            break
        before = found[name][1]
        kept.append(Follower(name, modules[name], before[0]))
    return tuple(kept)


def _steps(recorded: Recorded, channel: int, row: int, column: int, total: float) -> list[Step]:
    there = (channel, row, column)
    bias = recorded.module.bias
    value = total
    plain = None if bias is not None else float(recorded.output[there])
    steps = [Step("sum", recorded.layer, value, plain, {})]
    if bias is not None:
        value += float(bias[channel].detach())
        steps.append(
            Step("bias", recorded.layer, value, float(recorded.output[there]), {"b": float(bias[channel].detach())})
        )
    before = recorded.output
    for follower in recorded.followers:
        figures = _norm_figures(follower.module, channel)
        exact = float(follower.output[there])
        activated = getattr(follower.module, "act", None)
        if figures is not None:
            value = (value - figures["μ"]) / (figures["σ²"] + figures["ε"]) ** 0.5 * figures["γ"] + figures["β"]
            inner = isinstance(activated, nn.Module) and not isinstance(activated, nn.Identity)
            steps.append(Step("norm", follower.name, value, None if inner else exact, figures))
            if inner:
                value = float(activated(torch.tensor([[[[value]]]], dtype=torch.float32)))  # type: ignore[misc]
                steps.append(Step("activation", follower.name, value, exact, {}))
        elif list(follower.module.parameters()) or isinstance(follower.module, nn.LayerNorm | nn.GroupNorm):
            break  # what mixes channels or places is no step of one value
        else:
            column_of = before[:, row, column].float().clone()
            column_of[channel] = value
            value = float(follower.module(column_of[None, :, None, None])[0, channel])
            steps.append(Step("activation", follower.name, value, exact, {}))
        before = follower.output
    return steps


def _norm_figures(module: nn.Module, channel: int) -> dict[str, float] | None:
    """Returns what a batch norm does to a channel in eval mode; ``None`` for any other layer."""
    mean, variance = getattr(module, "running_mean", None), getattr(module, "running_var", None)
    if not isinstance(mean, Tensor) or not isinstance(variance, Tensor):
        return None
    weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
    return {
        "μ": float(mean[channel].detach()),
        "σ²": float(variance[channel].detach()),
        "ε": float(module.eps),  # type: ignore[arg-type]
        "γ": 1.0 if weight is None else float(weight[channel].detach()),
        "β": 0.0 if bias is None else float(bias[channel].detach()),
    }


def _agree(recorded: Recorded, steps: tuple[Step, ...], size: float) -> None:
    """Checks the convolution's value against the network's own."""
    own = next(step for step in steps if step.torch_value is not None)
    if abs(own.value - own.torch_value) > 1e-5 * max(size, abs(own.value), 1e-6):  # type: ignore[operator]
        raise InputError(
            "The layer {layer} ({kind}) changes its weights or its input before it multiplies, so the sum of products "
            "is not its value. Choose another convolution.",
            layer=recorded.layer,
            kind=type(recorded.module).__name__,
        )
