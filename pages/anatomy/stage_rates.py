"""How what learns is learned: rates by stage, the mode of frozen norms, and the table of a gradual unfreezing."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from core.specs import FreezePlan, ModelSpec, Phase
from core.training.recipes import STAGE_DECAY, Rates, make_recipe
from pages.ui.kit import components, form_fields, network_diagram
from pages.ui.plan.freeze_plan import EPOCHS_BETWEEN, change, freeing, schedule
from pages.ui.session import choices
from pages.ui.session.choices import TrainChoice
from pages.ui.text import number_format
from pages.ui.text.i18n import _

if TYPE_CHECKING:
    from pandas import DataFrame

    from core.models.anatomy.records import Anatomy


def norms(anatomy: Anatomy, plan: FreezePlan) -> None:
    """Draws in which mode frozen BatchNorm layers run, with the reason beside it."""
    if not any(layer.kind.startswith("BatchNorm") for layer in anatomy.layers):
        components.note(_("This network has no BatchNorm layers, so there are no running statistics to hold."))
        return
    labels = {"eval": _("Keep their statistics"), "train": _("Follow my images")}
    choices.follow("bl-freeze-norm", plan.norm)
    left, right = st.columns([1, 1.4], vertical_alignment="center")
    with left:
        mode = form_fields.choice(_("BatchNorm of frozen parts"), labels, "bl-freeze-norm")
    with right:
        components.note(
            _(
                "Keep them: an image's features in the frozen part are the same in every epoch, whatever else is in "
                "its batch. The default."
            )
            if plan.norm == "eval"
            else _(
                "Follow them: means and variances drift with each batch, so frozen parts answer differently each time. "
                "It can help where your images look unlike photos, and needs batches of 16 or more."
            )
        )
    if mode and mode != plan.norm:
        choices.set_freeze(replace(choices.freeze(), norm=mode))
        st.rerun()


def rates(anatomy: Anatomy, plan: FreezePlan) -> None:
    """Draws the learning rates of the stages: one decay factor, or each by hand."""
    from core.models.freeze import trainable_stage_names
    from core.training.optim.optimizers import stage_factors

    choice = choices.train_choice()
    if choice.by_phase:
        components.note(_("Each phase has its own rates; they are set on the Train page."))
        return
    learning = set(trainable_stage_names(anatomy, plan))
    stages = [stage.name for stage in anatomy.backbone_stages]
    if not learning & set(stages):
        components.note(_("Only the head learns, at the rate that the Train page sets."))
        return
    kinds = {"decay": _("One decay factor"), "hand": _("By hand, stage by stage")}
    kind = form_fields.choice(
        _("Learning rates of the stages"),
        kinds,
        "bl-rates-kind",
        help=_("Early stages hold what most pictures share, so they need smaller steps than late ones."),
        value="hand" if choice.stage_factors else "decay",
    )
    phase = _phase(anatomy, choice)
    found = stage_factors(phase, anatomy)
    if kind == "hand":
        _by_hand(choice, found, [name for name in stages if name in learning])
    else:
        _by_decay(phase, choice)
    lines = [
        _("{stage} × {factor}").format(
            stage=network_diagram.stage_title(name), factor=number_format.number(found[name], 2)
        )
        for name in reversed(stages)
        if name in learning
    ]
    components.note(_("Of the head's rate: {list}").format(list=", ".join(lines)))


def _phase(anatomy: Anatomy, choice: TrainChoice) -> Phase:
    """Returns the recipe's phase that trains the backbone, with its rates; of several the last."""
    preset = "two-phase" if choice.preset == "linear-probe" else choice.preset
    known = {stage.name for stage in anatomy.stages}
    by_hand = tuple((name, factor) for name, factor in choice.stage_factors if name in known)
    made = make_recipe(preset, rates=Rates(choice.backbone_factor, choice.stage_decay, by_hand))
    return next(phase for phase in reversed(made.phases) if phase.trains == "plan")


def _by_decay(phase: Phase, choice: TrainChoice) -> None:
    first, second = st.columns(2)
    factor = phase.backbone_factor
    choices.follow("bl-rates-first", factor)
    chosen = first.number_input(
        _("Last stage, as a multiple of the head's rate"), 0.001, 10.0, key="bl-rates-first", step=0.05, format="%.3g"
    )
    before = phase.stage_decay
    choices.follow("bl-rates-decay", before)
    decay = second.number_input(
        _("Each stage before it, as a multiple of the next"),
        0.01,
        1.0,
        key="bl-rates-decay",
        step=0.05,
        format="%.3g",
        help=_("1 gives all stages the same rate; Howard and Ruder (2018) divide by 2.6, which is {factor}.").format(
            factor=round(STAGE_DECAY, 3)
        ),
    )
    own = choice.backbone_factor if chosen == factor else float(chosen)
    kept = choice.stage_decay if decay == before else float(decay)
    wanted = replace(choice, stage_factors=(), backbone_factor=own, stage_decay=kept)
    if wanted != choice:
        choices.set_train_choice(wanted)
        st.rerun()


def _by_hand(choice: TrainChoice, found: dict[str, float], stages: list[str]) -> None:
    columns = st.columns(max(2, len(stages)))
    wanted = []
    for column, name in zip(columns, stages, strict=False):
        key = f"bl-rates-{name}"
        choices.follow(key, round(found[name], 4))
        value = column.number_input(network_diagram.stage_title(name), 0.0001, 10.0, key=key, step=0.05, format="%.3g")
        wanted.append((name, float(value)))
    if tuple(wanted) != choice.stage_factors:
        choices.set_train_choice(replace(choice, stage_factors=tuple(wanted)))
        st.rerun()


def gradual(anatomy: Anatomy, spec: ModelSpec, plan: FreezePlan) -> None:
    """Draws gradual unfreezing as a table: each stage and the epoch from which it learns."""
    import pandas as pd

    joining = schedule(anatomy)
    starts = dict(joining)
    names = [stage.name for stage in reversed(anatomy.backbone_stages)]
    frame = pd.DataFrame(
        {
            "stage": [network_diagram.stage_title(name) for name in names],
            "learns": [name in starts for name in names],
            "epoch": [starts.get(name) for name in names],
        }
    )
    edited = st.data_editor(
        frame,
        key=f"bl-gradual-{hash(joining)}",
        hide_index=True,
        disabled=("stage",),
        width="stretch",
        column_config={
            "stage": st.column_config.TextColumn(_("Stage")),
            "learns": st.column_config.CheckboxColumn(_("Learns")),
            "epoch": st.column_config.NumberColumn(_("From epoch"), min_value=2, max_value=1000, step=1),
        },
    )
    wanted = _schedule(names, edited)
    if wanted != joining and wanted:
        joined = {name for name, _epoch in wanted}
        change(freeing(anatomy, joined, plan), spec, gradual=wanted)
        st.rerun()
    components.note(_("Before its epoch a stage is frozen. The head learns from epoch 1."))


def _schedule(names: list[str], edited: DataFrame) -> tuple[tuple[str, int], ...]:
    rows, latest = [], 1
    for name, learns, epoch in zip(names, edited["learns"], edited["epoch"], strict=True):
        if learns:
            latest = int(epoch) if epoch is not None and not math.isnan(epoch) else latest + EPOCHS_BETWEEN
            rows.append((name, latest))
    return tuple(rows)
