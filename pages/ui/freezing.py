"""What may learn: presets, counts, rates by stage, the mode of frozen norms, and gradual unfreezing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from core.errors import InputError
from core.specs import FreezePlan, ModelSpec
from pages.ui import components, diagram, figures, state
from pages.ui.components import Figure
from pages.ui.i18n import N_, _
from pages.ui.state import TrainChoice

PRESETS = {
    "linear-probe": N_("Head only"),
    "last-block": N_("Last block"),
    "last-stages": N_("Last stages"),
    "norm-bias": N_("Norms and biases"),
    "all": N_("Everything"),
    "gradual": N_("Gradual"),
}
OWN = "own"
ABOUT = {
    "linear-probe": N_("A linear probe: the quickest recipe, and the safest with few images."),
    "last-block": N_("The last block adapts to your images; all before it stays as it is."),
    "last-stages": N_("The later a stage, the more it is about the task it was trained for."),
    "norm-bias": N_("Only scales, shifts and biases learn: few values, spread over the whole network."),
    "all": N_("The whole network learns. It needs more images, memory and time than anything else here."),
    "gradual": N_("The head begins; then one stage after the other joins in, the last ones first."),
    OWN: N_("Your own choice of parts."),
}
EPOCHS_BETWEEN = 2
"""Epochs from one stage to the next where a gradual unfreezing says nothing else."""
ULMFIT = round(1 / 2.6, 3)


# --- the plan ---------------------------------------------------------------------------------------------------------


def plan_for(anatomy: Any) -> FreezePlan:
    """Returns the session's freeze plan; nothing but the head where it names parts that this network has not."""
    from core.models.freeze import learning

    plan = state.freeze()
    try:
        learning(anatomy, plan)
    except InputError:
        plan = FreezePlan(norm=plan.norm)
        state.set_freeze(plan)
        state.set_train_choice(replace(state.train_choice(), gradual=(), stage_factors=()))
    return plan


def change(plan: FreezePlan, spec: ModelSpec, *, gradual: tuple[tuple[str, int], ...] = ()) -> None:
    """Keeps a plan, and chooses the recipe that does what the plan says.

    Args:
        plan: What learns.
        spec: The chosen network: from random weights, everything is trained from scratch.
        gradual: Stages that join in later: (stage, first epoch).
    """
    from core.training.recipes import DEFAULT_EPOCHS

    choice = state.train_choice()
    nothing = plan.trainable_stages == 0 and not plan.thaw
    everything = plan.trainable_stages == "all" and not plan.hold and plan.learns == "all"
    if gradual:
        preset = "gradual"
    elif nothing:
        preset = "linear-probe"
    elif everything:
        preset = "scratch" if spec.weights == "none" else "full"
    else:
        preset = choice.preset if choice.preset in ("fine-tune", "two-phase") else "two-phase"
    state.set_freeze(plan)
    if preset != choice.preset:
        choice = replace(choice, preset=preset, epochs=None, lr=None)
    last = max((epoch for _name, epoch in gradual), default=1)
    if gradual and last > (choice.epochs or DEFAULT_EPOCHS[preset]):
        choice = replace(choice, epochs=last + 1)
    state.set_train_choice(replace(choice, gradual=gradual))


def current(anatomy: Any, plan: FreezePlan) -> str:
    """Returns the preset that the plan is, :data:`OWN` for none; of several the one that was picked."""
    from core.models.freeze import learning, preset

    if state.train_choice().gradual:
        return "gradual"
    found = learning(anatomy, plan)
    picked = st.session_state.get("bl.freeze.preset", "linear-probe")
    names = [name for name in ("linear-probe", "all", "norm-bias", "last-block") if name != picked]
    for name in ([picked] if picked in PRESETS and picked != "gradual" else []) + names:
        k = plan.trainable_stages if name == "last-stages" and isinstance(plan.trainable_stages, int) else 1
        if name == "last-stages" and plan.trainable_stages in (0, "all"):
            continue
        if learning(anatomy, preset(name, anatomy, k)) == found:
            return name
    whole_stages = isinstance(plan.trainable_stages, int) and plan.trainable_stages and not (plan.thaw or plan.hold)
    return "last-stages" if whole_stages and plan.learns == "all" else OWN


