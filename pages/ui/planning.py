"""What a training will do, said before it starts: from choices to an experiment, in words and figures."""

from __future__ import annotations

from dataclasses import replace
from html import escape
from typing import Any

import streamlit as st

from core.errors import InputError
from core.specs import Experiment, FreezePlan, Phase, TrainingSpec
from core.training.recipes import GRADUAL_STAGES, Rates, Recipe, make_recipe
from pages.ui import caches, components, figures, freezing, names, nav, state
from pages.ui.components import Figure
from pages.ui.faces import broken
from pages.ui.i18n import _, _n, translate_error
from pages.ui.state import TrainChoice

WITH_PLAN = ("fine-tune", "two-phase", "gradual")
"""Recipes that leave open what of the backbone learns."""


def plain(plan: FreezePlan) -> bool:
    """Whether a plan is nothing but a number of last stages."""
    return not plan.thaw and not plan.hold and plan.learns == "all"


def stages(plan: FreezePlan, count: int) -> int:
    """Returns how many of ``count`` last stages learn under a plain plan, at least one."""
    return count if plan.trainable_stages == "all" else min(max(1, int(plan.trainable_stages)), count)


def fewest_epochs(choice: TrainChoice) -> int:
    """Returns the fewest epochs that the recipe can be trained for."""
    if choice.preset == "gradual":
        return max((start for _stage, start in choice.gradual), default=GRADUAL_STAGES + 1)
    return 2 if choice.preset == "two-phase" else 1


def first_rate(choice: TrainChoice) -> float:
    """Returns the head's rate in the first phase."""
    plain_choice = replace(choice, epochs=None, gradual=())
    return make_recipe(plain_choice.preset, lr=choice.lr, optimizer=choice.optimizer).phases[0].lr


def default_name(choice: TrainChoice) -> str:
    """Returns what a run is called if the person gives it no name."""
    return _("{data}, {recipe}").format(data=state.data_title() or "", recipe=names.preset(choice.preset).lower())


def recipe(choice: TrainChoice, anatomy: Any) -> Recipe:
    """Makes phases and freeze plan from the choices.

    Raises:
        InputError: They do not fit together.
    """
    from core.models.freeze import unfreezing

    plan = freezing.plan_for(anatomy)
    if plain(plan):
        plan = replace(plan, trainable_stages=stages(plan, len(anatomy.backbone_stages)))
    gradual: Any = ()
    if choice.preset == "gradual":
        gradual = unfreezing(anatomy, choice.gradual or freezing.gradual_default(anatomy), plan.norm)
    return make_recipe(
        choice.preset, epochs=choice.epochs, lr=choice.lr, optimizer=choice.optimizer, weights=state.model().weights,
        freeze=plan, rates=Rates(choice.backbone_factor, choice.stage_decay, choice.stage_factors), gradual=gradual,
    )  # fmt: skip


def summary(choice: TrainChoice, dataset: Any, counts: dict[str, int]) -> Experiment | None:
    """Draws what will happen and returns the experiment; ``None``, with the reason, where it does not fit together."""
    components.section(_("What will happen"))
    try:
        anatomy = caches.anatomy(state.model(), len(dataset.classes))
        made = recipe(choice, anatomy)
        planned = experiment(choice, made)
        _check(planned, anatomy)
    except InputError as error:
        broken(_("This does not fit together yet"), translate_error(error), icon="report", tone="warn")
        return None
    st.markdown(_words(planned, dataset, counts))
    _phase_list(planned, anatomy)
    _figures(planned, anatomy, counts)
    _weights_note(planned)
    return planned


def experiment(choice: TrainChoice, made: Recipe) -> Experiment:
    """Returns the experiment that choices and a recipe make.

    Raises:
        InputError: The data are not there, or something does not fit together.
    """
    return Experiment(
        data=caches.anchored(state.data()),
        model=replace(state.model(), weights=made.weights),
        training=TrainingSpec(
            choice.preset, made.phases, batch_size=choice.batch_size, seed=choice.seed, device=choice.device
        ),
        freeze=made.freeze,
        augment=choice.augment,
        name=choice.name or default_name(choice),
    )


def _check(experiment: Experiment, anatomy: Any) -> None:
    """Finds what the trainer would refuse: parts or stages that the network has not, weights that are gone."""
    from core.lab.networks import weights_file
    from core.models.freeze import learning
    from core.training.optim import stage_rates

    for phase in experiment.training.phases:
        learning(anatomy, experiment.plan(phase))
        stage_rates(phase, anatomy)
    weights_file(experiment.model, None, caches.roots())


