"""What may learn: the plan, its presets and counts, and the schedule of a gradual unfreezing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.errors import InputError
from core.specs import FreezePlan, ModelSpec, Phase
from core.training.course_recipes import COURSE
from core.training.recipes import DEFAULT_EPOCHS, WHOLE
from pages.ui.kit import components, form_fields
from pages.ui.kit.components import Figure
from pages.ui.session import choices
from pages.ui.session.train_form import TrainChoice
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _, _n

if TYPE_CHECKING:
    from core.models.anatomy.records import Anatomy

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
_PICKED, _NAMED = "bl.freeze.preset", "bl.freeze.named"


# --- the plan ---------------------------------------------------------------------------------------------------------


def in_force(choice: TrainChoice, parts: FreezePlan) -> FreezePlan:
    """Returns what learns in the end: the one answer that Anatomy, Train and the sidebar give.

    Args:
        choice: The recipe and what was set of it.
        parts: The parts chosen by hand, for recipes that leave open what learns.
    """
    if choice.preset == "course":
        run = COURSE[choice.course]
        return _last_plan(run.training.phases, run.freeze)
    if choice.preset == "custom":
        return _last_plan(choice.phases, parts)
    if choice.preset == "linear-probe":
        return FreezePlan(norm=parts.norm)
    if choice.preset in WHOLE or (choice.preset == "gradual" and not choice.gradual):
        return FreezePlan("all", norm=parts.norm)
    nothing = parts.trainable_stages == 0 and not parts.thaw
    return FreezePlan(1, norm=parts.norm) if nothing else parts


def _last_plan(phases: tuple[Phase, ...], shared: FreezePlan) -> FreezePlan:
    """Returns the plan of the last phase that trains more than the head."""
    last = next((phase for phase in reversed(phases) if phase.trains == "plan"), None)
    return FreezePlan(norm=shared.norm) if last is None else last.freeze or shared


def plan_for(anatomy: Anatomy) -> FreezePlan:
    """Returns what learns in the end on the chosen network; parts that it has not are forgotten."""
    from core.models.freeze import learning

    parts = choices.freeze()
    try:
        learning(anatomy, parts)
    except InputError:
        parts = FreezePlan(norm=parts.norm)
        choices.set_freeze(parts)
        choices.set_train_choice(replace(choices.train_choice(), gradual=(), stage_factors=()))
    plan = in_force(choices.train_choice().own, parts)
    try:
        learning(anatomy, plan)
    except InputError:  # a phase of one's own names parts of another network: Train says which
        return FreezePlan(norm=parts.norm)
    return plan


def schedule(anatomy: Anatomy) -> tuple[tuple[str, int], ...]:
    """Returns the stages that join in one after the other, and from which epoch; empty for other recipes."""
    choice = choices.train_choice().own
    return (choice.gradual or gradual_default(anatomy)) if choice.preset == "gradual" else ()


def change(plan: FreezePlan, spec: ModelSpec, *, gradual: tuple[tuple[str, int], ...] = ()) -> None:
    """Keeps a plan, and chooses the recipe that does what the plan says.

    Phases of one's own stay: of them the last that trains more than the head follows the plan.

    Args:
        plan: What learns.
        spec: The chosen network: from random weights, everything is trained from scratch.
        gradual: Stages that join in later: (stage, first epoch).
    """
    choice = choices.train_choice().own
    if choice.preset == "custom" and not gradual:
        place = max((place for place, phase in enumerate(choice.phases) if phase.trains == "plan"), default=None)
        if place is not None:
            last = choice.phases[place]
            if last.freeze is None:
                choices.set_freeze(plan)
            else:
                phases = (*choice.phases[:place], replace(last, freeze=plan), *choice.phases[place + 1 :])
                choice = replace(choice, phases=phases)
            choices.set_train_choice(choice)
            return
    preset = _preset_for(plan, spec, choice, gradual=bool(gradual))
    choices.set_freeze(plan)
    if preset != choice.preset:
        choice = replace(choice.turned(preset), epochs=None, lr=None)
    last_start = max((epoch for _name, epoch in gradual), default=1)
    if gradual and last_start > (choice.epochs or DEFAULT_EPOCHS[preset]):
        choice = replace(choice, epochs=last_start + 1)
    choices.set_train_choice(replace(choice, gradual=gradual))


def _preset_for(plan: FreezePlan, spec: ModelSpec, choice: TrainChoice, *, gradual: bool) -> str:
    """Returns the recipe that does what a plan says, the chosen one where it can."""
    if gradual:
        return "gradual"
    if plan.trainable_stages == 0 and not plan.thaw:
        return "linear-probe"
    if plan.trainable_stages == "all" and plan.plain:
        if spec.weights == "none":
            return "scratch"
        return choice.preset if choice.preset == "discriminative" else "full"
    return choice.preset if choice.preset in ("fine-tune", "two-phase", "six-step") else "two-phase"


def another_network(spec: ModelSpec, *, pretrained: bool) -> None:
    """Takes the recipe over to another network: parts that were named belonged to the one before.

    Args:
        spec: The network that was chosen.
        pretrained: Whether it has weights to start from; random ones that stay frozen never learn.
    """
    choice, parts = choices.train_choice().own, choices.freeze()
    if not pretrained:
        change(FreezePlan("all"), spec)
    elif choice.preset == "scratch":
        change(FreezePlan(), spec)
    else:
        choices.set_freeze(parts if parts.plain else FreezePlan(norm=parts.norm))
        choices.set_train_choice(replace(choice, gradual=(), stage_factors=()))


# --- what it is called ------------------------------------------------------------------------------------------------


def words() -> str:
    """Returns in a word or two what learns under the recipe in force, without loading the network."""
    choice = choices.train_choice()
    if choice.preset == "gradual":
        return _("Stage after stage")
    return plan_words(in_force(choice, choices.freeze()))


def plan_words(plan: FreezePlan) -> str:
    """Returns in a word or two what learns under a plan."""
    known: tuple[FreezePlan, str] | None = st.session_state.get(_NAMED)
    if known is not None and known[0] == plan and not plan.plain:
        return _(PRESETS[known[1]])
    if plan.learns == "norm-bias":
        return _(PRESETS["norm-bias"])
    if not plan.plain:
        return _("Chosen parts")
    if plan.trainable_stages == 0:
        return _(PRESETS["linear-probe"])
    if plan.trainable_stages == "all":
        return _(PRESETS["all"])
    return _n("Last stage", "Last {n} stages", plan.trainable_stages).format(n=plan.trainable_stages)


def current(anatomy: Anatomy, plan: FreezePlan) -> str:
    """Returns the preset that the plan is, :data:`OWN` for none; of several the one that was picked."""
    if choices.train_choice().own.preset == "gradual":
        return "gradual"
    name = _named(anatomy, plan)
    if name != OWN:
        st.session_state[_NAMED] = (plan, name)
    return name


def _named(anatomy: Anatomy, plan: FreezePlan) -> str:
    """Returns which of the plans with a name this is, whatever the recipe."""
    from core.models.freeze import learning, preset

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


def presets(anatomy: Anatomy, spec: ModelSpec, plan: FreezePlan) -> None:
    """Draws the presets and, for the last stages, how many of them; the drawing's padlocks choose single parts."""
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
    if picked and picked not in (now, OWN):
        st.session_state[_PICKED] = picked
        if picked == "gradual":
            change(FreezePlan("all", norm=plan.norm), spec, gradual=gradual_default(anatomy))
        else:
            change(preset(picked, anatomy, min(2, max(1, stages - 1)), norm=plan.norm), spec)
        st.rerun()
    if now == "last-stages" and stages > 1:
        _how_many(anatomy, spec, plan, right)


