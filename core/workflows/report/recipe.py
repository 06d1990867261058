"""A run's recipe and data in words, as a report has them."""

from __future__ import annotations

from pathlib import Path

from core.errors import InputError
from core.models.catalog.catalog import backbone
from core.runs.store import Run
from core.specs import Experiment, FreezePlan, Phase, titles
from core.translations import Words

Rows = list[tuple[str, str]]


def in_words(experiment: Experiment, _: Words) -> Rows:
    """Returns what was set, one row a setting that does something.

    Args:
        experiment: The settings.
        _: The language.
    """
    spec, training = experiment.model, experiment.training
    rows: Rows = [
        (_("Network"), title(spec.backbone)),
        (_("Began with"), _weights(spec.weights, _)),
        (
            _("Head"),
            " · ".join([*map(str, spec.head.hidden), _("classes")]) if spec.head.hidden else _("one linear layer"),
        ),
        (_("Dropout"), f"{spec.head.dropout:g}" if spec.head.dropout else ""),
        (_("Pictures become squares by"), _(titles.FITS[spec.fit])),
        (_("Normalisation"), _(titles.NORMALISATIONS[spec.normalise])),
        (_("Recipe"), _(titles.PRESETS[training.preset])),
        *(
            (
                _("Phase {number}: {name}").format(number=number, name=titles.phase(phase.name, _)),
                _phase(experiment, phase, _),
            )
            for number, phase in enumerate(training.phases, 1)
        ),
        (_("Augmentation"), _augmentation(experiment, _)),
        (_("Loss"), _loss(experiment, _)),
        (_("Against imbalance"), _remedy(experiment, _)),
        ("MixUp, CutMix", f"{training.mix.mixup:g}, {training.mix.cutmix:g}" if training.mix.active else ""),
        (_("Batch"), _("{n} images").format(n=training.batch_size)),
        (_("Gradient clipping"), f"{training.clip:g}" if training.clip else ""),
        ("EMA", f"{training.ema:g}" if training.ema else ""),
        (_("Early stopping"), _early(experiment, _)),
        (_("Weights kept"), _("of the best epoch by {metric}").format(metric=_metric(training.best, _))),
        (_("Seed"), str(training.seed)),
        (_("Changed while it ran"), _("{n} times").format(n=len(training.acts)) if training.acts else ""),
    ]
    return [(name, value) for name, value in rows if value]


def title(name: str) -> str:
    """Returns what a backbone is called; its name where the catalogue does not have it here."""
    try:
        return backbone(name).title
    except InputError:
        return name


def _weights(name: str, _: Words) -> str:
    known = {"none": _("random weights"), "default": _("pretrained weights")}
    return known.get(name) or _("the weights {name}").format(name=name)


def _phase(experiment: Experiment, phase: Phase, _: Words) -> str:
    learns = _("the head alone learns") if phase.trains == "head" else _learns(experiment.plan(phase), _)
    epochs = _("{n} epoch") if phase.epochs == 1 else _("{n} epochs")
    schedule = _(titles.SCHEDULES[phase.schedule.name])
    if phase.schedule.warmup:
        schedule = _("{schedule} after {n} epochs of warm-up").format(schedule=schedule, n=f"{phase.schedule.warmup:g}")
    optimizer = titles.OPTIMIZERS.get(phase.optimizer, phase.optimizer)
    rate = _("{optimizer} at a learning rate of {rate}; schedule: {schedule}")
    parts = [
        epochs.format(n=phase.epochs),
        learns,
        rate.format(optimizer=optimizer, rate=f"{phase.lr:g}", schedule=schedule),
        _("weight decay {value}").format(value=f"{phase.weight_decay:g}") if phase.weight_decay else "",
    ]
    return "; ".join(part for part in parts if part)


def _learns(plan: FreezePlan, _: Words) -> str:
    stages = plan.trainable_stages
    if stages == "all":
        words = _("everything learns")
    elif stages:
        one, many = _("the last stage and the head learn"), _("the last {n} stages and the head learn")
        words = one if stages == 1 else many.format(n=stages)
    else:
        words = _("the head learns")
    more = [_("also {names}").format(names=", ".join(plan.thaw))] if plan.thaw else []
    less = [_("without {names}").format(names=", ".join(plan.hold))] if plan.hold else []
    return ", ".join([words, *more, *less])


def _augmentation(experiment: Experiment, _: Words) -> str:
    spec = experiment.augment
    if not spec.active:
        return _("none")
    if spec.preset_name:
        return _(titles.AUGMENTATIONS[spec.preset_name])
    names = ", ".join(_(titles.OPERATIONS[row.name]) for row in spec.operations)
    return _("operations of its own: {names}").format(names=names)


def _loss(experiment: Experiment, _: Words) -> str:
    loss = experiment.training.loss
    smoothing = _("smoothing {value}").format(value=f"{loss.smoothing:g}") if loss.smoothing else ""
    return ", ".join(part for part in (_(titles.LOSSES[loss.name]), smoothing) if part)


def _remedy(experiment: Experiment, _: Words) -> str:
    if experiment.training.sampler != "shuffle":
        return _(titles.SAMPLERS[experiment.training.sampler])
    return _("rare classes weigh more in the loss") if experiment.training.weighted else ""


def _early(experiment: Experiment, _: Words) -> str:
    early = experiment.training.early
    if early is None:
        return ""
    text = _("after {n} epochs without a better {metric}")
    return text.format(n=early.patience, metric=_metric(early.metric, _))


def _metric(name: str, _: Words) -> str:
    """Returns a metric's name as it stands within a sentence."""
    return _(titles.METRICS[name]).lower()


def data_in_words(run: Run, experiment: Experiment, _: Words) -> Rows:
    """Returns what the data are and how they were divided.

    Args:
        run: Whose data they are.
        experiment: Its settings.
        _: The language.
    """
    spec, status = experiment.data, run.recorded
    divided = _("fold {fold} of {folds}, seed {seed}") if spec.folds else _("by seed {seed}")
    rows: Rows = [
        (_("Data"), _source(spec.source, _)),
        (_("Divided"), divided.format(fold=spec.fold + 1, folds=spec.folds, seed=spec.seed)),
        (_("Kept together"), _relatives(spec.group_by, _)),
        (_("At most of a class"), _("{n} images").format(n=spec.images_per_class) if spec.images_per_class else ""),
        (_("Revision"), spec.revision),
        (_("Left out, unreadable"), str(status.unreadable_images or "")),
        (_("Copies in different splits"), _copies(run, _)),
    ]
    return [(name, value) for name, value in rows if value]


def _source(source: str, _: Words) -> str:
    name = source.partition("?")[0]
    return _(titles.DATA[name]) if name in titles.DATA else Path(source).name or source


def _relatives(group_by: str, _: Words) -> str:
    kind, _sign, what = group_by.partition(":")
    return f"{_(titles.RELATIVES.get(kind, kind))} {what}".strip()


def _copies(run: Run, _: Words) -> str:
    leaks = run.recorded.leaks
    if leaks is None:
        return _("nobody looked")
    if not leaks.groups:
        return _("looked for, and none found")
    return _("{n} groups: the figures flatter").format(n=leaks.groups)