def presets(anatomy: Any, spec: ModelSpec, plan: FreezePlan) -> None:
    """Draws the presets and, beside them, how many of the last stages learn. They take the same room whatever holds."""
    from core.models.freeze import preset

    now = current(anatomy, plan)
    options = [*PRESETS, OWN] if now == OWN else list(PRESETS)
    labels = {**PRESETS, OWN: N_("Own choice")}
    with st.container(key="bl-wrapsmall-presets"):
        left, right = st.columns([2.5, 1], gap="medium")
    state.follow("bl-freeze-preset", now)
    picked = left.segmented_control(
        _("What may learn"), options, key="bl-freeze-preset", format_func=lambda name: _(labels[name]), required=True,
        wrap=True, help=_("Frozen parts keep what they know. The head is new and always learns."),
    )  # fmt: skip
    stages = len(anatomy.backbone_stages)
    count = stages_at_the_end(anatomy, plan)
    state.follow("bl-freeze-last", count)
    wanted = right.slider(
        _("Last stages that learn"), 0, max(1, stages), key="bl-freeze-last", disabled=stages == 0,
        help=_("0 for the head alone. The later a stage, the more it is about the task it was trained for."),
    )  # fmt: skip
    if picked and picked != now and picked != OWN:
        st.session_state["bl.freeze.preset"] = picked
        if picked == "gradual":
            change(FreezePlan("all", norm=plan.norm), spec, gradual=gradual_default(anatomy))
        else:
            change(preset(picked, anatomy, min(2, max(1, stages - 1)), norm=plan.norm), spec)
        st.rerun()
    if wanted != count:
        name = "linear-probe" if wanted == 0 else "all" if wanted >= stages else "last-stages"
        st.session_state["bl.freeze.preset"] = name
        change(preset(name, anatomy, wanted, norm=plan.norm), spec)
        st.rerun()


def stages_at_the_end(anatomy: Any, plan: FreezePlan) -> int:
    """Returns how many of the backbone's last stages learn wholly."""
    from core.models.freeze import stage_state

    found = stage_state(anatomy, plan)
    count = 0
    for stage in reversed(anatomy.backbone_stages):
        if found[stage.name] != "learns":
            break
        count += 1
    return count


# --- what it amounts to -----------------------------------------------------------------------------------------------


def counts(anatomy: Any, plan: FreezePlan, extra: tuple[Figure, ...] = ()) -> None:
    """Draws how many parameters learn and how many are frozen."""
    from core.models.freeze import counts as counted

    found = counted(anatomy, plan)
    share = found.trainable / found.total if found.total else 0.0
    classes = _("with a head for {n} classes").format(n=anatomy.num_classes)

    def exact(count: int) -> str:
        return _("{n} parameters").format(n=figures.exact(count))

    components.metrics(
        [
            Figure(_("Trainable"), figures.count(found.trainable),
                   _("{share} of all").format(share=figures.percent(share, 2)), exact(found.trainable)),
            Figure(_("Frozen"), figures.count(found.frozen), "", exact(found.frozen)),
            Figure(_("Total"), figures.count(found.total), classes, exact(found.total)),
            *extra,
        ],
        compact=True,
    )  # fmt: skip
    components.bar(
        [(_("Learns"), found.trainable, "accent"), (_("Frozen"), found.frozen, "frozen")],
        label=_("{trainable} parameters learn, {frozen} are frozen.").format(
            trainable=exact(found.trainable), frozen=exact(found.frozen)
        ),
    )


def remarks(anatomy: Any, spec: ModelSpec, plan: FreezePlan) -> str:
    """Returns what follows from the plan, and a warning where it cannot work."""
    from core.models.freeze import learning

    backbone = {parameter for stage in anatomy.stages[:-1] for parameter in stage.parameter_names}
    found = learning(anatomy, plan)
    text = _(ABOUT[current(anatomy, plan)])
    if spec.weights == "none" and backbone - found:
        return text + " " + _("Random weights that stay frozen never learn: for random weights, freeze nothing.")
    if not found & backbone:
        return text + " " + _("What enters the head is computed once and kept, so an epoch takes seconds.")
    return text


# --- rates, norms, gradual unfreezing ---------------------------------------------------------------------------------


