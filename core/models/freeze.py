"""Freezing: what learns, what stays, and in which mode each part runs.

A plan speaks of *parts*: stages and modules by name. Everything here but :func:`apply` and :func:`set_train_mode`
needs the anatomy alone, so a page can count and draw a plan before any network is built.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from core.errors import InputError
from core.models.anatomy.examine import Anatomy
from core.models.anatomy.stages import HEAD, NECK
from core.specs import FreezePlan

PRESETS = ("linear-probe", "last-block", "last-stages", "norm-bias", "all")
"""Plans that have a name; ``last-stages`` takes a number."""

State = Literal["learns", "frozen", "partly"]


class Counts(NamedTuple):
    """Numbers of parameters."""

    trainable: int
    frozen: int
    total: int


@lru_cache(maxsize=256)
def free(anatomy: Anatomy, plan: FreezePlan) -> frozenset[str]:
    """Returns the names of the parameters in the parts that a plan frees, whatever kind of parameter learns there.

    Raises:
        InputError: The plan frees more stages than the network has, names a part that it has not, or holds the head.
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
    learning = {HEAD, *backbone[len(backbone) - count :]}
    if count or plan.trainable_stages == "all":
        learning.add(NECK)
    _check_names(anatomy, (*plan.thaw, *plan.hold))
    by_hand = dict.fromkeys(plan.thaw, True) | dict.fromkeys(plan.hold, False)
    found = set()
    for parameter, parts in _parts(anatomy).items():
        decides = next((name for name in parts if name in by_hand), None)
        if parts[-1] == HEAD and decides is not None and not by_hand[decides]:
            raise InputError("The head is new and always learns. Take {part} out of hold.", part=decides)
        if by_hand[decides] if decides is not None else parts[-1] in learning:
            found.add(parameter)
    return frozenset(found)


@lru_cache(maxsize=256)
def learning(anatomy: Anatomy, plan: FreezePlan) -> frozenset[str]:
    """Returns the names of the parameters that learn under ``plan``; those of the head are always among them.

    Raises:
        InputError: As for :func:`free`.
    """
    found = free(anatomy, plan)
    if plan.learns == "all":
        return found
    norms = {layer.name for layer in anatomy.layers if "Norm" in layer.kind}
    head = set(anatomy.stages[-1].parameter_names)

    def kept(name: str) -> bool:
        return name in head or name.endswith("bias") or name.rpartition(".")[0] in norms

    return frozenset(name for name in found if kept(name))


def is_linear_probe(anatomy: Anatomy, plan: FreezePlan) -> bool:
    """Whether the head alone changes: then what enters it is the same in every epoch."""
    return plan.norm == "eval" and learning(anatomy, plan) <= set(anatomy.stages[-1].parameter_names)


def trainable_stage_names(anatomy: Anatomy, plan: FreezePlan) -> tuple[str, ...]:
    """Returns the stages in which anything learns under ``plan``, in order."""
    return tuple(name for name, state in stage_state(anatomy, plan).items() if state != "frozen")


def stage_state(anatomy: Anatomy, plan: FreezePlan) -> dict[str, State]:
    """Returns for each stage whether it ``learns``, is ``frozen``, or learns ``partly``."""
    found = learning(anatomy, plan)
    return {stage.name: _state(name in found for name in stage.parameter_names) for stage in anatomy.stages}


def part_state(anatomy: Anatomy, plan: FreezePlan) -> dict[str, State]:
    """Returns the same for every module that holds parameters, itself or further inside, by name."""
    found = learning(anatomy, plan)
    inside: dict[str, list[bool]] = {}
    for parameter, parts in _parts(anatomy).items():
        for part in parts[1:-1]:
            inside.setdefault(part, []).append(parameter in found)
    return {part: _state(flags) for part, flags in inside.items()}


def counts(anatomy: Anatomy, plan: FreezePlan, head_only: bool = False) -> Counts:
    """Returns how many parameters learn and how many are frozen.

    Args:
        anatomy: The network's anatomy.
        plan: What learns.
        head_only: Count as if only the head learned, whatever the plan says.
    """
    found = learning(anatomy, FreezePlan(norm=plan.norm) if head_only else plan)
    trainable = sum(
        size
        for stage in anatomy.stages
        for name, size in zip(stage.parameter_names, stage.parameter_sizes, strict=True)
        if name in found
    )
    return Counts(trainable, anatomy.total - trainable, anatomy.total)


