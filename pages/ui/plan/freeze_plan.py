"""What may learn: the plan, its presets and counts, and the schedule of a gradual unfreezing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from core.errors import InputError
from core.specs import FreezePlan, ModelSpec
from pages.ui.kit import components, form_fields
from pages.ui.kit.components import Figure
from pages.ui.session import choices
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _

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
_PICKED = "bl.freeze.preset"


# --- the plan ---------------------------------------------------------------------------------------------------------


def plan_for(anatomy: Any) -> FreezePlan:
    """Returns the session's freeze plan; nothing but the head where it names parts that this network has not."""
    from core.models.freeze import learning

    plan = choices.freeze()
    try:
        learning(anatomy, plan)
    except InputError:
        plan = FreezePlan(norm=plan.norm)
        choices.set_freeze(plan)
        choices.set_train_choice(replace(choices.train_choice(), gradual=(), stage_factors=()))
    return plan


def change(plan: FreezePlan, spec: ModelSpec, *, gradual: tuple[tuple[str, int], ...] = ()) -> None:
    """Keeps a plan, and chooses the recipe that does what the plan says.

    Args:
        plan: What learns.
        spec: The chosen network: from random weights, everything is trained from scratch.
        gradual: Stages that join in later: (stage, first epoch).
    """
    from core.training.recipes import DEFAULT_EPOCHS

    choice = choices.train_choice()
    nothing = plan.trainable_stages == 0 and not plan.thaw
    everything = plan.trainable_stages == "all" and not plan.hold and plan.learns == "all"
    follows = any(phase.trains == "plan" and phase.freeze is None for phase in choice.phases)
    if choice.by_phase and follows and not gradual:
        preset = "custom"
    elif gradual:
        preset = "gradual"
    elif nothing:
        preset = "linear-probe"
    elif everything:
        preset = choice.preset if choice.preset == "discriminative" else "full"
        preset = "scratch" if spec.weights == "none" else preset
    else:
        preset = choice.preset if choice.preset in ("fine-tune", "two-phase", "six-step") else "two-phase"
    choices.set_freeze(plan)
    if preset != choice.preset:
        choice = replace(choice, preset=preset, epochs=None, lr=None, course="")
    last = max((epoch for _name, epoch in gradual), default=1)
    if gradual and last > (choice.epochs or DEFAULT_EPOCHS[preset]):
        choice = replace(choice, epochs=last + 1)
    choices.set_train_choice(replace(choice, gradual=gradual))


def current(anatomy: Any, plan: FreezePlan) -> str:
    """Returns the preset that the plan is, :data:`OWN` for none; of several the one that was picked."""
    from core.models.freeze import learning, preset

    if choices.train_choice().gradual:
        return "gradual"
    found = learning(anatomy, plan)
    picked = st.session_state.get(_PICKED, "linear-probe")
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
    picked = form_fields.choice(
        _("What may learn"),
        options,
        "bl-freeze-preset",
        place=left,
        names=labels,
        wrap=True,
        help=_("Frozen parts keep what they know. The head is new and always learns."),
        value=now,
    )
    stages = len(anatomy.backbone_stages)
    count = stages_at_the_end(anatomy, plan)
    choices.follow("bl-freeze-last", count)
    wanted = right.slider(
        _("Last stages that learn"),
        0,
        max(1, stages),
        key="bl-freeze-last",
        disabled=stages == 0,
        help=_("0 for the head alone. The later a stage, the more it is about the task it was trained for."),
    )
    if picked and picked not in (now, OWN):
        st.session_state[_PICKED] = picked
        if picked == "gradual":
            change(FreezePlan("all", norm=plan.norm), spec, gradual=gradual_default(anatomy))
        else:
            change(preset(picked, anatomy, min(2, max(1, stages - 1)), norm=plan.norm), spec)
        st.rerun()
    if wanted != count:
        name = "linear-probe" if wanted == 0 else "all" if wanted >= stages else "last-stages"
        st.session_state[_PICKED] = name
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
        return _("{n} parameters").format(n=number_format.exact(count))

    components.metrics(
        [
            Figure(
                _("Trainable"),
                number_format.count(found.trainable),
                _("{share} of all").format(share=number_format.percent(share, 2)),
                exact=exact(found.trainable),
            ),
            Figure(_("Frozen"), number_format.count(found.frozen), exact=exact(found.frozen)),
            Figure(_("Total"), number_format.count(found.total), classes, exact=exact(found.total)),
            *extra,
        ],
        compact=True,
    )
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


# --- gradual unfreezing ----------------------------------------------------------------------------------------------


def gradual_default(anatomy: Any) -> tuple[tuple[str, int], ...]:
    """Returns a schedule in which the last stage joins in first, then one more at even distances."""
    from core.training.recipes import DEFAULT_EPOCHS

    names = [stage.name for stage in reversed(anatomy.backbone_stages)]
    total = max(DEFAULT_EPOCHS["gradual"], len(names) + 1)
    return tuple((name, 1 + total * place // (len(names) + 1)) for place, name in enumerate(names, start=1))


def toggle_start(anatomy: Any, spec: ModelSpec, plan: FreezePlan, name: str) -> bool:
    """Takes a stage out of the gradual unfreezing, or adds it at the end; tells whether it was a matter of that."""
    schedule = choices.train_choice().gradual
    if not schedule or name not in {stage.name for stage in anatomy.backbone_stages}:
        return False
    wanted = tuple(row for row in schedule if row[0] != name)
    if wanted == schedule:
        wanted = (*schedule, (name, max(epoch for _name, epoch in schedule) + EPOCHS_BETWEEN))
    change(freeing(anatomy, {stage for stage, _epoch in wanted}, plan), spec, gradual=wanted)
    return True


def freeing(anatomy: Any, names: set[str], plan: FreezePlan) -> FreezePlan:
    """Returns the plan in which just these stages learn."""
    from core.models.freeze import plainest

    parts = tuple(name for name in anatomy.stages_by_name if name in names | {"neck"})
    return plainest(anatomy, FreezePlan(0, thaw=parts, norm=plan.norm))