def norms(anatomy: Any, plan: FreezePlan) -> None:
    """Draws in which mode frozen BatchNorm layers run, with the reason beside it."""
    if not any(layer.kind.startswith("BatchNorm") for layer in anatomy.layers):
        components.note(_("This network has no BatchNorm layers, so there are no running statistics to hold."))
        return
    labels = {"eval": _("Keep their statistics"), "train": _("Follow my images")}
    state.follow("bl-freeze-norm", plan.norm)
    left, right = st.columns([1, 1.4], vertical_alignment="center")
    with left:
        mode = st.segmented_control(
            _("BatchNorm of frozen parts"), list(labels), key="bl-freeze-norm", required=True,
            format_func=lambda m: labels[m],
        )  # fmt: skip
    with right:
        components.note(
            _("Kept: frozen features are the same for an image in every epoch, whatever else is in its batch. The "
              "default.")
            if plan.norm == "eval" else
            _("Followed: means and variances drift with each batch, so frozen parts answer differently each time. It "
              "can help where your images look unlike photos, and needs batches of 16 or more.")
        )  # fmt: skip
    if mode and mode != plan.norm:
        state.set_freeze(replace(plan, norm=mode))
        st.rerun()


def rates(anatomy: Any, plan: FreezePlan) -> None:
    """Draws the learning rates of the stages: one decay factor, or each by hand."""
    from core.models.freeze import trainable_stage_names

    choice = state.train_choice()
    learning = set(trainable_stage_names(anatomy, plan))
    stages = [stage.name for stage in anatomy.backbone_stages]
    if not learning & set(stages):
        components.note(_("Only the head learns, at the rate that the Train page sets."))
        return
    kinds = {"decay": _("One decay factor"), "hand": _("By hand, stage by stage")}
    state.follow("bl-rates-kind", "hand" if choice.stage_factors else "decay")
    kind = st.segmented_control(
        _("Learning rates of the stages"), list(kinds), key="bl-rates-kind", format_func=lambda k: kinds[k],
        required=True,
        help=_("Early stages hold what most pictures share, so they need smaller steps than late ones."),
    )  # fmt: skip
    found = factors(anatomy, choice)
    if kind == "hand":
        _by_hand(choice, found, [name for name in stages if name in learning])
    else:
        _by_decay(replace(choice, stage_factors=()), choice)
    lines = [
        _("{stage} × {factor}").format(stage=diagram.stage_title(name), factor=figures.number(found[name], 2))
        for name in reversed(stages) if name in learning
    ]  # fmt: skip
    components.note(_("Of the head's rate: {list}").format(list=", ".join(lines)))


def factors(anatomy: Any, choice: TrainChoice) -> dict[str, float]:
    """Returns each stage's rate as a multiple of the head's."""
    by_hand = dict(choice.stage_factors)
    first = backbone_factor(choice)
    names = [stage.name for stage in anatomy.backbone_stages]
    found = {name: first * choice.stage_decay**depth for depth, name in enumerate(reversed(names))}
    return {name: by_hand.get(name, found[name]) for name in names}


def backbone_factor(choice: TrainChoice) -> float:
    """Returns the last stage's rate as a multiple of the head's: chosen, else the recipe's own."""
    if choice.backbone_factor is not None:
        return choice.backbone_factor
    from core.training.recipes import make_recipe

    phases = make_recipe("two-phase" if choice.preset == "linear-probe" else choice.preset).phases
    return next((phase.backbone_factor for phase in reversed(phases) if phase.trains == "plan"), 1.0)


def _by_decay(plain: TrainChoice, choice: TrainChoice) -> None:
    first, second = st.columns(2)
    factor = backbone_factor(choice)
    state.follow("bl-rates-first", factor)
    chosen = first.number_input(
        _("Last stage, as a multiple of the head's rate"), 0.001, 10.0, key="bl-rates-first", step=0.05, format="%.3g"
    )
    state.follow("bl-rates-decay", choice.stage_decay)
    decay = second.number_input(
        _("Each stage before it, as a multiple of the next"), 0.01, 1.0, key="bl-rates-decay", step=0.05,
        format="%.3g",
        help=_("1 gives all stages the same rate; Howard and Ruder (2018) divide by 2.6, which is {factor}.").format(
            factor=ULMFIT
        ),
    )  # fmt: skip
    own = choice.backbone_factor if chosen == factor else float(chosen)
    wanted = replace(plain, backbone_factor=own, stage_decay=float(decay))
    if wanted != choice:
        state.set_train_choice(wanted)
        st.rerun()