def preset(name: str, anatomy: Anatomy, stages: int = 1, norm: str = "eval") -> FreezePlan:
    """Returns a plan that has a name.

    Args:
        name: One of :data:`PRESETS`. ``last-block`` frees the last residual unit (or layer, in plain networks) of the
            last stage, and the neck.
        anatomy: The network's anatomy.
        stages: For ``last-stages``, how many.
        norm: Mode of frozen BatchNorm layers.

    Raises:
        InputError: There is no plan of that name, or the network has fewer stages.
    """
    if name not in PRESETS:
        raise InputError(
            "freeze is {name}. Choose one of: {known}, or name the parts that learn.",
            name=name,
            known=", ".join(PRESETS),
        )
    if name == "last-block":
        blocks = _last_block(anatomy)
        return plainest(anatomy, FreezePlan(thaw=(*blocks, *_neck(anatomy)), norm=norm))
    if name == "norm-bias":
        return FreezePlan("all", learns="norm-bias", norm=norm)
    plan = FreezePlan({"linear-probe": 0, "last-stages": stages, "all": "all"}[name], norm=norm)  # type: ignore[arg-type]
    free(anatomy, plan)
    return plan


def toggle(anatomy: Anatomy, plan: FreezePlan, part: str) -> FreezePlan:
    """Returns the plan after a click on a part's lock: what learned wholly is frozen, anything else learns.

    Choices made inside the part are forgotten. The result is the plainest plan with that effect.

    Raises:
        InputError: The part is the head, which always learns, or there is no such part.
    """
    _check_names(anatomy, (part,))
    members = _members(anatomy, part)
    if members & set(anatomy.stages[-1].parameter_names):
        raise InputError("The head is new and always learns: frozen, the network could never name your classes.")
    wanted = not members <= free(anatomy, plan)
    inside = {name for name in (*plan.thaw, *plan.hold) if _members(anatomy, name) <= members}
    thaw = tuple(name for name in plan.thaw if name not in inside)
    hold = tuple(name for name in plan.hold if name not in inside)
    plan = dataclasses.replace(plan, thaw=thaw, hold=hold)
    if (members <= free(anatomy, plan)) != wanted:
        more = {"thaw": (*thaw, part)} if wanted else {"hold": (*hold, part)}
        plan = dataclasses.replace(plan, **more)  # type: ignore[arg-type]
    return plainest(anatomy, plan)


def unfreeze(anatomy: Anatomy, plan: FreezePlan, stages: int) -> FreezePlan:
    """Returns the plan with so many more stages free, the last frozen ones first; the neck joins in with the first.

    Stages beyond the network's are not missed.
    """
    for _ in range(stages):
        frozen = [
            stage.name
            for stage in anatomy.stages[:-1]
            if not set(stage.parameter_names) <= free(anatomy, plan) and stage.name != NECK
        ]
        if not frozen:
            break
        for name in (frozen[-1], *_neck(anatomy)):
            if not _members(anatomy, name) <= free(anatomy, plan):
                plan = toggle(anatomy, plan, name)
    return plan


def plainest(anatomy: Anatomy, plan: FreezePlan) -> FreezePlan:
    """Returns the plan that frees the same by a number of last stages alone, where there is one."""
    found = free(anatomy, plan)
    for count in range(len(anatomy.backbone_stages) + 1):
        plain = dataclasses.replace(plan, trainable_stages=count, thaw=(), hold=())
        if free(anatomy, plain) == found:
            whole = count == len(anatomy.backbone_stages)
            return dataclasses.replace(plain, trainable_stages="all") if whole else plain
    return plan


def unfreezing(
    anatomy: Anatomy, schedule: Sequence[tuple[str, int]], norm: str = "eval"
) -> tuple[tuple[FreezePlan, int], ...]:
    """Returns the plans of a gradual unfreezing, and the epoch from which each holds.

    Args:
        anatomy: The network's anatomy.
        schedule: Parts and the epoch (from 1) from which each learns, in any order. The neck joins in with the first.
        norm: Mode of frozen BatchNorm layers.

    Raises:
        InputError: A part is unknown, or the schedule is empty.
    """
    if not schedule:
        raise InputError("The schedule of the gradual unfreezing is empty. Name a stage and its first epoch.")
    plans = []
    for epoch in sorted({epoch for _, epoch in schedule}):
        parts = dict.fromkeys([*_neck(anatomy), *(name for name, start in schedule if start <= epoch)])
        plans.append((plainest(anatomy, FreezePlan(thaw=tuple(parts), norm=norm)), epoch))
    return tuple(plans)


