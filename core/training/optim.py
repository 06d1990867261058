"""Optimizers and learning-rate schedules, built from a phase."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from core.models.anatomy import Anatomy
from core.specs import Phase


def build_optimizer(phase: Phase, model: nn.Module, anatomy: Anatomy) -> torch.optim.Optimizer:
    """Makes a phase's optimizer over what requires a gradient.

    The head's parameters get the phase's rate, the backbone's that rate times ``backbone_factor``. Weight decay is
    left off biases and normalisation scales (parameters with one dimension), which it would only pull towards zero.
    The head's group is always the first.

    Args:
        phase: Optimizer, rates and decay.
        model: The network, its ``requires_grad`` flags set.
        anatomy: Names the head.
    """
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    head = set(anatomy.stages[-1].parameter_names)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups.setdefault((name not in head, parameter.ndim < 2), []).append(parameter)
    settings = [
        {
            "params": groups[key],
            "lr": phase.lr * (phase.backbone_factor if key[0] else 1.0),
            "weight_decay": 0.0 if key[1] else phase.weight_decay,
        }
        for key in sorted(groups)
    ]
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
