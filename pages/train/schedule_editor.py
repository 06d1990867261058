"""How a phase's learning rate changes: the schedule and what it needs to know."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.errors import InputError
from core.specs import METRICS, SCHEDULES, Schedule
from pages.ui.kit import components
from pages.ui.kit.form_fields import one, real, whole
from pages.ui.session import choices
from pages.ui.text import display_names
from pages.ui.text.i18n import N_, _

ABOUT = {
    "constant": N_("The rate stays."),
    "cosine": N_("Falls slowly, then faster, then slowly again: large steps first, fine ones at the end."),
    "step": N_("Drops by a factor every so many epochs."),
    "multi-step": N_("Drops by a factor after the epochs that you name."),
    "exponential": N_("Falls by the same factor in each epoch, evenly at each step."),
    "polynomial": N_("Falls to its end along a line (power 1) or a bend."),
    "one-cycle": N_("Rises in the first 30 % and then falls to nearly nothing; it bears a higher rate than others."),
    "plateau": N_("Drops by a factor when a figure has stopped improving."),
}
FIELDS = {
    "step": ("gamma", "every"),
    "multi-step": ("gamma", "milestones"),
    "exponential": ("gamma",),
    "polynomial": ("power", "floor"),
    "cosine": ("floor",),
    "plateau": ("gamma", "patience", "metric"),
}
"""What a schedule needs to know beside the rate."""
REAL = {
    "gamma": (N_("Factor (gamma)"), 0.0001, 1.0, 0.05, N_("What the rate is multiplied by: 0.1 for a tenth.")),
    "power": (N_("Power"), 0.1, 10.0, 0.5, N_("1 is a straight line; larger falls earlier.")),
    "floor": (N_("Ends at, times the rate"), 0.0, 1.0, 0.01, N_("0 ends at nothing, 0.01 at a hundredth.")),
}
"""Settings with decimals: title, least, most, step, what it is."""
WHOLE = {
    "every": (N_("Step size, in epochs"), 1, 1000, N_("Epochs between two drops.")),
    "patience": (N_("Patience in epochs"), 0, 1000, N_("Epochs without improvement that it bears before a drop.")),
}
"""Whole numbers: title, least, most, what it is."""


def draw(key: str, schedule: Schedule, epochs: int) -> Schedule:
    """Draws a phase's schedule and returns what the person makes of it.

    Args:
        key: Of the phase's widgets.
        schedule: As it is.
        epochs: Of the phase.

    Raises:
        InputError: It does not fit together, such as milestones out of order.
    """
    first, second = st.columns([2, 1])
    name = one(
        first,
        _("Schedule of the rate"),
        f"{key}-schedule",
        schedule.name,
        SCHEDULES,
        display_names.schedule,
        _("How the rate changes over the phase; the chart shows it."),
    )
    warmup = real(
        second,
        _("Warm-up, epochs"),
        f"{key}-warmup",
        schedule.warmup,
        0.0,
        1000.0,
        0.5,
        _("The rate first rises from nearly nothing, which spares a network that the first steps would shake."),
    )
    components.note(_(ABOUT[name]))
    changes: dict[str, Any] = {"name": name, "warmup": warmup}
    if name == "multi-step" and not schedule.milestones:
        changes["milestones"] = _usual(epochs)
    return replace(schedule, **(changes | _settings(key, name, replace(schedule, **changes))))


def _usual(epochs: int) -> tuple[int, ...]:
    """Returns milestones at half and at three quarters of a phase."""
    return tuple(sorted({max(1, epochs // 2), max(1, 3 * epochs // 4)}))


def _settings(key: str, name: str, schedule: Schedule) -> dict[str, float | str | tuple[int, ...]]:
    """Draws what the named schedule needs to know."""
    asked = FIELDS.get(name, ())
    places = st.columns(3) if asked else ()
    return {field: _field(place, key, field, schedule) for place, field in zip(places, asked, strict=False)}


def _field(place: DeltaGenerator, key: str, field: str, schedule: Schedule) -> float | str | tuple[int, ...]:
    """Draws one setting of a schedule."""
    if field == "milestones":
        return _milestones(place, key, schedule.milestones)
    if field == "metric":
        label, about = _("Monitored figure"), _("What has to improve. Losses are better low, all else high.")
        return one(place, label, f"{key}-metric", schedule.metric, METRICS, display_names.metric, about)
    if field in WHOLE:
        title, low, high, help_text = WHOLE[field]
        return whole(place, _(title), f"{key}-{field}", getattr(schedule, field), low, high, _(help_text))
    title, least, most, step, help_text = REAL[field]
    return real(place, _(title), f"{key}-{field}", getattr(schedule, field), least, most, step, _(help_text))


def _milestones(place: DeltaGenerator, key: str, milestones: tuple[int, ...]) -> tuple[int, ...]:
    """Draws the epochs after which the rate drops.

    Raises:
        InputError: What is written are no whole numbers.
    """
    choices.follow(f"{key}-milestones", ", ".join(map(str, milestones)))
    text = place.text_input(
        _("After epochs"),
        key=f"{key}-milestones",
        max_chars=80,
        placeholder="10, 20",
        help=_("Epochs of this phase, with commas between, in rising order."),
    )
    words = [word.strip() for word in text.replace(";", ",").split(",") if word.strip()]
    if not all(word.isascii() and word.isdigit() and len(word) < 7 for word in words):
        raise InputError("milestones must be a list of epochs, such as 10, 20.")
    return tuple(int(word) for word in words)
