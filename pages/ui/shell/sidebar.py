"""The sidebar's context: which data, backbone, run and image are chosen now, each a link to where it is changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from html import escape

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.errors import InputError
from core.runs.status import LIVE
from core.training.course_recipes import COURSE
from pages.ui.kit import nav
from pages.ui.kit.components import STATES, plain
from pages.ui.plan import freeze_plan
from pages.ui.session import address, choices
from pages.ui.text import display_names
from pages.ui.text.i18n import _

WIDTH = 33
"""Letters of a row."""
EVERY = 2.0
"""Seconds between two looks at a run at work."""
Row = tuple[str, str, str | None, str | None]


@contextmanager
def beside() -> Iterator[None]:
    """Draws the context, lets the page run, and draws it again where the page changed a choice."""
    with st.sidebar, st.container(key="bl-context"):
        place = st.empty()
    before = _rows()
    _draw(place, before)
    yield
    after, alive = _rows(), _alive()
    if after != before or alive:
        _draw(place, after, renewed=alive)


def _rows() -> tuple[Row, ...]:
    title, model, image = choices.data_title(), choices.model(), choices.image()
    if address.read("run") and (experiment := choices.run_experiment()) is not None:  # the page is about this run
        title, model = display_names.data(experiment.data.source), experiment.model
        training = experiment.training
        learns = freeze_plan.plan_words(experiment.plan(training.phases[-1])), display_names.preset(training.preset)
    else:
        learns = _learns()
    return (
        ("data", _("Data"), title, None),
        ("backbone", _("Backbone"), display_names.backbone(model.backbone), display_names.weights(model.weights)),
        ("anatomy", _("Learns"), *learns),
        ("runs", _("Run"), *_run()),
        ("heatmaps", _("Image"), image.name if image else None, None),
    )


def subject() -> str | None:
    """Returns the name of what the page is about: its run, else the chosen data."""
    return (_run()[0] if address.read("run") else None) or choices.data_title()


def _learns() -> tuple[str, str]:
    """Returns what learns, and the recipe that says so."""
    choice = choices.train_choice()
    recipe = display_names.backbone(COURSE[choice.course].model.backbone) if choice.preset == "course" else None
    return freeze_plan.words(), recipe or display_names.preset(choice.preset)


def _run() -> tuple[str | None, str | None]:
    """Returns the chosen run's name, and its state where it did not simply finish."""
    try:
        run = choices.run()
        if run is None:
            return None, None
        name, state = run.name, run.state
    except InputError:
        return None, None
    return name, None if state == "finished" else _(STATES[state][0])


def _alive() -> bool:
    """Whether the chosen run is at work, so that its state changes by itself."""
    try:
        run = choices.run()
        return run is not None and run.state in LIVE
    except InputError:
        return False


def _draw(place: DeltaGenerator, rows: tuple[Row, ...], *, renewed: bool = False) -> None:
    """Draws the rows, that of the run again every two seconds where its state changes by itself."""
    with place.container(gap=None):
        title = _("Chosen now")
        st.html(f'<p class="bl-overline">{escape(title)}</p>')
        for target, label, value, detail in rows:
            if renewed and target == "runs":
                st.fragment(_run_row, run_every=EVERY)()
            else:
                _row(target, label, value, detail)


def _run_row() -> None:
    _row("runs", _("Run"), *_run())


def _row(target: str, label: str, value: str | None, detail: str | None) -> None:
    shown = _shorten(value, WIDTH - len(detail or "")) if value else _("none yet")
    text = f":small[:gray[{label}]]  \n" + (f"**{plain(shown)}**" if value else f":gray[{shown}]")
    if value and detail:
        text += f" :small[:gray[{detail}]]"
    nav.link(target, text, help=plain(value) if value and shown != value else None)


def _shorten(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
