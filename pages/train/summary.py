"""What a training will do, said before it starts: in words, phase by phase, and in figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from core.specs import Experiment, Phase, Schedule, titles
from core.training.recipes import idle_phases
from pages.train import seeds_and_folds
from pages.ui.kit import components, nav
from pages.ui.kit.components import Figure
from pages.ui.kit.page_states import broken
from pages.ui.plan import experiment_plan
from pages.ui.session import caches, choices
from pages.ui.session.train_form import TrainChoice
from pages.ui.text import augmentation_words, display_names, number_format
from pages.ui.text.i18n import _, _n, translate_error

if TYPE_CHECKING:
    from core.data.dataset import Dataset
    from core.models.anatomy.records import Anatomy


def draw(
    choice: TrainChoice, dataset: Dataset, counts: dict[str, int], refused: Sequence[InputError] = ()
) -> tuple[Experiment, Anatomy] | None:
    """Draws what will happen; returns the experiment and its network's anatomy.

    Args:
        choice: What was chosen.
        dataset: The images, divided.
        counts: Images of each split.
        refused: What of the controls' values could not be taken over; each has been said beside its control.

    Returns:
        ``None``, with the reason drawn, where it does not fit together.
    """
    components.section(_("What will happen"))
    try:
        anatomy = caches.anatomy(experiment_plan.network(choice), len(dataset.classes))
        planned = experiment_plan.experiment(choice, experiment_plan.recipe(choice, anatomy))
        experiment_plan.check(planned, anatomy)
        seeds_and_folds.check(choice, planned)
        if refused:
            raise refused[0]
    except InputError as error:
        broken(_("This does not fit together yet"), translate_error(error), icon="report", tone="warn")
        return None
    st.markdown(_whole(planned, dataset, counts))
    _missing(dataset)
    _phase_list(planned, anatomy)
    _idle(planned, anatomy)
    _beside(planned)
    if seeds_and_folds.count(choice) > 1:
        st.markdown(seeds_and_folds.words(choice))
    _figures(planned, anatomy, planned.training.drawn([*dataset.counts()["train"].values()]))
    _weights_note(planned)
    return planned, anatomy


def _whole(experiment: Experiment, dataset: Dataset, counts: dict[str, int]) -> str:
    subject = _("**{backbone}**, {weights}, learns the {classes} classes of **{data}** from {train} images.").format(
        backbone=components.plain(display_names.backbone(experiment.model.backbone)),
        weights=components.plain(display_names.weights(experiment.model.weights)),
        classes=len(dataset.classes),
        data=components.plain(dataset.title),
        train=number_format.exact(counts["train"]),
    )
    held = _("{val} validate each epoch").format(val=number_format.exact(counts["val"]))
    if counts["test"]:
        held += _(", {test} test the best weights at the end").format(test=number_format.exact(counts["test"]))
    return f"{subject} {held}. {augmentation_words.sentence(experiment.augment)}"


def _missing(dataset: Dataset) -> None:
    """Warns of classes that no image of a split belongs to."""
    from core.data.splits import missing_classes

    found = [_(remark.template).format(**remark.values) for remark in missing_classes(dataset)]
    if found:
        broken(_("Not all classes are judged"), " ".join(found), icon="gavel", tone="warn")


def sentence(choice: TrainChoice, experiment: Experiment, anatomy: Anatomy) -> str:
    """Says a whole training in a sentence, as text."""
    learns = dict.fromkeys(
        experiment_plan.what(anatomy, experiment.plan(phase)) for phase in experiment.training.phases
    )
    epochs = experiment.training.epochs
    text = _n(
        "{recipe}: {n} epoch, {learns}. {network} on {data}.",
        "{recipe}: {n} epochs, {learns}. {network} on {data}.",
        epochs,
    ).format(
        recipe=experiment_plan.recipe_name(choice),
        n=number_format.exact(epochs),
        learns=_(", then ").join(learns),
        network=display_names.backbone(experiment.model.backbone),
        data=choices.data_title(),
    )
    if experiment.augment.active:
        text += " " + _("Augmentation: {name}.").format(name=augmentation_words.title(experiment.augment))
    return text


# --- phase by phase ---------------------------------------------------------------------------------------------------


def _phase_list(experiment: Experiment, anatomy: Anatomy) -> None:
    rows = [
        f"<li><b>{number}</b><span><strong>{escape(display_names.phase(phase.name))}</strong> "
        f"{escape(phase_words(experiment, phase, anatomy))}</span></li>"
        for number, phase in enumerate(experiment.training.phases, start=1)
    ]
    st.html(f'<ol class="bl-phases">{"".join(rows)}</ol>')


def _idle(experiment: Experiment, anatomy: Anatomy) -> None:
    """Warns of phases in which nothing new learns."""
    found = [
        _(remark.template).format(**remark.values | {"name": display_names.phase(str(remark.values["name"]))})
        for remark in idle_phases(experiment, anatomy)
    ]
    if found:
        broken(_("Nothing new learns"), " ".join(found), icon="lock", tone="warn")


def phase_words(experiment: Experiment, phase: Phase, anatomy: Anatomy) -> str:
    """Says what happens in a phase."""
    parts = [
        _n("{n} epoch, {what}", "{n} epochs, {what}", phase.epochs).format(
            n=phase.epochs, what=experiment_plan.what(anatomy, experiment.plan(phase))
        ),
        _("{optimizer} at rate {rate}").format(
            optimizer=display_names.optimizer(phase.optimizer), rate=rate_words(experiment, phase, anatomy)
        ),
    ]
    course = schedule_words(phase.schedule)
    if course:
        parts.append(course)
    if phase.augment is not None and phase.augment != experiment.augment:
        parts.append(
            _("augmentation {name}").format(name=augmentation_words.title(phase.augment))
            if phase.augment.active
            else _("no augmentation")
        )
    return ", ".join(parts)


def rate_words(experiment: Experiment, phase: Phase, anatomy: Anatomy) -> str:
    """Says a phase's rate, and how the backbone's differs where anything of it learns."""
    from core.models.freeze import is_linear_probe

    text = f"{phase.lr:.3g}"
    if is_linear_probe(anatomy, replace(experiment.plan(phase), norm="eval")):
        return text
    if phase.stage_factors:
        return text + _(", backbone by hand")
    if phase.backbone_factor != 1.0:
        text += _(", backbone {rate}").format(rate=f"{phase.lr * phase.backbone_factor:.3g}")
    if phase.stage_decay != 1.0:
        text += _(", × {factor} a stage").format(factor=f"{phase.stage_decay:.3g}")
    return text


def schedule_words(schedule: Schedule) -> str:
    """Says how the rate changes; empty where it does not."""
    values = {
        "gamma": f"{schedule.gamma:.3g}",
        "n": schedule.every,
        "metric": _inside(schedule.metric),
        "epochs": ", ".join(map(str, schedule.milestones)),
        "patience": schedule.patience,
    }
    text = {
        "constant": "",
        "cosine": _("falling in a half cosine"),
        "step": _n("× {gamma} every epoch", "× {gamma} every {n} epochs", schedule.every),
        "multi-step": _("× {gamma} after epochs {epochs}"),
        "exponential": _("× {gamma} an epoch"),
        "polynomial": _("falling evenly") if schedule.power == 1 else _("falling as a power"),
        "one-cycle": _("rising and falling once"),
        "plateau": _n(
            "× {gamma} when {metric} stands still for more than {patience} epoch",
            "× {gamma} when {metric} stands still for more than {patience} epochs",
            schedule.patience,
        ),
    }[schedule.name].format(**values)
    if schedule.warmup:
        warm = _n("warming up for {n} epoch", "warming up for {n} epochs", 1 if schedule.warmup == 1 else 2)
        warm = warm.format(n=f"{schedule.warmup:g}")
        return f"{warm}, {text}" if text else warm
    return text


def _inside(metric: str) -> str:
    """Returns a metric's name as it stands inside a sentence."""
    name = display_names.metric(metric)
    return name[:1].lower() + name[1:]


