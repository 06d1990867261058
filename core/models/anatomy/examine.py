"""The anatomy of a network: its head, its stages, its layers and where to look, from one traced forward pass.

There are no per-model tables: the same rules read torchvision's classifiers, EfficientNet-Lite and small networks
of one's own.
"""

from __future__ import annotations

from functools import lru_cache

from torch import nn

from core.errors import InputError
from core.models.anatomy.blocks import blocks, map_of, refreshed
from core.models.anatomy.call import Call
from core.models.anatomy.layers import Rows, bytes_of
from core.models.anatomy.records import NO_FIELD, Anatomy, Block, Layer, Receptive, Stage
from core.models.anatomy.stages import HEAD, NECK, Division, divide
from core.models.anatomy.trace import follow, input_channels, layout, side, token_side
from core.models.catalog import catalog

__all__ = ["NO_FIELD", "Anatomy", "Block", "Layer", "Receptive", "Stage", "anatomy_of", "examine"]

_WIDE = 36
"""Side from which a square map may be one of attention: as wide as there are tokens."""

_TRANSPARENT = ("Pool", "Dropout", "StochasticDepth", "Identity", "Flatten")


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
    traced = follow(model, image_size)
    root = traced.root
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
        stages=_stages(model, division, counts, calls, like),
        layers=Rows(model, traced, division).layers(),
        input_size=image_size,
        total=sum(counts.values()),
        channels=input_channels(model),
        macs=sum(call.macs + call.borrowed_macs for call in calls),
        activation_bytes=sum(bytes_of(call.exit) for call in calls if call.owns_memory and call.name),
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
        if isinstance(module, nn.Linear) and getattr(module, "classes", module.out_features) == num_classes:
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
    made. In networks of tokens it is the norm before the last attention: behind that, only the class token reaches
    the logits, and all patches have gradient zero. Without any attention (MLP mixers), it is the last tokens, all of
    which reach the logits. Maps of attention itself, as wide as there are tokens, are none of the image.
    """
    inside = set(head.walk())
    before = [call for call in calls if call.order < head.order and call not in inside]
    tokens = {call.exit[1] for call in before if len(call.exit) == 3 and layout(call.exit)}
    attends = any(_is_attention(call) for call in before)
    for index in range(len(before) - 1, -1, -1):
        call = before[index]
        if _is_attention(call):
            norms = (c for c in reversed(before[:index]) if "Norm" in c.kind and c.exit == call.entry)
            return next(norms, call)
        if any(word in call.origin.kind for word in _TRANSPARENT):
            continue
        length = side(call.exit) or 0
        if length > 1 and not (length >= _WIDE and length in tokens):
            while call.name in spread and call.source is not None:
                call = next(child for child in call.children if child.origin is call.source)
            return call
        if not attends and layout(call.exit) == "tokens":
            return call
    return None


def _is_attention(call: Call) -> bool:
    """Whether a call lets tokens attend to each other and gives as many back."""
    named = "Attention" in call.kind or "Attn" in call.kind
    named = named or ("attn" in call.name.rpartition(".")[2] and bool(call.children))
    return named and len(call.entry) == 3 and layout(call.exit) == "tokens"


def _grid(cam: Call | None) -> tuple[int, int]:
    if cam is None:
        return (1, 1)
    length = side(cam.exit) or token_side(cam.exit[1]) or 1
    return (length, length)


def _adopt(division: Division, like: Anatomy) -> None:
    """Takes over the stages of ``like``."""
    layers = like.layers_by_name
    division.names = tuple(like.stages_by_name)
    of_parameter = {name: stage.name for stage in like.stages for name in stage.parameter_names}
    # a name that is new, such as the bias of a head that had none, keeps the stage it was found in
    division.parameters = {name: of_parameter.get(name, stage) for name, stage in division.parameters.items()}
    division.calls = {
        call: layers[call.name].stage if call.name in layers else stage for call, stage in division.calls.items()
    }
    # where the feature maps of a stage end, seen from its last layers
    division.ends = {}
    owning = {layer.name for layer in like.layers if layer.parameters and layer.name not in division.spread}
    for call, stage in sorted(division.calls.items(), key=lambda entry: entry[0].order):
        if call.name in owning and stage not in (NECK, HEAD) and layout(call.exit):
            division.ends[stage] = call


def _stages(
    model: nn.Module, division: Division, counts: dict[str, int], calls: list[Call], like: Anatomy | None
) -> tuple[Stage, ...]:
    units = blocks(model, division, counts)
    known = like.stages_by_name if like else {}
    maps = {call.name: map_of(call) for call in calls} if like else {}
    stages = []
    for title in division.names:
        names = tuple(name for name, stage in division.parameters.items() if stage == title)
        sizes = tuple(counts[name] for name in names)
        former = known.get(title)
        parts = units[title]
        if former and (former.parameter_names, former.parameter_sizes) == (names, sizes):
            parts = tuple(refreshed(block, maps) for block in former.blocks)
        end = division.ends.get(title)
        spatial, channels = map_of(end) if end else (None, None)
        stages.append(
            Stage(
                name=title,
                parameters=sum(sizes),
                layers=tuple(dict.fromkeys(name.rpartition(".")[0] for name in names)),
                spatial=spatial,
                channels=channels,
                parameter_names=names,
                parameter_sizes=sizes,
                blocks=parts,
            )
        )
    return tuple(stages)
