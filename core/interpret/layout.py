"""Where a layer's output keeps its channels and its picture."""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor

from core.errors import InputError
from core.interpret.probe import some_of, unknown_layer
from core.models.anatomy import Anatomy, Layer
from core.models.trace import token_side

Layout = Literal["NCHW", "NHWC", "tokens"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)
_CHANNELS_LAST = ("Linear", "LayerNorm")  # these work on the last axis by their nature


def spatial_layers(anatomy: Anatomy) -> tuple[str, ...]:
    """Returns the names of the layers whose output still is a picture of several pixels, in the network's order."""
    return tuple(layer.name for layer in anatomy.layers if map_layout(layer, anatomy) is not None)


def require_map_layer(name: str, anatomy: Anatomy) -> Layout:
    """Returns the layout of a layer that gives maps.

    Raises:
        InputError: The layer does not exist (or did not run), or its output keeps no picture; some that do are named.
    """
    layer = next((entry for entry in anatomy.layers if entry.name == name), None)
    if layer is None:
        raise unknown_layer(name, spatial_layers(anatomy))
    found = map_layout(layer, anatomy)
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
    """Tells how a layer's maps lie; ``None`` for an output without a picture: a vector, one pixel, windows."""
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
        layout: As :func:`map_layout` tells.

    Returns:
        A view, CxHxW; what stands before the patches (the class token) is left out.
    """
    if layout == "NCHW":
        return output[0]
    if layout == "NHWC":
        return output[0].permute(2, 0, 1)
    length = token_side(output.shape[1]) or 1
    return output[0, -length * length :].T.reshape(-1, length, length)