def _words(experiment: Experiment, dataset: Any, counts: dict[str, int]) -> str:
    sentence = _("**{backbone}**, {weights}, learns the {classes} classes of **{data}** from {train} images.").format(
        backbone=components.plain(names.backbone(experiment.model.backbone)),
        weights=components.plain(names.weights(experiment.model.weights)), classes=len(dataset.classes),
        data=components.plain(dataset.title), train=figures.exact(counts["train"]),
    )  # fmt: skip
    held = _("{val} validate each epoch").format(val=figures.exact(counts["val"]))
    if counts["test"]:
        held += _(", {test} test the best weights at the end").format(test=figures.exact(counts["test"]))
    return f"{sentence} {held}."


def _phase_list(experiment: Experiment, anatomy: Any) -> None:
    rows = []
    for number, phase in enumerate(experiment.training.phases, start=1):
        text = _n("{epochs} epoch, {what}, rate {rate}", "{epochs} epochs, {what}, rate {rate}", phase.epochs).format(
            epochs=phase.epochs, what=what(anatomy, experiment.plan(phase)), rate=_rate(phase)
        )
        rows.append(
            f"<li><b>{number}</b><span><strong>{escape(names.phase(phase.name))}</strong> {escape(text)}</span></li>"
        )
    st.html(f'<ol class="bl-phases">{"".join(rows)}</ol>')


def what(anatomy: Any, plan: FreezePlan) -> str:
    """Returns in a few words what learns under a plan."""
    from core.models.freeze import is_linear_probe, stage_state

    if is_linear_probe(anatomy, replace(plan, norm="eval")):
        return _("the head")
    if plan.learns == "norm-bias":
        return _("the head, norms and biases")
    count = plan.trainable_stages
    if not plain(plan):
        states = stage_state(anatomy, plan)
        touched = [name for name, found in states.items() if name.startswith("stage") and found != "frozen"]
        return _n("the head and parts of one stage", "the head and parts of {n} stages", len(touched)).format(
            n=len(touched)
        )
    if count == "all" or count == len(anatomy.backbone_stages):
        return _("everything")
    return _n("the head and the last stage", "the head and the last {n} stages", int(count)).format(n=count)


def _rate(phase: Phase) -> str:
    text = f"{phase.lr:g}"
    if phase.trains == "head":
        return text
    if phase.stage_factors:
        return text + _(", backbone by hand")
    if phase.backbone_factor != 1.0:
        text += _(", backbone {rate}").format(rate=f"{phase.lr * phase.backbone_factor:.3g}")
    if phase.stage_decay != 1.0:
        text += _(", × {factor} a stage").format(factor=f"{phase.stage_decay:g}")
    return text


def _figures(experiment: Experiment, anatomy: Any, counts: dict[str, int]) -> None:
    from core.models.freeze import counts as parameter_counts

    found = parameter_counts(anatomy, experiment.plan(experiment.training.phases[-1]))
    steps = -(-counts["train"] // experiment.training.batch_size)
    components.metrics(
        [
            Figure(_("Learn"), figures.count(found.trainable), _("of {n}").format(n=figures.count(found.total)),
                   _("{n} parameters").format(n=figures.exact(found.trainable))),
            Figure(_("Epochs"), figures.exact(experiment.training.epochs)),
            Figure(_("Steps an epoch"), figures.exact(steps)),
        ],
        compact=True,
    )  # fmt: skip
    components.bar(
        [(_("Learns"), found.trainable, "accent"), (_("Frozen"), found.frozen, "frozen")],
        label=_("Share of the parameters that learn"),
    )


def _weights_note(experiment: Experiment) -> None:
    from core.models.catalog import weights_state

    weights = experiment.model.weights
    if weights == "none" or ":" in weights:
        return
    if weights_state(experiment.model.backbone, weights) == "needs download":
        broken(
            _("Weights to be downloaded"),
            _("This backbone's pretrained weights are not on this machine. The run fetches them or fails."),
            icon="cloud_download", tone="warn",
        )  # fmt: skip
        nav.link("backbone", _("Choose another backbone"))


def proof(status: dict[str, Any]) -> None:
    """Draws the proof that freezing froze, and what was handed on from an earlier run, where a run recorded them."""
    values, changed = status.get("frozen_values"), status.get("frozen_changed")
    if values and changed is not None:
        text = _("{changed} of {values} frozen values changed: compared bit by bit after the training.").format(
            changed=figures.exact(changed), values=figures.count(values)
        )
        drifted = status.get("frozen_buffers_changed") or 0
        if drifted:
            text += " " + _("Statistics of frozen BatchNorm layers drifted, as asked: {n} values.").format(
                n=figures.exact(drifted)
            )
        components.note(text)
    grafted = status.get("grafted")
    if grafted:
        components.note(
            _n(
                "{n} tensor was handed on from earlier weights; {left} of the network's own started at random.",
                "{n} tensors were handed on from earlier weights; {left} of the network's own started at random.",
                grafted["copied"],
            ).format(n=grafted["copied"], left=grafted["missing"] + grafted["misfit"])
        )
