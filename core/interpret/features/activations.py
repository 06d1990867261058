"""Feature maps: what each channel of a layer answers to one image."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from core.errors import InputError
from core.interpret.forward import check_image
from core.interpret.layout import no_map, require_map_layer, spatial_layers, to_maps
from core.interpret.probe import Probe, reach

if TYPE_CHECKING:
    from core.models.network import Network


SORTS = ("mean", "maximum", "variance")
"""What channels can be sorted by for one image."""

__all__ = [
    "SORTS",
    "LayerStats",
    "activations",
    "channel_order",
    "check_image",
    "layer_stats",
    "packed",
    "spatial_layers",
]


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
        variance: Mean squared distance to it.
        broken: Number of values that are not finite; the other figures take them for zeros.
    """

    channels: int
    height: int
    width: int
    sparsity: float
    silent: int
    minimum: float
    maximum: float
    mean: float
    variance: float = 0.0
    broken: int = 0


def activations(network: Network, x: Tensor, layers: Sequence[str] | None = None) -> dict[str, Tensor]:
    """Collects the feature maps of any number of layers in one forward pass.

    Args:
        network: The network.
        x: One normalised image, 1xCxHxW.
        layers: Names of the layers; ``None`` for all that give maps. The pass ends behind the last of them.

    Returns:
        Name -> maps, CxHxW, on the network's device, in the order asked for. A layer that is used several times in one
        pass gives its last answer.

    Raises:
        InputError: A layer does not exist or gives no maps, or ``x`` is not one image.
    """
    check_image(x)
    anatomy = network.anatomy
    layouts = {
        name: require_map_layer(name, anatomy) for name in (spatial_layers(anatomy) if layers is None else layers)
    }
    with Probe(network, tuple(layouts)) as probe:
        reach(probe, x, layouts, anatomy)
    for name in layouts:
        if name not in probe.outputs:
            raise no_map(name, anatomy)
    return {name: to_maps(probe.outputs[name], layout) for name, layout in layouts.items()}


def layer_stats(maps: Tensor) -> LayerStats:
    """Measures one layer's maps.

    Args:
        maps: CxHxW. A value that is not finite counts as zero.
    """
    channels, height, width = maps.shape
    maps = maps.float()
    broken = 0
    if not bool(maps.sum().isfinite()):
        finite = maps.isfinite()
        broken = int((~finite).sum())
        maps = maps.nan_to_num(0.0, 0.0, 0.0)
    off = maps <= 0
    low, high = maps.aminmax()
    variance, mean = torch.var_mean(maps, correction=0)
    return LayerStats(
        channels=channels,
        height=height,
        width=width,
        sparsity=float(off.float().mean()),
        silent=int(off.flatten(1).all(1).sum()),
        minimum=float(low),
        maximum=float(high),
        mean=float(mean),
        variance=float(variance),
        broken=broken,
    )


def channel_order(maps: Tensor, by: str) -> list[int]:
    """Returns a layer's channels, sorted by a figure of their maps, the largest first.

    Args:
        maps: CxHxW. A value that is not finite counts as zero.
        by: One of :data:`SORTS`.

    Raises:
        InputError: There is no such figure.
    """
    flat = maps.flatten(1).float().nan_to_num(0.0, 0.0, 0.0)
    if by not in SORTS:
        raise InputError(
            "Channels cannot be sorted by {figure}. Choose one of: {known}.", figure=by, known=", ".join(SORTS)
        )
    if by == "mean":
        found = flat.mean(1)
    else:
        found = flat.amax(1) if by == "maximum" else flat.var(1, correction=0)
    return [int(channel) for channel in found.argsort(descending=True, stable=True)]


def packed(maps: dict[str, Tensor]) -> bytes:
    """Returns layers' maps as an npz file, one float32 array CxHxW a layer."""
    stream = io.BytesIO()
    arrays: dict[str, Any] = {name: values.float().cpu().numpy() for name, values in maps.items()}
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()
