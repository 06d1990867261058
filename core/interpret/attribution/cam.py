"""Class activation maps: one forward pass, the way back to a layer, and a formula a method.

Every formula takes the layer's activations A and the gradient g of the class score with respect to them, both CxHxW,
and gives a map HxW of positive evidence. They share one :class:`LayerPass`; several classes of a picture share the way
there, several layers the way back too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from core.errors import InputError
from core.interpret.forward import ask
from core.interpret.layout import Layout, no_map, require_map_layer, to_maps
from core.interpret.probe import Probe
from core.interpret.target import ScoreTarget, resolve_score_target

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
        against: The class whose logit was taken off, if one was.
    """

    logits: Tensor
    target: int
    layer: str
    activations: Tensor
    gradients: Tensor
    against: int | None = None

    @property
    def aim(self) -> ScoreTarget:
        """What is explained."""
        return ScoreTarget(self.target, self.against)


def layer_pass(
    network: Network, x: Tensor, *, target: int | None = None, against: int | None = None, layer: str | None = None
) -> LayerPass:
    """Runs one image forward, and back from a class's logit to one layer and no further.

    Args:
        network: The network.
        x: One normalised image, 1xCxHxW.
        target: Class index; ``None`` for the class with the highest score.
        against: Another class, whose logit is taken off first.
        layer: Name of the layer; ``None`` for the anatomy's CAM layer.

    Raises:
        InputError: The class or the layer does not exist, or the layer gives no map.
    """
    name = layer or network.anatomy.cam_layer
    return layer_passes(network, x, targets=[[target]], against=against, layers=[name])[0][0][name]


def layer_passes(
    network: Network,
    x: Tensor,
    *,
    targets: Sequence[Sequence[int | None]],
    against: int | None = None,
    layers: Sequence[str],
) -> list[list[dict[str, LayerPass]]]:
    """Runs images forward once, and back once a class to all of some layers.

    Args:
        network: The network.
        x: Normalised images, BxCxHxW.
        targets: For each image the classes to explain, as many for each; ``None`` for the one with the highest score.
        against: Another class, whose logit is taken off first.
        layers: Names of the layers.

    Returns:
        For each image, for each of its classes: name of the layer -> what the pass gives.

    Raises:
        InputError: A class or a layer does not exist, a layer gives no map, or the scores are no numbers.
    """
    layouts = {name: require_map_layer(name, network.anatomy) for name in layers}
    rounds = len(targets[0])
    with Probe(network, start=tuple(layouts)) as probe:
        logits = ask(probe, network, x)
        scores = logits.detach().cpu()
        aims = [
            [resolve_score_target(target, against, scores[i : i + 1], network.classes) for target in wanted]
            for i, wanted in enumerate(targets)
        ]
        for name in layouts:
            if name not in probe.outputs:
                raise no_map(name, network.anatomy)
        kept = {name: probe.outputs[name] for name in layouts}
        slopes = [
            _score_gradients(logits, [own[turn] for own in aims], kept, turn + 1 < rounds) for turn in range(rounds)
        ]
    maps = {name: _each(kept[name].detach(), layout) for name, layout in layouts.items()}
    back = [{name: _each(found[name], layouts[name]) for name in layouts} for found in slopes]
    return [
        [
            {
                name: LayerPass(scores[i : i + 1], aim.target, name, maps[name][i], back[turn][name][i], aim.against)
                for name in layouts
            }
            for turn, aim in enumerate(own)
        ]
        for i, own in enumerate(aims)
    ]


def _score_gradients(
    logits: Tensor, aims: Sequence[ScoreTarget], kept: dict[str, Tensor], again: bool
) -> dict[str, Tensor]:
    """Goes back from one score an image to the layers; zeros where a layer's answer never reaches the logits."""
    found: Sequence[Tensor | None] = [None] * len(kept)
    if logits.requires_grad:
        score = torch.stack([aim.scores(logits[i : i + 1])[0] for i, aim in enumerate(aims)]).sum()
        found = torch.autograd.grad(score, list(kept.values()), allow_unused=True, retain_graph=again)
    return {
        name: torch.zeros_like(value) if slope is None else slope
        for (name, value), slope in zip(kept.items(), found, strict=True)
    }