# --- beside the phases ------------------------------------------------------------------------------------------------


def _beside(experiment: Experiment) -> None:
    """Says what else was set."""
    lines = settings(experiment)
    if lines:
        items = "".join(f"<li>{escape(line)}</li>" for line in lines)
        st.html(f'<ul class="bl-settings">{items}</ul>')


def settings(experiment: Experiment) -> list[str]:
    """Returns what differs from the usual, a sentence each."""
    training = experiment.training
    lines = [*_about_loss(experiment), *_about_steps(experiment), *_about_judging(experiment)]
    fit, normalise = experiment.model.fit, experiment.model.normalise
    if fit != "crop":
        lines.append(_("Pictures become squares by: {way}.").format(way=_(titles.FITS[fit]).lower()))
    if normalise != "weights":
        lines.append(_("Normalisation: {name}.").format(name=_(titles.NORMALISATIONS[normalise])))
    if training.deterministic:
        lines.append(_("Only algorithms that repeat exactly are used."))
    if training.compile:
        lines.append(_("The network is translated by torch.compile first, which takes minutes."))
    if not training.recover:
        lines.append(_("A step that does not fit into the memory ends the run."))
    if training.precision != "auto":
        lines.append(_("It computes in {precision}.").format(precision=training.precision))
    return lines


