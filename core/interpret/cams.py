"""Class activation maps: one forward pass, the way back to one layer, and a formula a method.

Every formula takes the layer's activations A and the gradient g of the class score with respect to them, both CxHxW,
and gives a map HxW of positive evidence. They share one :class:`LayerPass`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from core.interpret.layout import no_map, require_map_layer, to_maps
from core.interpret.probe import Probe
from core.interpret.target import resolve_target

if TYPE_CHECKING:
    from core.models.network import Network


@dataclass(frozen=True, slots=True)
class LayerPass:
    """What one pass through a network gives for one class and one layer.

    Attributes:
        logits: Class scores, 1xN, on the CPU.
        target: The class explained.
        layer: The layer's name.
        activations: The layer's maps, CxHxW, float64 on the CPU.
        gradients: Gradient of the class's logit with respect to them, likewise (an untrained network's gradients are so
            small that their powers would vanish in float32); zeros if the class does not depend on the layer at all.
    """

    logits: Tensor
    target: int
    layer: str
    activations: Tensor
    gradients: Tensor


def layer_pass(network: Network, x: Tensor, *, target: int | None = None, layer: str | None = None) -> LayerPass:
    """Runs one image forward, and back from a class's logit to one layer and no further.

    Args:
        network: The network.
        x: One normalised image, 1xCxHxW.
        target: Class index; ``None`` for the class with the highest score.
        layer: Name of the layer; ``None`` for the anatomy's CAM layer.

    Raises:
        InputError: The class or the layer does not exist, or the layer gives no map.
    """
    name = layer or network.anatomy.cam_layer
    layout = require_map_layer(name, network.anatomy)
    with Probe(network, start=name) as probe:
        logits = probe(x)
        chosen = resolve_target(target, logits, network.classes)
        if name not in probe.outputs:
            raise no_map(name, network.anatomy)
        kept = probe.outputs[name]
        gradient = None
        if logits.requires_grad:  # not if the layer's answer never reaches the logits
            (gradient,) = torch.autograd.grad(logits[0, chosen], kept, allow_unused=True)
    gradient = torch.zeros_like(kept) if gradient is None else gradient
    maps = to_maps(kept.detach(), layout).cpu().double()
    return LayerPass(logits.detach().cpu(), chosen, name, maps, to_maps(gradient, layout).cpu().double())


def grad_cam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Weights every map by the mean of its gradient (Selvaraju et al. 2017, arXiv:1610.02391)."""
    return torch.einsum("c,chw->hw", gradients.mean((1, 2)), activations).relu()


def grad_cam_plus_plus(activations: Tensor, gradients: Tensor) -> Tensor:
    """Weights every map by its positive gradients, those of rarer places more (Chattopadhay et al. 2018, 1710.11063).

    The paper scores a class by exp(logit), which makes the higher derivatives powers of the first; the exponential
    itself is a common factor and drops out.
    """
    square = gradients.square()
    below = 2 * square + activations.sum((1, 2), keepdim=True) * gradients.pow(3)
    alpha = torch.where(below.abs() > 0, square / below, torch.zeros_like(below))
    return torch.einsum("c,chw->hw", (alpha * gradients.relu()).sum((1, 2)), activations).relu()


def hires_cam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Multiplies activation and gradient place by place, then adds the channels (Draelos & Carin 2020, 2011.08891)."""
    return (activations * gradients).sum(0).relu()


def layer_cam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Like HiResCAM with positive gradients only, which also suits early layers (Jiang et al. 2021, TIP 30)."""
    return (activations * gradients.relu()).sum(0).relu()
