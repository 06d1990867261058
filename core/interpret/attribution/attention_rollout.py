"""Attention followed through all layers: rollout, and rollout weighted by the class's gradient."""

from __future__ import annotations

import torch
from torch import Tensor

from core.errors import InputError
from core.interpret.attribution.attention_weights import attention_layers, recorded
from core.interpret.attribution.method import AttributionRequest
from core.interpret.forward import ask
from core.interpret.probe import Probe
from core.models.anatomy.trace import token_side


def attention_rollout(request: AttributionRequest) -> Tensor:
    """Multiplies the attention of all layers, half of each for what is handed past it (Abnar & Zuidema 2020).

    Heads are averaged (arXiv:2005.00928). Says where information came from, whatever the class.

    Returns:
        HxW of the grid of patches, not negative, float64 on the CPU.
    """
    names = attention_layers(request.network)
    with Probe(request.network) as probe, recorded(probe.model, names) as found:
        ask(probe, request.network, request.x)
    _check(found, names)
    steps = [weights[0].double().cpu().mean(0) for weights in found.values()]
    return on_grid(rollout(steps))


def gradient_rollout(request: AttributionRequest) -> Tensor:
    """Follows attention as far as it raises the class's score (Chefer, Gur and Wolf 2021, arXiv:2103.15679).

    In every layer each head's attention is multiplied with its gradient, of which the positive part counts.

    Returns:
        HxW of the grid of patches, not negative, float64 on the CPU.
    """
    names = attention_layers(request.network)
    with Probe(request.network, grad=True) as probe, recorded(probe.model, names, graph=True) as found:
        logits = ask(probe, request.network, request.x)
        _check(found, names)
        kept = list(found.values())
        slopes: tuple[Tensor | None, ...] = (None,) * len(kept)
        if logits.requires_grad:
            slopes = torch.autograd.grad(request.aim.scores(logits).sum(), kept, allow_unused=True)
    reached: Tensor | None = None
    for weights, slope in zip(kept, slopes, strict=True):
        count = weights.shape[-1]
        before = torch.eye(count, dtype=torch.float64) if reached is None else reached
        if slope is None:
            reached = before
            continue
        weighed = (slope[0].double() * weights[0].detach().double()).clamp_min(0).mean(0).cpu()
        reached = before + weighed @ before
    if reached is None:  # for the type checker: there is at least one layer
        raise TypeError("no attention was recorded")
    return on_grid(reached - torch.eye(len(reached), dtype=torch.float64))


def _check(found: dict[str, Tensor], names: tuple[str, ...]) -> None:
    if len(found) < len(names) or not found:
        raise InputError("The attention of this network cannot be worked out from what enters its layers.")


def rollout(steps: list[Tensor]) -> Tensor:
    """Multiplies attention NxN from the first layer to the last, half of each handed past it; rows sum to 1."""
    eye = torch.eye(len(steps[0]), dtype=steps[0].dtype)
    reached = eye
    for weights in steps:
        mixed = (weights + eye) / 2
        reached = (mixed / mixed.sum(1, keepdim=True)) @ reached
    return reached


def on_grid(reached: Tensor) -> Tensor:
    """Returns what the class token drew from each patch (all patches on average, where there is none), HxW."""
    count = len(reached)
    side = token_side(count) or 1
    patches = side * side
    row = reached[0] if count > patches else reached.mean(0)
    return row[-patches:].reshape(side, side)
