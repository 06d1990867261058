"""Where the recipe comes from: a preset, a run of the course, or phases of one's own."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from core.errors import InputError
from core.specs import FreezePlan, Phase
from core.training.course_recipes import COURSE
from core.training.recipes import DEFAULT_EPOCHS
from pages.train import course_recipes, phase_editor
from pages.ui.augmentation import presets
from pages.ui.kit import clicks, components, form_fields
from pages.ui.plan import experiment_plan
from pages.ui.session import caches, choices
from pages.ui.session.train_form import TrainChoice
from pages.ui.text import display_names
from pages.ui.text.i18n import N_, _, translate_error

ABOUT = {
    "linear-probe": N_("Only a new head learns, on features computed once. Seconds."),
    "two-phase": N_("The head first; then some last stages too, at a lower rate."),
    "six-step": N_("A protocol of the notes: 20 epochs for the head, then 30 with the last stage, at a lower rate."),
    "fine-tune": N_("The head and some last stages learn from the start."),
    "gradual": N_("The head first; then one stage after the other joins in, the last ones first."),
    "discriminative": N_("Everything learns, each earlier stage more slowly than the next."),
    "full": N_("Everything learns, from pretrained weights."),
    "scratch": N_("Everything learns, from random weights. Needs many images."),
}
"""The presets, in the order they are offered."""
SOURCES = {"preset": N_("Presets"), "course": N_("From the notes"), "custom": N_("My own phases")}
OF_PHASES = "bl-phase"
"""What the keys of the phase editor's widgets begin with."""
_SOURCE = "bl-source"


def draw(choice: TrainChoice, classes: int) -> TrainChoice:
    """Draws where the recipe comes from, and for presets and the course the recipes; returns what was chosen.

    Args:
        choice: As it is.
        classes: Of the chosen images.
    """
    source = choice.preset if choice.by_phase else "preset"
    picked = form_fields.choice(
        _("Recipe from"),
        SOURCES,
        _SOURCE,
        wrap=True,
        help=_("A recipe says what learns when, and how fast. Each can be changed phase by phase."),
        value=source,
    )
    if picked != source:
        choice = _turn(choice, picked, classes)
    if picked == "course":
        return course_recipes.draw(choice, classes)
    return _presets(choice) if picked == "preset" else choice


def _turn(choice: TrainChoice, source: str, classes: int) -> TrainChoice:
    """Turns to another source of recipes; what was chosen of each is found again."""
    if source == "preset":
        return choice.turned(choice.listed)
    if source == "course":
        return replace(choice.turned("course"), course=choice.course or next(iter(COURSE)))
    return choice.turned("custom") if choice.phases else to_phases(choice.own, classes)


def to_phases(choice: TrainChoice, classes: int) -> TrainChoice:
    """Makes the phases of the recipe in force the person's own; a run of the course brings all that it sets."""
    if choice.preset == "course":
        choice = course_recipes.take(choice)
    elif choice.preset != "custom":
        try:
            made = experiment_plan.recipe(choice, caches.anatomy(choices.model(), classes))
        except InputError as error:
            components.note(translate_error(error))
            return choice
        choice = replace(choice, phases=tuple(_with_plan(phase, made.freeze) for phase in made.phases))
    choices.read_again(OF_PHASES)
    phase_editor.show_first()
    return choice.turned("custom")


def _with_plan(phase: Phase, plan: FreezePlan) -> Phase:
    """Returns a phase that trains what its recipe does, also where that differs from the parts chosen by hand."""
    follows = phase.trains == "plan" and phase.freeze is None
    return replace(phase, freeze=plan) if follows and plan != choices.freeze() else phase


def _presets(choice: TrainChoice) -> TrainChoice:
    offered = _offered()
    if choice.preset not in offered:
        choice = replace(choice, preset=offered[0], epochs=None, lr=None)
    choices.follow("bl-preset", choice.preset)
    preset = st.radio(
        _("Recipe"),
        offered,
        key="bl-preset",
        format_func=display_names.preset,
        captions=[_about(name) for name in offered],
    )
    if len(offered) == 1:
        components.note(_("The other recipes start from weights that have learned something; this network has none."))
    if preset != choice.preset:
        choice = replace(choice, preset=preset, epochs=None, lr=None)
        spec = choices.model()
        if preset == "scratch":
            choices.set_model(replace(spec, weights="none"))
        elif spec.weights == "none" and preset != "full":
            choices.set_model(replace(spec, weights="default"))
    return choice


def _about(name: str) -> str:
    """Returns what a preset does, and that it uses the parts chosen by hand where it does."""
    own = name in experiment_plan.WITH_PLAN and name != "gradual" and not choices.freeze().plain
    parts = [_(ABOUT[name]), *([_("Uses your choice of parts.")] if own else [])]
    return " ".join(parts)


def _offered() -> list[str]:
    """Returns the presets that make sense: without weights to start from, only training from scratch."""
    from core.models.catalog.catalog import entries

    spec = choices.model()
    return (
        [name for name in ABOUT if name in DEFAULT_EPOCHS]
        if entries(spec.backbone) or ":" in spec.weights
        else ["scratch"]
    )


def below(choice: TrainChoice, classes: int) -> None:
    """Draws the ways on from a recipe: to change its phases, and back to where everything began."""
    with st.container(horizontal=True, key="bl-recipe-ways"):
        if choice.preset != "custom" and clicks.button(
            _("Edit its phases"),
            icon=":material/edit:",
            key="bl-edit-phases",
            type="tertiary",
            help=_("Makes the recipe's phases your own: each with its epochs, parts, optimizer, rate and schedule."),
        ):
            choices.set_train_choice(to_phases(choice, classes))
            choices.read_again("bl-")
            st.rerun()
        if choice != TrainChoice() and clicks.button(
            _("Start over"),
            icon=":material/restart_alt:",
            key="bl-start-over",
            type="tertiary",
            help=_("Sets everything on this page back to how it began; images and network stay."),
        ):
            choices.set_train_choice(TrainChoice())
            forget_fields()
            st.rerun()


def take_rate(rate: float, phase: int, classes: int) -> None:
    """Gives a phase another rate, such as one that was looked for, and draws the page again.

    Args:
        rate: Of the head.
        phase: The phase's place, from 0. A preset's first rate sets all; for another its phases become the person's.
        classes: Of the chosen images.
    """
    choice = choices.train_choice()
    if choice.preset == "course" or (phase and choice.preset != "custom"):
        choice = to_phases(choice, classes)
    if choice.preset == "custom":
        phases = list(choice.phases)
        phases[phase] = replace(phases[phase], lr=rate)
        choice = replace(choice, phases=tuple(phases))
    else:
        choice = replace(choice, lr=rate)
    choices.set_train_choice(choice)
    forget_fields()
    st.rerun()


def forget_fields() -> None:
    """Lets the page's fields be read from the record again, after something other than themselves changed it."""
    choices.read_again("bl-")
    presets.read_again(choices.train_choice().augment)
