"""Feature maps: what each channel of a layer answers to one image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from core.errors import InputError
from core.interpret.layout import layer_layout, layout_of, to_maps, token_grid
from core.interpret.probe import Probe, some_of, unknown_layer

if TYPE_CHECKING:
    from core.models.anatomy import Anatomy
    from core.models.network import Network


@dataclass(frozen=True, slots=True)
class LayerStats:
    """One layer's answer in figures.

    Attributes:
        channels: Number of maps.
        height: Rows of a map.
        width: Columns of a map.
        sparsity: Share of values at or below zero, 0 to 1: what a ReLU has silenced, or would.
        silent: Number of channels without a single value above zero.
        minimum: Smallest value.
        maximum: Largest value.
        mean: Mean value.
    """

    channels: int
    height: int
    width: int
    sparsity: float
    silent: int
    minimum: float
    maximum: float
    mean: float


def spatial_layers(anatomy: Anatomy) -> tuple[str, ...]:
    """Returns the names of the layers whose output still is a picture of several pixels, in the network's order."""
    grid = token_grid(anatomy)
    return tuple(
        layer.name
        for layer in anatomy.layers
        if layer.output_shape is not None and layout_of(layer.output_shape, kind=layer.kind, grid=grid) is not None
    )


def activations(network: Network, x: Tensor, layers: Sequence[str] | None = None) -> dict[str, Tensor]:
    """Collects the feature maps of any number of layers in one forward pass.

    Args:
        network: The network.
        x: One normalised image, 1xCxHxW.
        layers: Names of the layers; ``None`` for all that give maps.

    Returns:
        Name -> maps, CxHxW, on the network's device, in the order asked for. A layer that is used several times in one
        pass gives its last answer.

    Raises:
        InputError: A layer does not exist or gives no maps, or ``x`` is not one image.
    """
    check_image(x)
    every = spatial_layers(network.anatomy)
    wanted = every if layers is None else tuple(layers)
    known = {name for name, _ in network.model.named_modules()}
    for name in wanted:
        if name not in known or not name:
            raise unknown_layer(name, every)
    with Probe(network, wanted) as probe:
        probe(x)
    grid = token_grid(network.anatomy)
    maps: dict[str, Tensor] = {}
    for name in wanted:
        output = probe.outputs.get(name)
        layout = None if output is None else layer_layout(output, name, network.anatomy)
        if output is not None and layout is not None:
            maps[name] = to_maps(output, layout, grid)
        elif layers is not None:
            raise InputError(
                "The layer {layer} gives no map of the picture. Choose one that does, such as: {some}.",
                layer=name,
                some=", ".join(some_of(every)) or "-",
            )
    return maps


def layer_stats(maps: Tensor) -> LayerStats:
    """Measures one layer's maps.

    Args:
        maps: CxHxW.
    """
    channels, height, width = maps.shape
    off = maps <= 0
    low, high = maps.aminmax()
    return LayerStats(
        channels=channels,
        height=height,
        width=width,
        sparsity=float(off.float().mean()),
        silent=int(off.flatten(1).all(1).sum()),
        minimum=float(low),
        maximum=float(high),
        mean=float(maps.float().mean()),
    )


def check_image(x: Tensor) -> None:
    """Checks that a tensor is one image.

    Raises:
        InputError: It is not 1xCxHxW with floating-point values.
    """
    if not isinstance(x, Tensor) or x.ndim != 4 or x.shape[0] != 1 or not x.is_floating_point():
        raise InputError(
            "One normalised image of shape 1xCxHxW is needed, and this is {shape}.",
            shape="x".join(map(str, x.shape)) if isinstance(x, Tensor) else type(x).__name__,
        )