def _how_many(anatomy: Anatomy, spec: ModelSpec, plan: FreezePlan, place: DeltaGenerator) -> None:
    """Draws how many of the last stages learn."""
    from core.models.freeze import preset

    stages = len(anatomy.backbone_stages)
    count = plan.last_stages(stages)
    choices.follow("bl-freeze-last", count)
    wanted = place.slider(
        _("Last stages that learn"),
        1,
        stages,
        key="bl-freeze-last",
        help=_("The later a stage, the more it is about the task it was trained for."),
    )
    if wanted != count:
        name = "all" if wanted == stages else "last-stages"
        st.session_state[_PICKED] = name
        change(preset(name, anatomy, wanted, norm=plan.norm), spec)
        st.rerun()


# --- what it amounts to -----------------------------------------------------------------------------------------------


def counts(anatomy: Anatomy, plan: FreezePlan, extra: tuple[Figure, ...] = ()) -> None:
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


def remarks(anatomy: Anatomy, spec: ModelSpec, plan: FreezePlan) -> str:
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


def gradual_default(anatomy: Anatomy) -> tuple[tuple[str, int], ...]:
    """Returns a schedule in which the last stage joins in first, then one more at even distances."""
    names = [stage.name for stage in reversed(anatomy.backbone_stages)]
    total = max(DEFAULT_EPOCHS["gradual"], len(names) + 1)
    return tuple((name, 1 + total * place // (len(names) + 1)) for place, name in enumerate(names, start=1))


def toggle_start(anatomy: Anatomy, spec: ModelSpec, plan: FreezePlan, name: str) -> bool:
    """Takes a stage out of the gradual unfreezing, or adds it at the end; tells whether it was a matter of that."""
    joining = schedule(anatomy)
    if not joining or name not in {stage.name for stage in anatomy.backbone_stages}:
        return False
    wanted = tuple(row for row in joining if row[0] != name)
    if wanted == joining:
        wanted = (*joining, (name, max(epoch for _name, epoch in joining) + EPOCHS_BETWEEN))
    change(freeing(anatomy, {stage for stage, _epoch in wanted}, plan), spec, gradual=wanted)
    return True


def freeing(anatomy: Anatomy, names: set[str], plan: FreezePlan) -> FreezePlan:
    """Returns the plan in which just these stages learn."""
    from core.models.freeze import plainest

    parts = tuple(name for name in anatomy.stages_by_name if name in names | {"neck"})
    return plainest(anatomy, FreezePlan(0, thaw=parts, norm=plan.norm))
