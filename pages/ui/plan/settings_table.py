"""What a run was set to do, in words: a table for each part of its experiment."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

import streamlit as st

from core.errors import InputError
from core.specs import AugmentSpec, DataSpec, Experiment, ModelSpec, Phase, Schedule, TrainingSpec, titles
from pages.ui.kit.components import help_sign
from pages.ui.plan import freeze_plan
from pages.ui.text import augmentation_words, display_names, glossary, number_format
from pages.ui.text.i18n import N_, _, _n, translate_error
from pages.ui.text.number_format import number, percent

POOLS = {"average": N_("mean of each channel"), "flatten": N_("every value of the last map")}

Row = tuple[str, str, str]
"""What was set, its value, and the glossary's term for it, if any."""


def draw(experiment: Experiment) -> None:
    """Draws the tables side by side; what was left as it usually is and does nothing is left out."""
    st.html(f'<div class="bl-settings">{"".join(_table(title, rows) for title, rows in _parts(experiment))}</div>')


def words(experiment: Experiment) -> dict[str, str]:
    """Returns every setting in words by what it is called; of several phases each with the phase's title."""
    several = len(experiment.training.phases) > 1
    found = {}
    for place, (title, rows) in enumerate(_parts(experiment)):
        for name, value, _term in rows:
            known = several and place > 2
            found[f"{title} · {name}" if known or name in found else name] = value
    return found


def _parts(experiment: Experiment) -> list[tuple[str, list[Row]]]:
    return [
        (_("Images"), _images(experiment.data)),
        (_("Network"), _network(experiment.model)),
        (_("Training"), _training(experiment)),
        *(
            (_("Phase {n}: {name}").format(n=place, name=display_names.phase(phase.name)), _phase(experiment, phase))
            for place, phase in enumerate(experiment.training.phases, start=1)
        ),
    ]


def _table(title: str, rows: Iterable[Row]) -> str:
    cells = "".join(
        f"<div><dt>{escape(name)}{help_sign(glossary.explain(term), name) if term else ''}</dt>"
        f"<dd><bdi>{escape(value)}</bdi></dd></div>"
        for name, value, term in rows
        if value
    )
    return f"<section><h4>{escape(title)}</h4><dl>{cells}</dl></section>"


def _images(spec: DataSpec) -> list[Row]:
    kind, _sign, what = spec.group_by.partition(":")
    folds = _("{n} of {total}").format(n=spec.fold + 1, total=spec.folds) if spec.folds else ""
    return [
        (_("Data"), display_names.data(spec.source), ""),
        (_("Folder"), spec.source if spec.source not in titles.DATA else "", ""),
        (_("Held out for validation"), percent(spec.val_share) if not spec.folds else "", "validation"),
        (_("Fold that validates"), folds, "fold"),
        (_("Held out for the test"), percent(spec.test_share), "test"),
        (_("Most images of a class"), number_format.exact(spec.images_per_class) if spec.images_per_class else "", ""),
        (_("Most images of a class of its own"), ", ".join(f"{name} {most}" for name, most in spec.class_caps), ""),
        (_("Share of each class"), percent(spec.class_share) if spec.class_share < 1 else "", ""),
        (_("Classes"), ", ".join(spec.classes), ""),
        (_("Changed of the data"), _changed(spec.revision), ""),
        (_("Kept together"), f"{_(titles.RELATIVES.get(kind, kind))} {what}".strip(), ""),
        (_("Seed of the split"), str(spec.seed), "seed"),
    ]


def _changed(revision: str) -> str:
    """Returns what was changed of the data in words; of a revision that is not here its hash."""
    if not revision:
        return ""
    from core.data.revisions.store import load

    try:
        return ", ".join(translate_error(sentence) for sentence in load(revision).changes())
    except InputError:
        return revision


def _network(spec: ModelSpec) -> list[Row]:
    head = " · ".join(str(size) for size in spec.head.hidden)
    return [
        (_("Backbone"), display_names.backbone(spec.backbone), "backbone"),
        (_("Start weights"), display_names.weights(spec.weights), "transfer learning"),
        (_("Drawn after"), spec.init if spec.weights == "none" and spec.init != "own" else "", ""),
        (_("Input"), _("{n} px").format(n=spec.image_size) if spec.image_size else _("the backbone's own size"), ""),
        (_("Channels"), {1: _("1 (gray)"), 3: _("3 (colour)")}.get(spec.channels or 0, ""), ""),
        (_("Pictures become squares by"), _(titles.FITS[spec.fit]) if spec.fit != "crop" else "", ""),
        (
            _("Normalisation"),
            _(titles.NORMALISATIONS[spec.normalise]) if spec.normalise != "weights" else "",
            "normalisation",
        ),
        (_("Head"), head + " · " + _("classes") if head else _("one linear layer"), "head"),
        (_("Features from"), _(POOLS.get(spec.head.pool, "")), ""),
        (_("Dropout"), percent(spec.head.dropout) if spec.head.dropout else "", ""),
        (_("Layers of one's own"), number_format.exact(len(spec.design)) if spec.design else "", ""),
    ]