def _about_loss(experiment: Experiment) -> list[str]:
    training, lines = experiment.training, []
    loss = training.loss
    if loss.name == "focal":
        lines.append(_("The loss is the focal loss with gamma {gamma}.").format(gamma=f"{loss.gamma:g}"))
    elif loss.name != "cross-entropy":
        lines.append(_("The loss is {loss}.").format(loss=display_names.loss(loss.name)))
    if loss.smoothing:
        lines.append(_("Labels are smoothed by {share}.").format(share=number_format.percent(loss.smoothing)))
    if training.weighted:
        lines.append(_("Rare classes count more, each by the inverse of its share."))
    if training.sampler != "shuffle":
        lines.append(_(display_names.SAMPLED[training.sampler]))
    mix = training.mix
    if mix.active:
        kind = "MixUp / CutMix" if mix.mixup and mix.cutmix else "MixUp" if mix.mixup else "CutMix"
        lines.append(_("Images are mixed in pairs ({kind}).").format(kind=kind))
    if training.views and experiment.augment.active:
        lines.append(
            _n(
                "{n} view of each image is drawn once.", "{n} views of each image are drawn once.", training.views
            ).format(n=training.views)
        )
    if experiment.model.head.dropout:
        lines.append(
            _("The head drops {share} of its inputs.").format(
                share=number_format.percent(experiment.model.head.dropout)
            )
        )
    return lines


def _about_steps(experiment: Experiment) -> list[str]:
    training, lines = experiment.training, []
    if training.accumulate > 1:
        lines.append(_("{n} batches make a step.").format(n=training.accumulate))
    if training.clip is not None:
        lines.append(_("Gradients longer than {norm} are shortened.").format(norm=f"{training.clip:g}"))
    if training.ema:
        lines.append(_("A moving average of the weights is what is judged and kept."))
    return lines


def _about_judging(experiment: Experiment) -> list[str]:
    training, lines = experiment.training, []
    early = training.early
    if early is not None:
        lines.append(
            _n(
                "A phase ends early once {metric} has not improved for {n} epoch.",
                "A phase ends early once {metric} has not improved for {n} epochs.",
                early.patience,
            ).format(metric=_inside(early.metric), n=early.patience)
        )
    if training.best != "val_accuracy":
        lines.append(_("The best epoch is the one with the best {metric}.").format(metric=_inside(training.best)))
    return lines


# --- in figures -------------------------------------------------------------------------------------------------------


def _figures(experiment: Experiment, anatomy: Anatomy, drawn: int) -> None:
    from core.models.freeze import counts as parameter_counts

    training = experiment.training
    found = parameter_counts(anatomy, experiment.plan(training.phases[-1]))
    steps = training.steps(drawn)
    components.metrics(
        [
            Figure(
                _("Learn"),
                number_format.count(found.trainable),
                _("of {n}").format(n=number_format.count(found.total)),
                _("{n} parameters").format(n=number_format.exact(found.trainable)),
            ),
            Figure(_("Epochs"), number_format.exact(training.epochs)),
            Figure(
                _("Steps an epoch"),
                number_format.DASH if steps is None else number_format.exact(steps),
                _("known at the start") if steps is None else "",
            ),
        ],
        compact=True,
    )
    components.bar(
        [(_("Learns"), found.trainable, "accent"), (_("Frozen"), found.frozen, "frozen")],
        label=_("Share of the parameters that learn"),
    )


def _weights_note(experiment: Experiment) -> None:
    from core.models.catalog.catalog import weights_state

    weights = experiment.model.weights
    if weights == "none" or ":" in weights:
        return
    if weights_state(experiment.model.backbone, weights) == "needs download":
        broken(
            _("Weights to be downloaded"),
            _("This backbone's pretrained weights are not on this machine. The run fetches them or fails."),
            icon="cloud_download",
            tone="warn",
        )
        nav.link("backbone", _("Choose another backbone"))
