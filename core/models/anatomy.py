"""The anatomy of a network: its head, its stages, its layers and where to look, from one traced forward pass.

There are no per-model tables: the same rules read torchvision's classifiers, EfficientNet-Lite and small networks
of one's own.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from torch import nn

from core.errors import InputError
from core.models import catalog
from core.models.stages import HEAD, NECK, Division, divide
from core.models.trace import Call, Shape, layout, side, token_side, trace

_TRANSPARENT = ("Pool", "Dropout", "StochasticDepth", "Identity", "Flatten")


@dataclass(frozen=True, slots=True)
class Layer:
    """A module that ran, block or leaf.

    Attributes:
        name: Qualified name in the network.
        kind: Name of its class.
        input_shape: Shape of its first input, without the batch.
        output_shape: Shape of its (first) output, without the batch. A module that runs several times in one pass
            reports its last call.
        parameters: Number of parameters in it, those of inner modules included.
        stage: Name of its stage; a block that spans several belongs to its last.
        layout: How its output lies: ``NCHW``, ``NHWC`` (square feature maps), ``tokens`` (grid of patches), or
            ``None`` for anything else.
        leaf: Whether no other module ran inside it.
    """

    name: str
    kind: str
    input_shape: Shape
    output_shape: Shape
    parameters: int
    stage: str
    layout: str | None
    leaf: bool


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of the network that is frozen or trained as a whole.

    Attributes:
        name: ``stage1`` ... ``stageN``, then ``neck`` (layers between the pooled features and the head, where there
            are any), then ``head``.
        parameters: Number of parameters.
        layers: Names of the modules that own these parameters directly, in the network's order.
        spatial: Height and width of the features that leave it; ``None`` for neck and head.
        channels: Channels of these features, likewise.
        parameter_names: Names of the parameters. Over all stages each name occurs exactly once.
        parameter_sizes: Number of values of each, in the same order.
    """

    name: str
    parameters: int
    layers: tuple[str, ...]
    spatial: tuple[int, int] | None
    channels: int | None
    parameter_names: tuple[str, ...]
    parameter_sizes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Anatomy:
    """What the app needs to know of a network.

    Attributes:
        head: Name of the layer that makes the logits.
        head_kind: ``linear``, or ``conv`` for a 1 x 1 convolution.
        head_features: Number of features (channels) that enter the head.
        num_classes: Number of classes it tells apart.
        cam_layer: Name of the layer whose output the heatmaps weigh; empty if the network has no feature maps.
        layout: How the output of that layer lies: ``NCHW``, ``NHWC`` or ``tokens``.
        grid: Height and width of that layer's feature map. Tokens fold to it once leading class tokens are dropped.
        stages: In order; they partition the parameters.
        layers: Every module that ran, in the order in which they returned last.
        input_size: Side of the images it was examined with, in pixels.
        total: Number of all parameters.
    """

    head: str
    head_kind: str
    head_features: int
    num_classes: int
    cam_layer: str
    layout: str
    grid: tuple[int, int]
    stages: tuple[Stage, ...]
    layers: tuple[Layer, ...]
    input_size: int
    total: int

    @property
    def backbone_stages(self) -> tuple[Stage, ...]:
        """``stage1`` ... ``stageN``, without neck and head."""
        return tuple(stage for stage in self.stages if stage.name not in (NECK, HEAD))

    def layer(self, name: str) -> Layer:
        """Returns the layer of that name.

        Raises:
            InputError: The network has no such layer, or it did not run.
        """
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise InputError("The network has no layer {layer}.", layer=name)

    def to_dict(self) -> dict[str, Any]:
        """Returns the anatomy as plain lists, dictionaries, numbers and strings."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Anatomy:
        """Reads what :meth:`to_dict` returned, also after a way through JSON."""
        stages = (
            Stage(
                **{
                    **stage,
                    "layers": tuple(stage["layers"]),
                    "spatial": tuple(stage["spatial"]) if stage["spatial"] else None,
                    "parameter_names": tuple(stage["parameter_names"]),
                    "parameter_sizes": tuple(stage["parameter_sizes"]),
                }
            )
            for stage in record["stages"]
        )
        layers = (
            Layer(
                **{
                    **layer,
                    "input_shape": tuple(layer["input_shape"]),
                    "output_shape": tuple(layer["output_shape"]),
                }
            )
            for layer in record["layers"]
        )
        return cls(**{**record, "grid": tuple(record["grid"]), "stages": tuple(stages), "layers": tuple(layers)})


def examine(model: nn.Module, *, num_classes: int, image_size: int, like: Anatomy | None = None) -> Anatomy:
    """Reads the anatomy of a classifier from one forward pass on shapes.

    Args:
        model: Any classifier of B x C x H x W images that ends in a linear layer or a 1 x 1 convolution.
        num_classes: Number of its classes.
        image_size: Side of the square images, in pixels.
        like: An anatomy of the same network with another head or another image size; its head's name and its
            division into stages are kept.

    Raises:
        InputError: The network cannot take such images, or no layer with so many outputs was found.
    """
    root = trace(model, image_size)
    calls = sorted(root.walk(), key=lambda call: call.order)
    head = _find_head(model, calls, num_classes, like.head if like else None)
    division = divide(model, root, head, image_size)
    if like is not None:
        _adopt(division, like)
    cam = _find_cam_layer(calls, head, division.spread)
    module = model.get_submodule(head.name)
    linear = isinstance(module, nn.Linear) or not (isinstance(module, nn.Conv2d) or getattr(module, "conv", False))
    counts = {name: parameter.numel() for name, parameter in model.named_parameters()}
    return Anatomy(
        head=head.name,
        head_kind="linear" if linear else "conv",
        head_features=int(module.in_channels if isinstance(module, nn.Conv2d) else module.in_features),  # type: ignore[arg-type]
        num_classes=num_classes,
        cam_layer=cam.name if cam else "",
        layout=(layout(cam.exit) if cam else None) or "NCHW",
        grid=_grid(cam),
        stages=_stages(division, counts),
        layers=_layers(division, calls, counts),
        input_size=image_size,
        total=sum(counts.values()),
    )


@lru_cache(maxsize=256)
def anatomy_of(name: str, image_size: int | None = None) -> Anatomy:
    """Returns the anatomy of a backbone with its ImageNet head, without weights, downloads or memory to speak of.

    The division into stages is always that of the backbone's own image size.

    Args:
        name: Name of a backbone in the catalogue.
        image_size: Side of the images, in pixels; ``None`` for the backbone's own.

    Raises:
        InputError: The backbone is unknown, or cannot take images of that size.
    """
    known = catalog.backbone(name)
    if image_size is None or image_size == known.input_size:
        return examine(catalog.skeleton(name), num_classes=known.num_classes, image_size=known.input_size)
    own = anatomy_of(name)
    return examine(catalog.skeleton(name, image_size), num_classes=known.num_classes, image_size=image_size, like=own)


def _find_head(model: nn.Module, calls: list[Call], num_classes: int, name: str | None) -> Call:
    for call in reversed(calls):
        if name is not None:
            if call.name == name:
                return call
            continue
        module = model.get_submodule(call.name)
        if isinstance(module, nn.Linear) and module.out_features == num_classes:
            return call
        if isinstance(module, nn.Conv2d) and module.out_channels == num_classes and module.kernel_size == (1, 1):
            return call
    raise InputError(
        "The network {network} has no linear layer or 1 × 1 convolution with {classes} outputs to be its head.",
        network=type(model).__name__,
        classes=num_classes,
    )


def _find_cam_layer(calls: list[Call], head: Call, spread: set[str]) -> Call | None:
    """Returns the call whose output is the last feature map before the head.

    Going back from the head, that is the first square map wider than one pixel which no pool, dropout or identity
    made. In networks of tokens it is the LayerNorm before the last attention: behind that, only the class token
    reaches the logits, and all patches have gradient zero.
    """
    inside = set(head.walk())
    before = [call for call in calls if call.order < head.order and call not in inside]
    for index in range(len(before) - 1, -1, -1):
        call = before[index]
        if any(word in call.origin.kind for word in _TRANSPARENT):
            continue
        if (side(call.exit) or 0) > 1:
            while call.name in spread and call.source is not None:
                call = next(child for child in call.children if child.origin is call.source)
            return call
        if "Attention" in call.kind and len(call.entry) == 3 and layout(call.exit) == "tokens":
            norms = (c for c in reversed(before[:index]) if "LayerNorm" in c.kind and c.exit == call.entry)
            return next(norms, call)
    return None


def _grid(cam: Call | None) -> tuple[int, int]:
    if cam is None:
        return (1, 1)
    length = side(cam.exit) or token_side(cam.exit[1]) or 1
    return (length, length)


def _adopt(division: Division, like: Anatomy) -> None:
    """Takes over the stages of ``like``."""
    of_layer = {layer.name: layer.stage for layer in like.layers}
    division.names = tuple(stage.name for stage in like.stages)
    of_parameter = {name: stage.name for stage in like.stages for name in stage.parameter_names}
    # a name that is new, such as the bias of a head that had none, keeps the stage it was found in
    division.parameters = {name: of_parameter.get(name, stage) for name, stage in division.parameters.items()}
    division.calls = {call: of_layer.get(call.name, stage) for call, stage in division.calls.items()}
    # where the feature maps of a stage end, seen from its last layers
    division.ends = {}
    owning = {layer.name for layer in like.layers if layer.parameters and layer.name not in division.spread}
    for call, stage in sorted(division.calls.items(), key=lambda entry: entry[0].order):
        if call.name in owning and stage not in (NECK, HEAD) and layout(call.exit):
            division.ends[stage] = call


def _stages(division: Division, counts: dict[str, int]) -> tuple[Stage, ...]:
    stages = []
    for title in division.names:
        names = tuple(name for name, stage in division.parameters.items() if stage == title)
        end = division.ends.get(title)
        kind = layout(end.exit) if end else None
        length = (side(end.exit) or token_side(end.exit[1])) if end else None
        channels = end.exit[1 if kind == "NCHW" else -1] if end else None
        stages.append(
            Stage(
                name=title,
                parameters=sum(counts[name] for name in names),
                layers=tuple(dict.fromkeys(name.rpartition(".")[0] for name in names)),
                spatial=(length, length) if length else None,
                channels=channels,
                parameter_names=names,
                parameter_sizes=tuple(counts[name] for name in names),
            )
        )
    return tuple(stages)


def _layers(division: Division, calls: list[Call], counts: dict[str, int]) -> tuple[Layer, ...]:
    inside: dict[str, int] = {}
    for name, count in counts.items():
        parts = name.split(".")[:-1]
        for depth in range(len(parts) + 1):
            prefix = ".".join(parts[:depth])
            inside[prefix] = inside.get(prefix, 0) + count
    last = {call.name: call for call in calls}
    return tuple(
        Layer(
            name=call.name,
            kind=call.kind,
            input_shape=call.entry[1:],
            output_shape=call.exit[1:],
            parameters=inside.get(call.name, 0),
            stage=division.calls[call],
            layout=layout(call.exit),
            leaf=not call.children,
        )
        for call in sorted(last.values(), key=lambda call: call.order)
        if call.name
    )
