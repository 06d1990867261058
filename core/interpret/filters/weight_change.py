"""What training changed: the difference between a run's network then and before."""

from __future__ import annotations

import copy

import torch
from torch import nn

from core.interpret.filters.kernels import conv_layers
from core.models.network import Network


def difference(after: nn.Module, before: nn.Module) -> nn.Module:
    """Returns a module whose parameters hold what training added to them.

    Args:
        after: The trained module.
        before: The same module before training; parameters that it lacks, or has in another shape, stay as they are.
    """
    change = copy.deepcopy(after)
    with torch.no_grad():
        start = dict(before.named_parameters())
        for name, parameter in change.named_parameters():
            if name in start and start[name].shape == parameter.shape:
                parameter.sub_(start[name].to(parameter.device))
    return change


def movement(network: Network, start: nn.Module) -> dict[str, float]:
    """Returns, for each stage, the length of what training added to its convolutions over their length before.

    Args:
        network: The trained network.
        start: The module before training.
    """
    stage_of = {name: stage.name for stage in network.anatomy.stages for name in stage.layers}
    before, after = dict(start.named_modules()), dict(network.model.named_modules())
    added: dict[str, float] = {}
    had: dict[str, float] = {}
    for row in conv_layers(network):
        stage = stage_of.get(row.name)
        if stage is None or stage == "head" or row.name not in before:
            continue
        old, new = (modules[row.name].get_parameter("weight").detach().cpu() for modules in (before, after))
        added[stage] = added.get(stage, 0.0) + float((new - old).square().sum())
        had[stage] = had.get(stage, 0.0) + float(old.square().sum())
    return {stage: (added[stage] / had[stage]) ** 0.5 if had[stage] else 0.0 for stage in added}
