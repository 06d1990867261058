"""Optimizers and the rates of their stages, built from a phase."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from core.errors import InputError
from core.models.anatomy.examine import Anatomy
from core.models.anatomy.stages import HEAD, NECK
from core.specs import Phase

OPTIMIZER_TITLES = {"adamw": "AdamW", "adam": "Adam", "sgd": "SGD", "rmsprop": "RMSprop", "adagrad": "Adagrad"}
"""Classes of ``torch.optim`` behind the short names."""
FUSED_OPTIMIZERS = {"cpu": ("Adam", "AdamW", "SGD", "Adagrad"), "cuda": ("Adam", "AdamW", "SGD")}
"""Classes that have a step in one pass over the memory, by kind of device; on a CPU it takes a third to a fifth."""
UNSUPPORTED = ("LBFGS", "SparseAdam", "Muon", "Optimizer")
"""Classes that need a closure, sparse gradients, or matrices only."""
RESERVED_OPTIONS = ("params", "lr", "weight_decay", "capturable", "differentiable")
"""Settings that are no options: each phase has its own, or the loop relies on them."""


def stage_rates(phase: Phase, anatomy: Anatomy) -> dict[str, float]:
    """Returns the learning rate of each stage, neck and head in a phase, before its schedule.

    Raises:
        InputError: A rate is set for a stage that the network has not.
    """
    return {name: phase.lr * factor for name, factor in stage_factors(phase, anatomy).items()}


def stage_factors(phase: Phase, anatomy: Anatomy) -> dict[str, float]:
    """Returns the rate of each stage, neck and head in a phase as a multiple of ``lr``.

    The last stage of the backbone and the neck get ``backbone_factor``, each stage before it ``stage_decay`` times
    that of the next; what is set by hand comes first. The head gets 1.

    Raises:
        InputError: A rate is set for a stage that the network has not.
    """
    names = [*anatomy.stages_by_name]
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
    return {name: factors[name] for name in names}


def build_optimizer(phase: Phase, model: nn.Module, anatomy: Anatomy) -> torch.optim.Optimizer:
    """Makes a phase's optimizer over what requires a gradient.

    Each stage has its rate (:func:`stage_rates`). Weight decay is left off biases and normalisation scales
    (parameters with one dimension), which it would only pull towards zero. The head's group is always the first; a
    group's ``stage`` names its stage.

    Args:
        phase: Optimizer, rates and decay.
        model: The network, its ``requires_grad`` flags set.
        anatomy: Which parameter belongs to which stage.
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
    return _make(phase, settings)


def _make(phase: Phase, settings: list[dict[str, Any]]) -> torch.optim.Optimizer:
    kind, given = _kind(phase.optimizer), dict(phase.options)
    reserved = next((name for name in RESERVED_OPTIONS if name in given), None)
    if reserved is not None:
        raise InputError(
            "The optimizer {name} is not given {option} as an option. Rate and weight decay are settings of the phase; "
            "the rest is left as the loop needs it.",
            name=phase.optimizer,
            option=reserved,
        )
    if kind is torch.optim.SGD:
        given = {"momentum": phase.momentum, "nesterov": phase.nesterov} | given
    elif kind is torch.optim.RMSprop:
        given = {"momentum": phase.momentum} | given
    if "weight_decay" not in inspect.signature(kind).parameters:
        if phase.weight_decay:
            raise InputError("The optimizer {name} knows no weight decay. Set it to 0.", name=phase.optimizer)
        for group in settings:
            del group["weight_decay"]
    if _fuses(kind, settings) and not {"fused", "foreach", "capturable", "differentiable"} & given.keys():
        given["fused"] = True
    try:
        return kind(settings, lr=phase.lr, **given)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            "The optimizer {name} cannot be made with these settings: {reason}", name=phase.optimizer, reason=str(error)
        ) from error


def _fuses(kind: Callable[..., torch.optim.Optimizer], settings: list[dict[str, Any]]) -> bool:
    """Whether the parameters can be moved by a fused step."""
    parameters = [parameter for group in settings for parameter in group["params"]]
    places = {parameter.device.type for parameter in parameters}
    floats = all(parameter.dtype == torch.float32 for parameter in parameters)
    return floats and len(places) == 1 and kind.__name__ in FUSED_OPTIMIZERS.get(places.pop(), ())


def _kind(name: str) -> Callable[..., torch.optim.Optimizer]:
    """Returns the class behind an optimizer's name.

    Raises:
        InputError: torch has none of this name, or one that cannot step with gradients alone.
    """
    kind = getattr(torch.optim, OPTIMIZER_TITLES.get(name, name), None)
    if not (inspect.isclass(kind) and issubclass(kind, torch.optim.Optimizer)) or kind is torch.optim.Optimizer:
        known = sorted(n for n, k in vars(torch.optim).items() if inspect.isclass(k) and n not in UNSUPPORTED)
        raise InputError(
            "The optimizer {name} is not in torch.optim. It has: {known}.",
            name=name,
            known=", ".join(n for n in known if issubclass(getattr(torch.optim, n), torch.optim.Optimizer)),
        )
    if kind.__name__ in UNSUPPORTED:
        raise InputError(
            "The optimizer {name} needs more than the gradients of a batch, which this loop gives it. Choose another.",
            name=name,
        )
    return kind


def carry_over(old: torch.optim.Optimizer, new: torch.optim.Optimizer) -> None:
    """Gives a new optimizer what the old one remembers of the parameters that both move."""
    moved = {parameter for group in new.param_groups for parameter in group["params"]}
    for parameter, state in old.state.items():
        if parameter in moved:
            new.state[parameter] = state


def set_rates(optimizer: torch.optim.Optimizer, rates: Mapping[str, float], factor: float) -> None:
    """Sets every group's rate to its stage's rate times a factor."""
    for group in optimizer.param_groups:
        group["lr"] = rates[group["stage"]] * factor
