"""A run's recipe and data in words, as a report has them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from core.errors import InputError
from core.models.catalog.catalog import backbone
from core.runs.store import Run
from core.specs import Experiment, FreezePlan, Phase

Rows = list[tuple[str, str]]


def in_words(experiment: Experiment) -> Rows:
    """Returns what was set, one row a setting that does something."""
    spec, training = experiment.model, experiment.training
    rows: Rows = [
        ("Network", _title(spec.backbone)),
        ("Began with", _weights(spec.weights)),
        ("Head", " · ".join([*map(str, spec.head.hidden), "classes"]) if spec.head.hidden else "one linear layer"),
        ("Dropout", f"{spec.head.dropout:g}" if spec.head.dropout else ""),
        ("Pictures become squares by", spec.fit),
        ("Normalisation", "as the weights ask for" if spec.normalise == "weights" else spec.normalise),
        ("Recipe", training.preset),
        *((f"Phase {number}: {phase.name}", _phase(experiment, phase)) for number, phase in _numbered(training.phases)),
        ("Augmentation", _augmentation(experiment)),
        ("Loss", training.loss.name + (f", smoothing {training.loss.smoothing:g}" if training.loss.smoothing else "")),
        ("Against imbalance", _remedy(experiment)),
        ("MixUp, CutMix", f"{training.mix.mixup:g}, {training.mix.cutmix:g}" if training.mix.active else ""),
        ("Batch", f"{training.batch_size} images"),
        ("Gradient clipping", f"{training.clip:g}" if training.clip else ""),
        ("EMA", f"{training.ema:g}" if training.ema else ""),
        ("Early stopping", _early(experiment)),
        ("Weights kept", f"of the best epoch by {training.best.replace('_', ' ')}"),
        ("Seed", str(training.seed)),
        ("Changed while it ran", f"{len(training.acts)} times" if training.acts else ""),
    ]
    return [(name, value) for name, value in rows if value]


def _numbered(phases: Sequence[Phase]) -> list[tuple[int, Phase]]:
    return list(enumerate(phases, 1))


def _weights(name: str) -> str:
    return {"none": "random weights", "default": "pretrained weights"}.get(name, f"the weights {name}")


def _title(name: str) -> str:
    try:
        return backbone(name).title
    except InputError:
        return name


def _phase(experiment: Experiment, phase: Phase) -> str:
    learns = "the head alone learns" if phase.trains == "head" else _learns(experiment.plan(phase))
    decay = f", weight decay {phase.weight_decay:g}" if phase.weight_decay else ""
    schedule = phase.schedule.name + (
        f" after {phase.schedule.warmup:g} epochs of warm-up" if phase.schedule.warmup else ""
    )
    return (
        f"{phase.epochs} {'epoch' if phase.epochs == 1 else 'epochs'}; {learns}; {phase.optimizer} at a learning rate "
        f"of {phase.lr:g}, {schedule}{decay}"
    )


def _learns(plan: FreezePlan) -> str:
    stages = plan.trainable_stages
    if stages == "all":
        words = "everything learns"
    elif stages:
        words = f"the last {'stage' if stages == 1 else f'{stages} stages'} and the head learn"
    else:
        words = "the head learns"
    more = [f"also {', '.join(plan.thaw)}"] * bool(plan.thaw) + [f"without {', '.join(plan.hold)}"] * bool(plan.hold)
    return ", ".join([words, *more])


def _augmentation(experiment: Experiment) -> str:
    spec = experiment.augment
    if not spec.active:
        return "none"
    return spec.preset_name or "operations of its own: " + ", ".join(row.name for row in spec.operations)


def _remedy(experiment: Experiment) -> str:
    if experiment.training.sampler != "shuffle":
        return f"sampler {experiment.training.sampler}"
    return "rare classes weigh more in the loss" if experiment.training.weighted else ""


def _early(experiment: Experiment) -> str:
    early = experiment.training.early
    return "" if early is None else f"after {early.patience} epochs without a better {early.metric.replace('_', ' ')}"


def data_in_words(run: Run, experiment: Experiment) -> Rows:
    """Returns what the data are and how they were divided."""
    spec, status = experiment.data, run.recorded
    leaks = status.leaks
    rows: Rows = [
        ("Data", Path(spec.source).name or spec.source),
        (
            "Divided",
            f"by seed {spec.seed}" if not spec.folds else f"fold {spec.fold + 1} of {spec.folds}, seed {spec.seed}",
        ),
        ("Kept together", spec.group_by),
        ("At most of a class", f"{spec.images_per_class} images" if spec.images_per_class else ""),
        ("Revision", spec.revision),
        ("Left out, unreadable", str(status.unreadable_images or "")),
        (
            "Copies in different splits",
            "nobody looked"
            if leaks is None
            else (f"{leaks.groups} groups: the figures flatter" if leaks.groups else "looked for, and none found"),
        ),
    ]
    return [(name, value) for name, value in rows if value]
