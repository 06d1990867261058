"""A training's phases, one by one: what learns for how long, how fast, and how the rate changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import streamlit as st

from core.errors import InputError
from core.specs import OPTIMIZERS, AugmentSpec, FreezePlan, Phase, titles
from pages.train import schedule_editor
from pages.ui.kit import clicks, components, form_fields, nav
from pages.ui.kit.form_fields import one, real, switch, whole
from pages.ui.session import choices
from pages.ui.text import display_names
from pages.ui.text.i18n import N_, _, _n, translate_error

if TYPE_CHECKING:
    from core.models.anatomy.records import Anatomy

MAX_PHASES = 30
"""Phases that can be made."""
Phases = tuple[tuple[Phase, ...], int]
"""Phases, and which of them is picked."""
LEARNS = {"head": N_("The head"), "stages": N_("Last stages"), "plan": N_("Chosen parts"), "own": N_("As it is")}
AUGMENT = {"": N_("As for all"), **titles.AUGMENTATIONS, "own": N_("Its own")}
MOMENTUM = ("sgd", "rmsprop")
"""Optimizers with a momentum."""
_PHASE = "bl.phase"


def show_first() -> None:
    """Picks the first phase, for phases that are not those drawn before."""
    st.session_state[_PHASE] = 0


def draw(phases: tuple[Phase, ...], anatomy: Anatomy, refused: list[InputError]) -> tuple[Phase, ...]:
    """Draws the phases and, of the one picked, everything it is made of.

    Args:
        phases: As they are.
        anatomy: Of the network, for its stages.
        refused: What could not be taken over is added; the phase then stays as it was.

    Returns:
        As they are now.
    """
    index = min(int(st.session_state.get(_PHASE, 0)), len(phases) - 1)
    picked = form_fields.choice(
        _("Phases"),
        range(len(phases)),
        "bl-phase-picked",
        format_func=lambda i: title(i, phases),
        wrap=True,
        help=_("They follow one another. Pick one to change it."),
        value=index,
    )
    st.session_state[_PHASE] = index = index if picked is None else int(picked)
    buttons = st.container(key="bl-phase-buttons", horizontal=True)
    with st.container(border=True, key="bl-phase-one"):
        changed = _phase(index, phases[index], anatomy, refused)
    phases = (*phases[:index], changed, *phases[index + 1 :])
    with buttons:
        _buttons(phases, index)
    return phases


def title(index: int, phases: tuple[Phase, ...]) -> str:
    """Returns what a phase is called in the list."""
    if index >= len(phases):
        return str(index + 1)
    phase = phases[index]
    return _n("{number} {name}, {n} epoch", "{number} {name}, {n} epochs", phase.epochs).format(
        number=index + 1, name=components.plain(display_names.phase(phase.name)), n=phase.epochs
    )


# --- the list ---------------------------------------------------------------------------------------------------------


def _buttons(phases: tuple[Phase, ...], index: int) -> None:
    full, last = len(phases) >= MAX_PHASES, len(phases) - 1
    acts: tuple[tuple[str, str, str, bool, Callable[[], Phases]], ...] = (
        ("add", "add", _("Add a phase"), full, lambda: added(phases, index)),
        ("earlier", "arrow_back", _("Earlier"), index == 0, lambda: moved(phases, index, index - 1)),
        ("later", "arrow_forward", _("Later"), index == last, lambda: moved(phases, index, index + 1)),
        ("remove", "delete", _("Remove"), last == 0, lambda: removed(phases, index)),
    )
    for name, icon, words, off, act in acts:
        if clicks.button(words, icon=f":material/{icon}:", key=f"bl-phase-{name}", disabled=off, type="tertiary"):
            wanted, st.session_state[_PHASE] = act()
            choices.set_train_choice(replace(choices.train_choice(), phases=wanted))
            choices.read_again("bl-phase-")
            st.rerun()


def added(phases: tuple[Phase, ...], index: int) -> Phases:
    """Returns the phases with a copy of one after it, and where the copy is."""
    return (*phases[: index + 1], phases[index], *phases[index + 1 :]), index + 1


def moved(phases: tuple[Phase, ...], index: int, place: int) -> Phases:
    """Returns the phases with one moved to another place, and that place."""
    rest = [*phases[:index], *phases[index + 1 :]]
    rest.insert(place, phases[index])
    return tuple(rest), place


def removed(phases: tuple[Phase, ...], index: int) -> Phases:
    """Returns the phases without one of them, and which comes in its place."""
    return (*phases[:index], *phases[index + 1 :]), max(0, min(index, len(phases) - 2))


# --- one of them ------------------------------------------------------------------------------------------------------


def _phase(index: int, phase: Phase, anatomy: Anatomy, refused: list[InputError]) -> Phase:
    key = f"bl-phase-{index}"
    first, second = st.columns([2, 1])
    called = display_names.phase(phase.name)
    choices.follow(f"{key}-name", called)
    name = first.text_input(_("Name"), key=f"{key}-name", max_chars=40, help=_("What the charts call this phase."))
    changes: dict[str, Any] = {"name": phase.name if name.strip() in ("", called) else name.strip()}
    changes["epochs"] = whole(
        second, _("Epochs"), f"{key}-epochs", phase.epochs, 1, 10_000, _("One epoch shows every training image once.")
    )
    changes |= _learns(key, phase, anatomy)
    changes |= _optimizer(key, phase, trains=changes["trains"])
    try:
        changes["schedule"] = schedule_editor.draw(key, phase.schedule, changes["epochs"])
        changes |= _augment(key, phase)
        return replace(phase, **changes)
    except InputError as error:
        refused.append(error)
        components.note(translate_error(error))
        return phase


def _learns(key: str, phase: Phase, anatomy: Anatomy) -> dict[str, Any]:
    """Draws what of the network learns."""
    stages = len(anatomy.backbone_stages)
    kind = "head" if phase.trains == "head" else "plan"
    if kind == "plan" and phase.freeze is not None:
        kind = "stages" if phase.freeze.plain and phase.freeze.trainable_stages else "own"
    options = [name for name in LEARNS if (name != "own" or kind == "own") and (name != "stages" or stages)]
    first, second = st.columns([1.6, 1], vertical_alignment="bottom")
    picked = form_fields.choice(
        _("What learns"),
        options,
        f"{key}-learns",
        place=first,
        names=LEARNS,
        wrap=True,
        help=_(
            "The head always learns. Chosen parts are those of the Anatomy page; all phases that name them share them."
        ),
        value=kind,
    )
    if picked == "head":
        return {"trains": "head", "freeze": None}
    if picked == "own":
        return {"trains": "plan", "freeze": phase.freeze}
    if picked == "plan":
        with second:
            spec = choices.model()
            nav.link("anatomy", _("Choose parts"), backbone=spec.backbone)
        return {"trains": "plan", "freeze": None}
    norm = choices.freeze().norm if phase.freeze is None else phase.freeze.norm
    count = 1 if phase.freeze is None else phase.freeze.last_stages(stages)
    choices.follow(f"{key}-stages", count)
    chosen = second.number_input(
        _("Stages, from the last"),
        1,
        stages,
        key=f"{key}-stages",
        help=_("This network has {n}; with all of them everything learns.").format(n=stages),
    )
    if phase.freeze is not None and kind == "stages" and chosen == count:
        return {"trains": "plan", "freeze": phase.freeze}
    return {"trains": "plan", "freeze": FreezePlan("all" if chosen == stages else int(chosen), norm=norm)}


def _optimizer(key: str, phase: Phase, *, trains: str) -> dict[str, Any]:
    """Draws the optimizer with its settings, and how fast the backbone learns beside the head."""
    first, second, third = st.columns(3, vertical_alignment="bottom")
    known = (*OPTIMIZERS, *([] if phase.optimizer in OPTIMIZERS else [phase.optimizer]))
    name = one(
        first,
        _("Optimizer"),
        f"{key}-optimizer",
        phase.optimizer,
        known,
        display_names.optimizer,
        _("How gradients become steps. Adam and its kin set the size of each value's step themselves; SGD does not."),
    )
    changes: dict[str, Any] = {"optimizer": name}
    changes["lr"] = real(
        second,
        _("Learning rate"),
        f"{key}-lr",
        phase.lr,
        1e-7,
        100.0,
        1e-4,
        _("How far a step goes against the gradient, for the head."),
    )
    changes["weight_decay"] = real(
        third,
        _("Weight decay"),
        f"{key}-decay",
        phase.weight_decay,
        0.0,
        10.0,
        1e-4,
        _("Pulls weights towards zero, against overfitting. 0.01 is usual for AdamW, 0.0001 for SGD."),
    )
    if name != phase.optimizer:
        changes |= {"options": (), "nesterov": phase.nesterov and name == "sgd"}
    if name in MOMENTUM:
        changes |= _momentum(key, phase, name)
    if trains == "plan" and not phase.stage_factors:
        changes |= _backbone(key, phase)
    elif trains == "plan":
        components.note(_("The stages' rates were set by hand, on the Anatomy page, and are kept."))
    return changes


def _momentum(key: str, phase: Phase, name: str) -> dict[str, Any]:
    first, second, _third = st.columns(3, vertical_alignment="bottom")
    momentum = real(
        first,
        _("Momentum"),
        f"{key}-momentum",
        phase.momentum,
        0.0,
        0.9999,
        0.05,
        _("Share of the last step that is kept in the next."),
    )
    if name != "sgd":
        return {"momentum": momentum}
    nesterov = switch(
        second,
        _("Nesterov"),
        f"{key}-nesterov",
        value=phase.nesterov,
        help_=_("Looks ahead along the momentum before it takes the gradient."),
    )
    return {"momentum": momentum, "nesterov": nesterov}


def _backbone(key: str, phase: Phase) -> dict[str, Any]:
    first, second, _third = st.columns(3)
    factor = real(
        first,
        _("Backbone, times the head"),
        f"{key}-factor",
        phase.backbone_factor,
        0.0001,
        10.0,
        0.05,
        _("Rate of the backbone's last stage as a multiple of the head's."),
    )
    decay = real(
        second,
        _("Each stage before, times"),
        f"{key}-stage-decay",
        phase.stage_decay,
        0.01,
        1.0,
        0.05,
        _("Rate of each earlier stage as a multiple of the next one's; 1 for the same throughout."),
    )
    return {"backbone_factor": factor, "stage_decay": decay}


def _augment(key: str, phase: Phase) -> dict[str, Any]:
    kind = "" if phase.augment is None else phase.augment.preset_name or "own"
    options = [name for name in AUGMENT if name != "own" or kind == "own"]
    picked = form_fields.choice(
        _("Augmentation of this phase"),
        options,
        f"{key}-augment",
        names=AUGMENT,
        wrap=True,
        help=_("A phase that trains the head alone is much faster without: its features are then computed once."),
        value=kind,
    )
    if picked in ("own", kind):
        return {}
    return {"augment": None if not picked else AugmentSpec.preset(picked)}
