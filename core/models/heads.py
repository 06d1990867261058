"""Heads: giving a network its own classes, and using what comes before the head on its own."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.errors import InputError
from core.models.anatomy.examine import Anatomy, examine
from core.models.anatomy.stages import HEAD, NECK
from core.models.anatomy.trace import input_channels, side, trace
from core.models.architectures.sigmoid_output import SigmoidOutput
from core.models.modes import eval_mode, forward_to
from core.specs import HeadSpec

MAX_PARAMETERS = 1_000_000_000
"""Parameters of the largest head that is built."""


class LinearHead(nn.Linear):
    """A linear layer that drops some of its input features while it trains.

    The dropout lives inside the layer, so its parameters are called the same with and without: ``fc.weight`` stays
    ``fc.weight``.

    Args:
        in_features: Features of its input, B x ``in_features``.
        out_features: Number of classes.
        dropout: Probability of dropping a feature.
    """

    def __init__(self, in_features: int, out_features: int, dropout: float = 0.0) -> None:
        super().__init__(in_features, out_features)
        self.dropout = dropout

    def forward(self, input: Tensor) -> Tensor:
        """Returns the logits of the features ``input``."""
        return super().forward(F.dropout(input, self.dropout, self.training))

    def extra_repr(self) -> str:
        """Describes the layer as ``nn.Linear`` does, and its dropout."""
        return f"{super().extra_repr()}, dropout={self.dropout}"


class ConvHead(nn.Conv2d):
    """A 1 x 1 convolution that drops some of its input values while it trains; see :class:`LinearHead`."""

    def __init__(self, in_channels: int, out_channels: int, dropout: float = 0.0) -> None:
        super().__init__(in_channels, out_channels, kernel_size=1)
        self.dropout = dropout

    def forward(self, input: Tensor) -> Tensor:
        """Returns a map of logits, B x classes x H x W, of the feature map ``input``."""
        return super().forward(F.dropout(input, self.dropout, self.training))

    def extra_repr(self) -> str:
        """Describes the layer as ``nn.Conv2d`` does, and its dropout."""
        return f"{super().extra_repr()}, dropout={self.dropout}"


class MlpHead(nn.Sequential):
    """Hidden layers, each with ReLU and dropout, and a last layer for the classes; linear layers or 1 x 1 convolutions.

    Args:
        in_features: Features (channels) of its input.
        hidden: Sizes of the hidden layers.
        out_features: Number of classes.
        dropout: Probability of dropping a hidden feature.
        conv: Whether it works on a feature map, B x ``in_features`` x H x W, pixel by pixel.
    """

    def __init__(
        self, in_features: int, hidden: Sequence[int], out_features: int, dropout: float = 0.0, *, conv: bool = False
    ) -> None:
        layers: list[nn.Module] = []
        sizes = (in_features, *hidden)
        for before, after in pairwise(sizes):
            layers += [_layer(before, after, conv), nn.ReLU(inplace=True), nn.Dropout(dropout)]
        super().__init__(*layers, _layer(sizes[-1], out_features, conv))
        self.in_features, self.out_features, self.conv = in_features, out_features, conv


def _layer(before: int, after: int, conv: bool) -> nn.Module:
    return nn.Conv2d(before, after, kernel_size=1) if conv else nn.Linear(before, after)


class Unroll(nn.Module):
    """Lays every value of a feature map side by side as channels of a map of one pixel (or as plain features).

    A pooling behind it, module or function, then has nothing left to average.

    Args:
        plain: Give B x C*H*W instead of B x C*H*W x 1 x 1.
    """

    def __init__(self, plain: bool = False) -> None:
        super().__init__()
        self.plain = plain

    def forward(self, x: Tensor) -> Tensor:
        """Returns B x C*H*W (x 1 x 1) of a feature map B x C x H x W."""
        return x.flatten(1) if self.plain else x.reshape(len(x), -1, 1, 1)


def build_head(
    model: nn.Module,
    anatomy: Anatomy,
    num_classes: int,
    spec: HeadSpec | None = None,
    *,
    seed: int = 0,
    becomes: Anatomy | None = None,
) -> Anatomy:
    """Gives ``model`` a new head for ``num_classes`` classes, in place.

    Where the network had one sigmoid output, it has one again for two classes.

    The new weights are Glorot-uniform (Glorot and Bengio, 2010, https://proceedings.mlr.press/v9/glorot10a.html) and
    the biases zero, so that all classes start about equally likely. They depend on ``seed`` alone, not on torch's
    global generator, which is left as it is.

    Args:
        model: The network, on any device (on ``meta`` for its shapes alone).
        anatomy: Its anatomy.
        num_classes: Number of classes, at least 2.
        spec: Hidden layers, pooling and dropout; one linear layer by default.
        seed: Seed of the new weights.
        becomes: The anatomy of the changed network, where it is known: then it is not examined.

    Returns:
        The anatomy of the changed network.

    Raises:
        InputError: There are fewer than two classes, the network's last feature map cannot be pooled as asked for, or
            the head would be larger than :data:`MAX_PARAMETERS`.
    """
    spec = spec or HeadSpec()
    if num_classes < 2:
        raise InputError("A classifier needs at least 2 classes, not {classes}.", classes=num_classes)
    old = model.get_submodule(anatomy.head)
    place = next(old.parameters())
    features = anatomy.head_features
    if spec.pool != "own":
        anatomy, features = _repool(model, anatomy, spec.pool)
    sizes = (features, *spec.hidden, num_classes)
    parameters = sum((before + 1) * after for before, after in pairwise(sizes))
    if parameters > MAX_PARAMETERS:
        raise InputError(
            "This head would have {parameters} parameters ({sizes}). At most {limit} are built: pool the feature map "
            "by its average, or choose smaller layers.",
            parameters=f"{parameters:,}",
            sizes=" → ".join(f"{size:,}" for size in sizes),
            limit=f"{MAX_PARAMETERS:,}",
        )
    conv = anatomy.head_kind == "conv"
    with torch.device("meta"):
        if spec.hidden:
            head: nn.Module = MlpHead(features, spec.hidden, num_classes, spec.dropout, conv=conv)
        elif isinstance(old, SigmoidOutput) and num_classes == old.classes:
            head = SigmoidOutput(features, spec.dropout)
        else:
            head = (ConvHead if conv else LinearHead)(features, num_classes, spec.dropout)
    if place.device.type != "meta":
        _draw(head, seed, place)
    head.train(old.training)
    model.set_submodule(anatomy.head, head)
    return becomes or examine(model, num_classes=num_classes, image_size=anatomy.input_size, like=anatomy)


def _draw(head: nn.Module, seed: int, place: Tensor) -> None:
    """Gives a head that was built on ``meta`` its first values, where and in the format in which ``place`` lies."""
    generator = torch.Generator().manual_seed(seed)
    for module in head.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            weight = nn.init.xavier_uniform_(torch.empty(module.weight.shape), generator=generator)
            module.weight = nn.Parameter(weight.to(place.device, place.dtype))
            module.bias = nn.Parameter(torch.zeros(module.weight.shape[0], device=place.device, dtype=place.dtype))


def _repool(model: nn.Module, anatomy: Anatomy, pool: str) -> tuple[Anatomy, int]:
    """Lets the last feature map reach the head by its average or value by value, and drops the neck.

    Nothing is known of the network but its traced pass: the pooling module that reads the last map is exchanged; where
    pooling is a mere function, the map is unrolled at the end of the sequence that makes it. What then enters the head
    is measured, not supposed.

    Returns:
        The anatomy without neck, and how many features enter the head.
    """
    refusal = _unfit(anatomy)
    if refusal is not None:
        raise refusal
    refusal = InputError(
        "The last feature map of this network does not reach the head through a pooling that can be exchanged. "
        "Choose the network's own pooling."
    )
    calls = sorted(trace(model, anatomy.input_size).walk(), key=lambda call: call.order)
    last = {call.name: call for call in calls}
    source, head = last[anatomy.cam_layer], last[anatomy.head]
    between = [call for call in calls if source.order < call.order < head.order]
    pools = [call for call in between if "Pool" in call.kind and not call.children and (side(call.entry) or 0) > 1]
    if not pools and any("Pool" in call.kind and side(call.entry) == 1 for call in between):
        raise InputError(
            "At {size} px the last feature map of this network is a single pixel, so there is nothing to pool. Choose "
            "its own pooling, or larger images.",
            size=anatomy.input_size,
        )
    shape = pools[-1].entry if pools else source.exit
    if pools:
        plain = len(pools[-1].exit) == 2
        if pool == "flatten":
            model.set_submodule(pools[-1].name, Unroll(plain))
        elif not plain:
            model.set_submodule(pools[-1].name, nn.AdaptiveAvgPool2d(1))
    elif pool == "flatten":
        around = [call for call in between if call.origin is source.origin]
        end = model.get_submodule((around or [source])[-1].name)
        if not isinstance(end, nn.Sequential):
            raise refusal
        end.append(Unroll())
    for layer in anatomy.layers:
        if layer.stage == NECK and layer.leaf and not layer.kind.startswith(("Flatten", "Adaptive")):
            model.set_submodule(layer.name, nn.Identity())
    expected = math.prod(shape[1:]) if pool == "flatten" else shape[1]
    if _features_entering(model, anatomy) != expected:
        raise refusal
    return _without_neck(anatomy), expected


def _unfit(anatomy: Anatomy) -> InputError | None:
    """Says why a network's last map cannot be pooled anew; ``None`` where it can be tried."""
    if anatomy.head_kind == "conv":
        return InputError(
            "This network's head is a convolution over the last feature map, and pools what comes out of it. Choose "
            "its own pooling."
        )
    if not anatomy.cam_layer:
        return InputError(
            "This network has no feature map of more than one pixel before its head. Choose its own pooling, or a "
            "larger image size."
        )
    if anatomy.layout == "tokens":
        return InputError("This network answers from a class token, not from a feature map. Choose its own pooling.")
    return None


def _features_entering(model: nn.Module, anatomy: Anatomy) -> int:
    place = next(model.get_submodule(anatomy.head).parameters())
    side = anatomy.input_size
    images = torch.zeros(2, input_channels(model), side, side, device=place.device, dtype=place.dtype)
    try:
        with eval_mode(model), torch.no_grad():
            entering = head_input(model, anatomy, images)
    except RuntimeError:
        return -1
    return int(entering.shape[1]) if entering.ndim == 2 else -1


def _without_neck(anatomy: Anatomy) -> Anatomy:
    return dataclasses.replace(
        anatomy,
        stages=tuple(stage for stage in anatomy.stages if stage.name != NECK),
        layers=tuple(
            dataclasses.replace(layer, stage=HEAD) if layer.stage == NECK else layer for layer in anatomy.layers
        ),
    )


def head_input(model: nn.Module, anatomy: Anatomy, x: Tensor) -> Tensor:
    """Computes what enters the head, and nothing behind it.

    Modes and gradients are the caller's choice: for features to be kept, call it in eval mode and without gradients.

    Args:
        model: The network.
        anatomy: Its anatomy.
        x: Images, B x 3 x H x W.

    Returns:
        B x ``head_features``, or B x ``head_features`` x h x w where the head is a convolution.
    """
    return forward_to(model, x, anatomy.head, entering=True)


def tail(model: nn.Module, anatomy: Anatomy) -> nn.Module | None:
    """Returns the part of ``model`` from the head's input to the logits, sharing its parameters.

    ``tail(head_input(x))`` equals ``model(x)`` in eval mode; this is tried on a random image before it is promised.
    Training the tail trains the model's head.

    Returns:
        The tail, or ``None`` if what follows the head cannot be taken out of the network.
    """
    for candidate in _candidates(model, anatomy.head):
        if _agrees(model, anatomy, candidate):
            return candidate
    return None


def _candidates(model: nn.Module, head: str) -> list[nn.Module]:
    """Returns the head alone, then with what follows it in the sequences around it, each also flattened."""
    parts: list[nn.Module] = [model.get_submodule(head)]
    found: list[nn.Module] = [parts[0]]
    path = head
    while path:
        path, _, child = path.rpartition(".")
        parent = model.get_submodule(path)
        if not isinstance(parent, nn.Sequential):
            break
        names = [name for name, _ in parent.named_children()]
        following = [module for name, module in parent.named_children() if names.index(name) > names.index(child)]
        if following:
            parts = [*parts, *following]
            found.append(nn.Sequential(*parts))
    return found + [nn.Sequential(candidate, nn.Flatten(1)) for candidate in found]


def _agrees(model: nn.Module, anatomy: Anatomy, candidate: nn.Module) -> bool:
    head = model.get_submodule(anatomy.head)
    place = next(head.parameters())
    kept: list[Tensor] = []
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(2, input_channels(model), anatomy.input_size, anatomy.input_size, generator=generator)
    handle = head.register_forward_pre_hook(lambda _module, args: kept.append(args[0].clone()))
    with eval_mode(model, candidate), torch.no_grad():
        try:
            logits = model(images.to(place.device, place.dtype))
        finally:
            handle.remove()
        own = candidate(kept[0])
    return own.shape == logits.shape and torch.allclose(own, logits, rtol=1e-4, atol=1e-5)