def _each(output: Tensor, layout: Layout) -> list[Tensor]:
    """Returns the maps of each image, CxHxW, float64 on the CPU."""
    wide = output.cpu().double()
    if not bool(torch.isfinite(wide).all()):
        raise InputError(
            "A layer answers this picture with values that are no numbers (nan or infinite), so no heatmap can be made "
            "of it. Choose another layer or other weights."
        )
    return [to_maps(wide[i : i + 1], layout) for i in range(len(wide))]


def grad_cam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Weights every map by the mean of its gradient (Selvaraju et al. 2017, arXiv:1610.02391)."""
    return torch.einsum("c,chw->hw", gradients.mean((1, 2)), activations).relu()


def grad_cam_plus_plus(activations: Tensor, gradients: Tensor) -> Tensor:
    """Weights every map by its positive gradients, those of rarer places more (Chattopadhay et al. 2018, 1710.11063).

    The paper scores a class by exp(logit), which makes the higher derivatives powers of the first; the exponential
    itself is a common factor and drops out.
    """
    return weigh_plus_plus(activations, gradients, gradients.square(), gradients.pow(3))


def weigh_plus_plus(activations: Tensor, first: Tensor, second: Tensor, third: Tensor) -> Tensor:
    """Combines maps as Grad-CAM++ does, from the score's first three derivatives, CxHxW each."""
    below = 2 * second + activations.sum((1, 2), keepdim=True) * third
    alpha = torch.where(below.abs() > 0, second / below, torch.zeros_like(below))
    return torch.einsum("c,chw->hw", (alpha * first.relu()).sum((1, 2)), activations).relu()


def hires_cam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Multiplies activation and gradient place by place, then adds the channels (Draelos & Carin 2020, 2011.08891)."""
    return (activations * gradients).sum(0).relu()


def layer_cam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Like HiResCAM with positive gradients only, which also suits early layers (Jiang et al. 2021, TIP 30)."""
    return (activations * gradients.relu()).sum(0).relu()


def xgrad_cam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Weights every map by its gradient where it is active: the mean over its own mass (Fu et al. 2020, 2008.02312).

    A map without mass (its values add up to nothing) has no such mean and is left out.
    """
    mass = activations.sum((1, 2))
    share = (activations * gradients).sum((1, 2))
    alone = mass.abs() > 1e-12 * activations.abs().sum((1, 2)).clamp_min(1e-300)
    weights = torch.where(alone, share / torch.where(alone, mass, torch.ones_like(mass)), torch.zeros_like(mass))
    return torch.einsum("c,chw->hw", weights, activations).relu()


def eigen_cam(activations: Tensor, _gradients: Tensor) -> Tensor:
    """Shows what the maps have most in common: their first singular vector (Muhammad & Yeasin 2020, 2008.00299).

    The maps are not centred, as the paper's A = UΣVᵀ has it. pytorch-grad-cam takes each channel's mean off first,
    against maps that come out negative; what is shown then is how places differ, no longer what they have in
    common. A singular vector has no sign of its own: up is the side that outweighs, so that no map is empty for that.
    """
    part = _main_part(activations)
    return (part if float(part.sum()) >= 0 else -part).relu()


def eigen_grad_cam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Takes the first singular vector of activation times gradient, with the evidence for the class above zero."""
    evidence = activations * gradients
    part = _main_part(evidence)
    return (part if float((part * evidence.sum(0)).sum()) >= 0 else -part).relu()


def _main_part(maps: Tensor) -> Tensor:
    """Projects what all channels say at a place on their first right singular vector, CxHxW to HxW; of either sign."""
    rows = maps.flatten(1).T  # places x channels
    small = rows @ rows.T if rows.shape[0] <= rows.shape[1] else rows.T @ rows
    if not bool(small.abs().amax() > 0):
        return torch.zeros_like(maps[0])
    # of the smaller of the two products: its eigenvectors are the places' or the channels' singular vectors
    values, vectors = torch.linalg.eigh(small / small.abs().amax())
    first = vectors[:, -1]
    if rows.shape[0] <= rows.shape[1]:
        part = first * (values[-1].clamp_min(0) * small.abs().amax()).sqrt()
    else:
        part = rows @ first
    return part.reshape(maps.shape[1:])
