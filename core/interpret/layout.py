"""Where a layer's output keeps its channels and its picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import Tensor

from core.errors import InputError
from core.models.anatomy.examine import Anatomy, Layer
from core.models.anatomy.trace import token_side

Layout = Literal["NCHW", "NHWC", "tokens"]
_CHANNELS_LAST = ("Linear", "LayerNorm")  # these work on the last axis by their nature


def spatial_layers(anatomy: Anatomy) -> tuple[str, ...]:
    """Returns the names of the layers whose output still is a picture of several pixels, in the network's order."""
    return tuple(layer.name for layer in anatomy.layers if map_layout(layer, anatomy) is not None)


def require_map_layer(name: str, anatomy: Anatomy) -> Layout:
    """Returns the layout of a layer that gives maps.

    Raises:
        InputError: The layer does not exist (or did not run), or its output keeps no picture; some that do are named.
    """
    if name not in anatomy.layers_by_name:
        raise unknown_layer(name, spatial_layers(anatomy))
    found = map_layout(anatomy.layer(name), anatomy)
    if found is None:
        raise no_map(name, anatomy)
    return found


def no_map(name: str, anatomy: Anatomy) -> InputError:
    """Makes the error for a layer whose output keeps no picture."""
    return InputError(
        "The layer {layer} gives no map of the picture. Choose one that does, such as: {some}.",
        layer=name,
        some=", ".join(some_of(spatial_layers(anatomy))) or "-",
    )


def map_layout(layer: Layer, anatomy: Anatomy) -> Layout | None:
    """Returns how a layer's maps lie; ``None`` for an output without a picture: a vector, one pixel, windows."""
    shape = layer.output_shape
    if layer.layout == "tokens":
        return "tokens" if anatomy.layout == "tokens" else None
    if layer.layout == "NHWC":
        return "NHWC" if shape[0] > 1 else None
    if layer.layout != "NCHW" or shape[-1] < 2:
        return None
    draw = shape[0] == shape[1] and layer.kind in _CHANNELS_LAST
    return "NHWC" if draw else "NCHW"


def to_maps(output: Tensor, layout: Layout) -> Tensor:
    """Turns a layer's output into one map a channel.

    Args:
        output: Output for one image: 1xCxHxW, 1xHxWxC, or 1xNxC tokens.
        layout: As :func:`map_layout` returns it.

    Returns:
        A view, CxHxW; what stands before the patches (the class token) is left out.
    """
    return batch_maps(output[:1], layout)[0]


def batch_maps(output: Tensor, layout: Layout) -> Tensor:
    """Turns a layer's output for a batch into maps, BxCxHxW; otherwise as :func:`to_maps`."""
    if layout == "NCHW":
        return output
    if layout == "NHWC":
        return output.permute(0, 3, 1, 2)
    length = token_side(output.shape[1]) or 1
    return output[:, -length * length :].transpose(1, 2).unflatten(2, (length, length))


def channel_axis(layout: Layout) -> int:
    """Returns the axis of a layer's output that counts its channels."""
    return 1 if layout == "NCHW" else -1


LAYER_KINDS = ("conv", "activation", "norm", "pool", "attention", "mix", "block")
"""What layers are by what they do: convolutions, activations, norms, pools, attention, other leaves, whole blocks."""

_KIND_WORDS = {
    "attention": ("Attention", "Attn"),
    "conv": ("Conv",),
    "norm": ("Norm", "LRN", "FrozenBatch"),
    "pool": ("Pool",),
    "activation": (
        *("ReLU", "ELU", "GELU", "SiLU", "Swish", "Sigmoid", "Tanh", "Mish", "Softplus", "Softsign"),
        *("Hardshrink", "Softshrink", "Threshold", "GLU"),
    ),
}


def kind_of(layer: Layer) -> str:
    """Returns a layer's kind, one of :data:`LAYER_KINDS`."""
    for kind, words in _KIND_WORDS.items():
        if any(word in layer.kind for word in words) and (layer.leaf or kind == "attention"):
            return kind
    return "mix" if layer.leaf else "block"


def layers_of_kinds(anatomy: Anatomy, kinds: Sequence[str]) -> tuple[str, ...]:
    """Returns the layers of some kinds whose output is a picture, in the network's order."""
    wanted = set(kinds)
    return tuple(
        layer.name for layer in anatomy.layers if map_layout(layer, anatomy) is not None and kind_of(layer) in wanted
    )


def main_layers(anatomy: Anatomy, names: Sequence[str]) -> tuple[str, ...]:
    """Returns the layers to show: whole blocks, and single layers that stand in no block.

    Args:
        anatomy: The network's anatomy.
        names: Layers that have maps to show.
    """
    wanted = set(names)
    stages: dict[str, set[str]] = {}
    for layer in anatomy.layers:
        parts = layer.name.split(".")
        for depth in range(1, len(parts)):
            stages.setdefault(".".join(parts[:depth]), set()).add(layer.stage)
    known = anatomy.layers_by_name
    blocks = {
        name
        for name, inside in stages.items()
        if len(inside) == 1 and name in known and known[name].kind != "Sequential"
    }

    def outermost(name: str) -> bool:
        parts = name.split(".")
        return not any(".".join(parts[:depth]) in blocks for depth in range(1, len(parts)))

    layers = [layer for layer in anatomy.layers if layer.name in wanted]
    shown = [layer.name for layer in layers if outermost(layer.name) and (layer.leaf or layer.name in blocks)]
    return tuple(shown) or tuple(names)


def unknown_layer(name: str, known: Sequence[str]) -> InputError:
    """Makes the error for a layer that cannot be used, naming a few that can."""
    return InputError(
        "There is no layer {layer} that can be looked at here. Choose one such as: {some}.",
        layer=repr(name),
        some=", ".join(some_of(known)) or "-",
    )


def some_of(names: Sequence[str], count: int = 6) -> list[str]:
    """Returns at most ``count`` of the names, spread evenly and with the last."""
    if len(names) <= count:
        return list(names)
    return [names[round(i * (len(names) - 1) / (count - 1))] for i in range(count)]