def _by_hand(choice: TrainChoice, found: dict[str, float], stages: list[str]) -> None:
    columns = st.columns(max(2, len(stages)))
    wanted = []
    for column, name in zip(columns, stages, strict=False):
        key = f"bl-rates-{name}"
        state.follow(key, round(found[name], 4))
        value = column.number_input(
            diagram.stage_title(name), 0.0001, 10.0, key=key, step=0.05, format="%.3g",
        )  # fmt: skip
        wanted.append((name, float(value)))
    if tuple(wanted) != choice.stage_factors:
        state.set_train_choice(replace(choice, stage_factors=tuple(wanted)))
        st.rerun()


def gradual_default(anatomy: Any) -> tuple[tuple[str, int], ...]:
    """Returns a schedule in which the last stage joins in first, then one more at even distances."""
    from core.training.recipes import DEFAULT_EPOCHS

    names = [stage.name for stage in reversed(anatomy.backbone_stages)]
    total = max(DEFAULT_EPOCHS["gradual"], len(names) + 1)
    return tuple((name, 1 + total * place // (len(names) + 1)) for place, name in enumerate(names, start=1))


def gradual(anatomy: Any, spec: ModelSpec, plan: FreezePlan) -> None:
    """Draws gradual unfreezing as a table: each stage and the epoch from which it learns."""
    import pandas as pd

    choice = state.train_choice()
    starts = dict(choice.gradual)
    names = [stage.name for stage in reversed(anatomy.backbone_stages)]
    frame = pd.DataFrame(
        {"stage": [diagram.stage_title(name) for name in names], "learns": [name in starts for name in names],
         "epoch": [starts.get(name) for name in names]}
    )  # fmt: skip
    edited = st.data_editor(
        frame, key=f"bl-gradual-{hash(choice.gradual)}", hide_index=True, disabled=("stage",), width="stretch",
        column_config={
            "stage": st.column_config.TextColumn(_("Stage")),
            "learns": st.column_config.CheckboxColumn(_("Learns")),
            "epoch": st.column_config.NumberColumn(_("From epoch"), min_value=2, max_value=1000, step=1),
        },
    )  # fmt: skip
    wanted = _schedule(names, edited)
    if wanted != choice.gradual and wanted:
        joined = {name for name, _epoch in wanted}
        change(_freeing(anatomy, joined, plan), spec, gradual=wanted)
        st.rerun()
    components.note(_("Before its epoch a stage is frozen. The head learns from epoch 1."))


def toggle_start(anatomy: Any, spec: ModelSpec, plan: FreezePlan, name: str) -> bool:
    """Takes a stage out of the gradual unfreezing, or adds it at the end; tells whether it was a matter of that."""
    schedule = state.train_choice().gradual
    if not schedule or name not in {stage.name for stage in anatomy.backbone_stages}:
        return False
    wanted = tuple(row for row in schedule if row[0] != name)
    if wanted == schedule:
        wanted = (*schedule, (name, max(epoch for _name, epoch in schedule) + EPOCHS_BETWEEN))
    change(_freeing(anatomy, {stage for stage, _epoch in wanted}, plan), spec, gradual=wanted)
    return True


def _schedule(names: list[str], edited: Any) -> tuple[tuple[str, int], ...]:
    rows, latest = [], 1
    for name, learns, epoch in zip(names, edited["learns"], edited["epoch"], strict=True):
        if learns:
            latest = int(epoch) if epoch == epoch and epoch is not None else latest + EPOCHS_BETWEEN
            rows.append((name, latest))
    return tuple(rows)


def _freeing(anatomy: Any, names: set[str], plan: FreezePlan) -> FreezePlan:
    """Returns the plan in which just these stages learn."""
    from core.models.freeze import plainest

    neck = {"neck"} & {stage.name for stage in anatomy.stages}
    parts = tuple(stage.name for stage in anatomy.stages if stage.name in names | neck)
    return plainest(anatomy, FreezePlan(0, thaw=parts, norm=plan.norm))