def apply(model: nn.Module, anatomy: Anatomy, plan: FreezePlan) -> None:
    """Sets ``requires_grad`` of every parameter of ``model`` by ``plan``."""
    found = learning(anatomy, plan)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in found)


def set_train_mode(model: nn.Module, anatomy: Anatomy, plan: FreezePlan) -> None:
    """Puts the parts that learn into train mode and everything frozen into eval mode.

    So dropout and stochastic depth of frozen parts rest and their BatchNorm statistics do not move, which keeps
    frozen features the same from epoch to epoch. A BatchNorm layer trains if any of its own parameters learns; with
    ``plan.norm == "train"`` the others train their statistics nevertheless. A module that is only partly free rests.
    """
    freed, found = free(anatomy, plan), learning(anatomy, plan)
    layers = anatomy.layers_by_name
    whole = {stage.name for stage in anatomy.stages if freed.issuperset(stage.parameter_names)}
    learns: dict[str, bool] = {}
    for name, module in model.named_modules():
        inside = [f"{name}.{parameter}" if name else parameter for parameter, _ in module.named_parameters()]
        if inside:
            learns[name] = freed.issuperset(inside)
        else:  # dropout, pooling ...: as the stage in which it runs, else as what it is a part of
            around = learns[name.rpartition(".")[0]] if name else False
            learns[name] = layers[name].stage in whole if name in layers else around
    for name, module in reversed(list(model.named_modules())):
        inner = [f"{name}.{child}" if name else child for child, _ in module.named_children()]
        learns[name] = learns[name] and all(learns[child] for child in inner)
        module.training = learns[name]
        if isinstance(module, _BatchNorm):
            own = {f"{name}.{parameter}" for parameter, _ in module.named_parameters()}
            module.training = bool(own & found) or (not own and learns[name]) or plan.norm == "train"


def _neck(anatomy: Anatomy) -> tuple[str, ...]:
    """Returns the neck's name, or nothing where the network has none."""
    return (NECK,) if NECK in anatomy.stages_by_name else ()


def _state(flags: Iterable[bool]) -> State:
    seen = set(flags)
    return "partly" if len(seen) == 2 else "learns" if seen == {True} else "frozen"


@lru_cache(maxsize=64)
def _parts(anatomy: Anatomy) -> dict[str, tuple[str, ...]]:
    """Returns for each parameter the parts that hold it: itself, modules from the inside out, its stage.

    Where a module is called as a stage is (ShuffleNet has a ``stage2`` of its own), the name means the stage.
    """
    stages = anatomy.stages_by_name
    found = {}
    for stage in anatomy.stages:
        for parameter in stage.parameter_names:
            words = parameter.split(".")
            modules = (".".join(words[:depth]) for depth in range(len(words), 0, -1))
            found[parameter] = (*(name for name in modules if name not in stages), stage.name)
    return found


def _members(anatomy: Anatomy, part: str) -> set[str]:
    return {parameter for parameter, parts in _parts(anatomy).items() if part in parts}


def _check_names(anatomy: Anatomy, names: Collection[str]) -> None:
    if not names:
        return
    known = {part for parts in _parts(anatomy).values() for part in parts}
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=3) or [*anatomy.stages_by_name]
            raise InputError(
                "The network has no part {part} that could learn. Names like it: {close}.",
                part=name,
                close=", ".join(close),
            )


def _last_block(anatomy: Anatomy) -> tuple[str, ...]:
    """Returns the last block with weights before the neck, and the normalisation layers that stand alone behind it."""
    last = anatomy.backbone_stages[-1] if anatomy.backbone_stages else None
    blocks = [block for block in last.blocks if block.parameters] if last else []
    found: list[str] = []
    for block in reversed(blocks):
        found.insert(0, block.name)
        if not block.kind.startswith(("BatchNorm", "LayerNorm", "GroupNorm")):
            break
    return tuple(found)
