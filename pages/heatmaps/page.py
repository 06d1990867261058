"""Heatmaps: which parts of a picture spoke for a class, by many methods, and how far that can be trusted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from pages.heatmaps import (
    answer,
    comparison_rows,
    controls,
    epochs_view,
    runs_view,
    single_map,
    study_view,
    trust_panel,
)
from pages.ui.explaining.choice import Choice, Look
from pages.ui.kit import components, page_states
from pages.ui.selection import image_picker, subjects, view_strip
from pages.ui.selection.subjects import Subject
from pages.ui.session import address
from pages.ui.text.i18n import N_, _, translate_error

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

VIEWS = {
    "one": N_("One map"),
    "methods": N_("Methods"),
    "classes": N_("Classes"),
    "layers": N_("Layers"),
    "pictures": N_("Pictures"),
    "epochs": N_("Over epochs"),
    "runs": N_("Over runs"),
    "study": N_("All together"),
}
OF_RUNS = frozenset({"epochs", "study"})
VIEW = address.Bound("view")


def render() -> None:
    """Draws the page."""
    subjects.begin("heatmaps")
    subject = subjects.choose()
    if not isinstance(subject, Subject):
        return
    _study(subject)
    run = subject.target.run
    components.next_step("feature_maps", _("See every layer's feature maps"), run=None if run is None else run.id)


def _study(subject: Subject) -> None:
    view = view_strip.choose(VIEWS, VIEW, "bl-heat-view", without=frozenset() if subject.target.run else OF_RUNS)
    try:
        probabilities = subject.probabilities()
    except InputError as error:
        page_states.broken(_("No answer to this picture"), translate_error(error), icon="report", tone="warn")
        return
    if not subjects.answered(probabilities):
        page_states.broken(
            _("No answer to this picture"),
            _(
                "The network answers with values that are no numbers: its weights are broken. "
                "Choose another epoch or run."
            ),
            icon="report",
        )
        return
    choice, look = controls.draw(subject, probabilities, view)
    if view == "one":
        _one(subject, probabilities, choice, look)
    else:
        _beside(view, subject, probabilities, choice, look)


def _one(subject: Subject, probabilities: NDArray[np.float32], choice: Choice, look: Look) -> None:
    with st.container(key="bl-wrap-heat"):
        left, right, aside = st.columns([1.3, 1, 1], gap="medium")
    with right:
        subjects.picture(
            subject.picture,
            title=_("What the network sees"),
            text=subject.crop_words(),
            sharp=subject.picture.width <= 96,
            alt=_("The chosen picture, cropped as the network sees it"),
        )
    with aside:
        answer.beside(subject, probabilities, choice, lambda: VIEW.choose("classes"))
        trusted = st.container()
    with left:  # last: it may take long, and the rest is there meanwhile
        try:
            explanation = single_map.explained(subject, choice)
        except InputError as error:
            _refused(error)
            return
        if explanation is None:
            return
        single_map.draw(subject, explanation, choice, look)
    with trusted:
        found = trust_panel.word(subject, explanation.heatmap, settings=dict(choice.settings))
    trust_panel.more(subject, explanation.heatmap, found)


def _beside(view: str, subject: Subject, probabilities: NDArray[np.float32], choice: Choice, look: Look) -> None:
    rows: dict[str, Callable[[Subject, Choice, Look], None]] = {
        "methods": comparison_rows.methods,
        "classes": comparison_rows.classes,
        "layers": comparison_rows.layers,
        "pictures": comparison_rows.pictures,
        "runs": runs_view.draw,
        "epochs": epochs_view.draw,
    }
    try:
        if view == "study":
            study_view.draw(subject.target, choice, _open)
            return
        with st.container(horizontal=True, vertical_alignment="center", gap="medium", key="bl-heat-answer"):
            answer.above(subject, probabilities)
            trusted = st.container(width="stretch")
        rows[view](subject, choice, look)
        explanation = single_map.ready(subject, choice)
    except InputError as error:
        _refused(error)
        return
    with trusted:
        if explanation is None:
            components.note(_("Whether this map can be trusted is tested under One map."))
        else:
            trust_panel.word(subject, explanation.heatmap, settings=dict(choice.settings), method=choice.row.title)


def _refused(error: InputError) -> None:
    page_states.broken(_("No heatmap for this choice"), translate_error(error), icon="report", tone="warn")


def _open(key: str) -> None:
    """Leads to the heatmap of a picture that was clicked."""
    image_picker.choose_held_out(key)
    VIEW.choose(None)
    st.rerun()
