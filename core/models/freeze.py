"""Freezing: what learns, what stays, and in which mode each part runs."""

from __future__ import annotations

from typing import NamedTuple

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from core.errors import InputError
from core.models.anatomy import Anatomy
from core.models.stages import HEAD, NECK
from core.specs import FreezePlan


class Counts(NamedTuple):
    """Numbers of parameters."""

    trainable: int
    frozen: int
    total: int


def trainable_stage_names(anatomy: Anatomy, plan: FreezePlan) -> tuple[str, ...]:
    """Returns the stages that learn under ``plan``, in order: the last stages it frees (with the neck) and the head.

    Raises:
        InputError: The plan frees more stages than the network has.
    """
    backbone = [stage.name for stage in anatomy.backbone_stages]
    count = len(backbone) if plan.trainable_stages == "all" else int(plan.trainable_stages)
    if count > len(backbone):
        raise InputError(
            "The plan lets the last {count} stages learn, but this network has only {stages}. "
            "Choose 0 to {stages}, or all.",
            count=count,
            stages=len(backbone),
        )
    free = {HEAD, *backbone[len(backbone) - count :]}
    if count or plan.trainable_stages == "all":
        free.add(NECK)
    return tuple(stage.name for stage in anatomy.stages if stage.name in free)


def counts(anatomy: Anatomy, plan: FreezePlan, head_only: bool = False) -> Counts:
    """Returns how many parameters learn and how many are frozen.

    Args:
        anatomy: The network's anatomy.
        plan: What learns.
        head_only: Count as if only the head learned, whatever the plan says.
    """
    names = trainable_stage_names(anatomy, FreezePlan(norm=plan.norm) if head_only else plan)
    trainable = sum(stage.parameters for stage in anatomy.stages if stage.name in names)
    return Counts(trainable, anatomy.total - trainable, anatomy.total)


def apply(model: nn.Module, anatomy: Anatomy, plan: FreezePlan) -> None:
    """Sets ``requires_grad`` of every parameter of ``model`` as ``plan`` says."""
    free = trainable_stage_names(anatomy, plan)
    learns = {name: stage.name in free for stage in anatomy.stages for name in stage.parameter_names}
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(learns[name])


def set_train_mode(model: nn.Module, anatomy: Anatomy, plan: FreezePlan) -> None:
    """Puts the parts that learn into train mode and everything frozen into eval mode.

    So dropout and stochastic depth of frozen parts rest and their BatchNorm statistics do not move, which keeps
    frozen features the same from epoch to epoch. With ``plan.norm == "train"`` the BatchNorm layers of frozen parts
    train their statistics nevertheless. A block that spans several stages trains only if all of them do.
    """
    free = set(trainable_stage_names(anatomy, plan))
    stages = {layer.name: layer.stage for layer in anatomy.layers}
    learns: dict[str, bool] = {}
    for name, _ in model.named_modules():
        around = learns[name.rpartition(".")[0]] if name else free >= {stage.name for stage in anatomy.stages}
        learns[name] = stages[name] in free if name in stages else around
    for name, module in reversed(list(model.named_modules())):
        learns[name] = learns[name] and all(
            learns[f"{name}.{child}" if name else child] for child, _ in module.named_children()
        )
        module.training = learns[name] or (plan.norm == "train" and isinstance(module, _BatchNorm))
