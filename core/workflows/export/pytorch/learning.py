"""What the program says of the training: phases, stages, and what a person changed on the way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from core.models import freeze
from core.models.network import Network
from core.specs import Experiment, FreezePlan, Phase
from core.training.loop.phase_setup import draws_by_image
from core.training.optim import schedules
from core.training.optim.losses import LEAST_SPREAD
from core.training.optim.optimizers import FUSED_OPTIMIZERS, _kind, stage_rates
from core.workflows.export.pytorch import operations
from core.workflows.export.pytorch.source import Code, literal

SETTINGS = {
    "cosine": ("floor",),
    "polynomial": ("floor", "power"),
    "step": ("every", "gamma"),
    "multi-step": ("milestones", "gamma"),
    "exponential": ("gamma",),
    "plateau": ("gamma", "patience", "metric"),
}
"""What a schedule takes besides its warm-up, by its name."""


def context(experiment: Experiment, shape: Network, precisions: Sequence[str]) -> dict[str, Any]:
    """Returns what ``images.py.j2``, ``learning.py.j2`` and ``loop.py.j2`` are filled with.

    Args:
        experiment: What is trained, and how.
        shape: The network's outline.
        precisions: The number format of each phase.
    """
    training = experiment.training
    names = {phase.schedule.name for phase in training.phases}
    plateaus = "plateau" in names
    moves = bool(names - {"constant", "plateau"}) or any(phase.schedule.warmup for phase in training.phases)
    augments = [spec for phase in training.phases if (spec := experiment.augmentation(phase)).active]
    by_image = bool(training.views) or any(draws_by_image(training, spec) for spec in augments)
    bf16 = "bf16" in precisions
    used = {"schedule": moves or plateaus, "augment": bool(augments), "bf16": bf16, "head_alone": bf16}
    phases, acts, thawed = [], [], 0
    for index, (phase, precision) in enumerate(zip(training.phases, precisions, strict=True)):
        parts = _parts(phase, shape, freeze.unfreeze(shape.anatomy, experiment.plan(phase), thawed))
        rows = {**parts, **_optimizer(phase), **_course(experiment, phase), "bf16": precision == "bf16"}
        phases.append({"name": phase.name, "epochs": phase.epochs, **rows})
        for act in (act for act in training.acts if act.phase == index):
            value: Any = act.value if act.kind == "rate" else int(act.value)
            if act.kind == "unfreeze":
                thawed += value
                value = _parts(phase, shape, freeze.unfreeze(shape.anatomy, experiment.plan(phase), thawed))
            acts.append({"phase": index, "step": act.step, "kind": act.kind, "value": value})
    learning = [*phases, *(act["value"] for act in acts if act["kind"] == "unfreeze")]
    for row in learning:
        for key in [key for key in row if not used.get(key, True)]:
            del row[key]
    weighted = training.weighted
    factors = {"factor(phase, done, per_epoch)": moves, "plateau.factor": plateaus, 'phase["rate"]': bool(acts)}
    return {
        "training": training,
        "loss": training.loss,
        "mix": training.mix,
        "quick": training.device != "cpu" and not training.deterministic,
        "augments": bool(augments),
        "by_image": bool(augments) and by_image,
        "streams": bool(augments) and not by_image,
        "rotates": any(spec.rotation for spec in augments),
        "colours": any(spec.color for spec in augments),
        **operations.context(augments),
        "stages": _stages(shape, learning),
        "phases": phases,
        "acts": acts,
        "bf16": bf16,
        "moves": moves,
        "scheduled": names,
        "curved": bool(names & {"cosine", "polynomial", "one-cycle"}),
        "plateaus": plateaus,
        "factors": [text for text, holds in factors.items() if holds],
        "weighted": weighted,
        "loss_arguments": f", {training.loss.smoothing}{', weights' if weighted else ''}",
        "START_RATE": schedules.ONE_CYCLE_START,
        "RISE": schedules.ONE_CYCLE_RISE,
        "END_RATE": schedules.ONE_CYCLE_END,
        "LEAST_CHANGE": schedules.LEAST_CHANGE,
        "LEAST_SPREAD": LEAST_SPREAD,
    }


def _course(experiment: Experiment, phase: Phase) -> dict[str, Any]:
    """Returns how the rates change in a phase, and the images."""
    schedule, augment = phase.schedule, experiment.augmentation(phase)
    settings = ("name", "warmup", *SETTINGS.get(schedule.name, ()))
    return {
        "schedule": {key: getattr(schedule, key) for key in settings},
        "augment": operations.settings(augment) if augment.active else None,
    }


def _optimizer(phase: Phase) -> dict[str, Any]:
    """Returns the optimizer's class and settings; it is fused wherever the loop's is, which moves the last digit."""
    kind = _kind(phase.optimizer).__name__
    options: dict[str, Any] = dict(phase.options)
    if kind in ("SGD", "RMSprop"):
        options = {"momentum": phase.momentum} | options
    if kind == "SGD" and phase.nesterov:
        options = {"nesterov": True} | options
    fused = [place for place, kinds in FUSED_OPTIMIZERS.items() if kind in kinds]
    if fused and not {"fused", "foreach", "capturable", "differentiable"} & options.keys():
        options["fused"] = Code(f"DEVICE.type in {literal(tuple(fused))}")
    return {"optimizer": Code(f"torch.optim.{kind}"), "options": options, "weight_decay": phase.weight_decay}


def _parts(phase: Phase, shape: Network, plan: FreezePlan) -> dict[str, Any]:
    """Returns what learns under a plan, what is in train mode, and the rates of the stages."""
    model, anatomy = shape.model, shape.anatomy
    learning, rates = freeze.learning(anatomy, plan), stage_rates(phase, anatomy)
    freeze.set_train_mode(model, anatomy, plan)
    modules = {name: module.training for name, module in model.named_modules() if name}
    model.eval()
    stages = [stage for stage in reversed(anatomy.stages) if learning.intersection(stage.parameter_names)]
    return {
        "learns": prefixes(learning, [name for name, _ in model.named_parameters()]),
        "trains": prefixes((name for name, training in modules.items() if training), list(modules)),
        "rates": {stage.name: rates[stage.name] for stage in stages},
        "head_alone": freeze.is_linear_probe(anatomy, plan),
    }


def _stages(shape: Network, learning: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Returns the parameters of each stage that ever learns, by the fewest prefixes."""
    wanted = {stage for row in learning for stage in row["rates"]}
    names = [name for name, _ in shape.model.named_parameters()]
    return {
        stage.name: prefixes(stage.parameter_names, names) for stage in shape.anatomy.stages if stage.name in wanted
    }


def prefixes(chosen: Iterable[str], everything: Sequence[str]) -> list[str]:
    """Returns the fewest dotted prefixes under which exactly the chosen names lie.

    Args:
        chosen: Names.
        everything: All names there are, in order.
    """
    wanted = set(chosen)
    others = {prefix for name in everything if name not in wanted for prefix in _prefixes(name)}
    named = [name for name in everything if name in wanted]
    return list(dict.fromkeys(next((p for p in _prefixes(name) if p not in others), name) for name in named))


def _prefixes(name: str) -> list[str]:
    """Returns a dotted name's prefixes, itself last."""
    parts = name.split(".")
    return [".".join(parts[: end + 1]) for end in range(len(parts))]
