"""Optimizers and learning-rate schedules, built from a phase."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from core.errors import InputError
from core.models.anatomy import Anatomy
from core.models.stages import HEAD, NECK
from core.specs import Phase


def stage_rates(phase: Phase, anatomy: Anatomy) -> dict[str, float]:
    """Returns the learning rate of each stage, neck and head in a phase, before its schedule.

    The last stage of the backbone and the neck get ``lr * backbone_factor``, each stage before it ``stage_decay``
    times the rate of the next; what is set by hand comes first. The head gets ``lr``.

    Raises:
        InputError: A rate is set for a stage that the network has not.
    """
    names = [stage.name for stage in anatomy.stages]
    by_hand = dict(phase.stage_factors)
    unknown = sorted(set(by_hand) - set(names))
    if unknown:
        raise InputError(
            "A rate is set for {stage}, which this network has not. Its stages: {stages}.",
            stage=unknown[0],
            stages=", ".join(names),
        )
    backbone = [stage.name for stage in anatomy.backbone_stages]
    factors = {name: phase.backbone_factor * phase.stage_decay**depth for depth, name in enumerate(reversed(backbone))}
    factors |= {NECK: phase.backbone_factor, HEAD: 1.0} | by_hand
    return {name: phase.lr * factors[name] for name in names}


def build_optimizer(phase: Phase, model: nn.Module, anatomy: Anatomy) -> torch.optim.Optimizer:
    """Makes a phase's optimizer over what requires a gradient.

    Each stage has its rate (:func:`stage_rates`). Weight decay is left off biases and normalisation scales
    (parameters with one dimension), which it would only pull towards zero. The head's group is always the first; a
    group's ``stage`` names its stage.

    Args:
        phase: Optimizer, rates and decay.
        model: The network, its ``requires_grad`` flags set.
        anatomy: Says which parameter belongs to which stage.
    """
    rates = stage_rates(phase, anatomy)
    parameters = dict(model.named_parameters())
    settings = []
    for stage in reversed(anatomy.stages):
        learning = [parameters[name] for name in stage.parameter_names if parameters[name].requires_grad]
        for plain in (False, True):
            group = [parameter for parameter in learning if (parameter.ndim < 2) == plain]
            if group:
                decay = 0.0 if plain else phase.weight_decay
                settings.append({"params": group, "lr": rates[stage.name], "weight_decay": decay, "stage": stage.name})
    if phase.optimizer == "sgd":
        return torch.optim.SGD(settings, lr=phase.lr, momentum=phase.momentum)
    if phase.optimizer == "rmsprop":
        return torch.optim.RMSprop(settings, lr=phase.lr, momentum=phase.momentum)
    kind = torch.optim.AdamW if phase.optimizer == "adamw" else torch.optim.Adam
    return kind(settings, lr=phase.lr)


def build_schedule(phase: Phase, optimizer: torch.optim.Optimizer, steps: int) -> LambdaLR:
    """Makes a phase's schedule, moved on once a step.

    Args:
        phase: ``constant``, or ``cosine`` (Loshchilov and Hutter 2017, arXiv:1608.03983, without restarts).
        optimizer: Whose rates it scales.
        steps: Optimizer steps of the whole phase.
    """
    return LambdaLR(optimizer, lambda step: rate_factor(phase.schedule, step, steps))


def rate_factor(schedule: str, step: int, steps: int) -> float:
    """Returns what the rate is multiplied by before step ``step`` (from 0) of ``steps``."""
    if schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * min(step, steps) / steps))
    return 1.0