def _training(experiment: Experiment) -> list[Row]:
    spec = experiment.training
    precision = ", ".join(dict.fromkeys(spec.precisions)) or {"auto": _("the faster one")}.get(spec.precision, "")
    return [
        (_("Recipe"), display_names.preset(spec.preset), ""),
        (_("Augmentation"), _changes(experiment.augment), "augmentation"),
        (_("Batch"), _("as many as fit") if spec.batch_size == "auto" else str(spec.batch_size), "batch"),
        (_("Loss"), display_names.loss(spec.loss.name), ""),
        *_about_loss(spec),
        (_("Gradient clipping"), number(spec.clip) if spec.clip else "", "gradient clipping"),
        (_("Gradient accumulation"), _batches(spec.accumulate), "gradient accumulation"),
        (_("EMA"), number(spec.ema, 6) if spec.ema else "", "ema"),
        (_("Early stopping"), _early(spec), "early stopping"),
        (_("Epoch that is kept"), _("best by {metric}").format(metric=display_names.metric(spec.best).lower()), ""),
        (_("Seed"), str(spec.seed), "seed"),
        (_("Device"), _("chosen by the app") if spec.device == "auto" else display_names.device(spec.device), ""),
        (_("Processes"), str(spec.processes) if spec.processes > 1 else "", ""),
        (_("Number format"), precision or spec.precision, ""),
        (_("Repeats exactly"), _("yes") if spec.deterministic else "", ""),
        (_("Compiled"), _("yes") if spec.compile else "", ""),
        (_("Views of each image"), str(spec.views) if spec.views else "", ""),
        (_("Changed while it ran"), _times(len(spec.acts)), ""),
    ]


def _about_loss(spec: TrainingSpec) -> list[Row]:
    loss, mix = spec.loss, spec.mix
    return [
        (_("Label smoothing"), percent(loss.smoothing) if loss.smoothing else "", "label smoothing"),
        (_("Focusing"), number(loss.gamma) if loss.name == "focal" else "", ""),
        (_("Class weights"), _("rare classes count more") if loss.balance != "none" else "", ""),
        (_("MixUp"), number(mix.mixup) if mix.mixup else "", "mixup"),
        (_("CutMix"), number(mix.cutmix) if mix.cutmix else "", ""),
    ]


def _phase(experiment: Experiment, phase: Phase) -> list[Row]:
    plan = experiment.plan(phase)
    momentum = phase.optimizer in ("sgd", "rmsprop") and phase.momentum
    factor = phase.backbone_factor if phase.trains != "head" and plan.trainable_stages != 0 else 1
    return [
        (_("Epochs"), str(phase.epochs), "epoch"),
        (_("Learns"), _("The head") if phase.trains == "head" else freeze_plan.plan_words(plan), "freezing"),
        (_("Thawed beside"), ", ".join(plan.thaw), ""),
        (_("Held"), ", ".join(plan.hold), ""),
        (_("Frozen batch norms"), _("drift with each batch") if plan.norm == "train" else "", "batch norm"),
        (_("Optimizer"), display_names.optimizer(phase.optimizer), ""),
        (_("Learning rate"), number(phase.lr), "learning rate"),
        (_("Backbone's rate"), f"× {number(factor)}" if factor != 1 else "", ""),
        (_("Each earlier stage"), f"× {number(phase.stage_decay)}" if phase.stage_decay != 1 else "", "rates by stage"),
        (_("Rates set by hand"), ", ".join(f"{name} × {number(rate)}" for name, rate in phase.stage_factors), ""),
        (_("Weight decay"), number(phase.weight_decay) if phase.weight_decay else "", "weight decay"),
        (_("Momentum"), number(phase.momentum) + (" · Nesterov" if phase.nesterov else "") if momentum else "", ""),
        (_("Further"), ", ".join(f"{name} = {value}" for name, value in phase.options), ""),
        (_("Schedule"), _schedule(phase.schedule), ""),
        (_("Augmentation"), "" if phase.augment is None else _changes(phase.augment), "augmentation"),
    ]


def _changes(spec: AugmentSpec) -> str:
    name, changed = augmentation_words.title(spec), augmentation_words.changes(spec)
    return f"{name}: {changed}" if changed else name


def _schedule(schedule: Schedule) -> str:
    name = display_names.schedule(schedule.name)
    warm = _n("{n} epoch of warm-up", "{n} epochs of warm-up", int(schedule.warmup)).format(n=number(schedule.warmup))
    return f"{name}, {warm}" if schedule.warmup else name


def _early(spec: TrainingSpec) -> str:
    if spec.early is None:
        return ""
    return _n("{metric}, after {n} epoch", "{metric}, after {n} epochs", spec.early.patience).format(
        metric=display_names.metric(spec.early.metric), n=spec.early.patience
    )


def _batches(count: int) -> str:
    return _n("{n} batch", "{n} batches", count).format(n=count) if count > 1 else ""


def _times(count: int) -> str:
    return _n("{n} time", "{n} times", count).format(n=count) if count else ""
