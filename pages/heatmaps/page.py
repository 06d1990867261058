"""Heatmaps: which parts of a picture spoke for a class, by many methods, and how far that can be trusted."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.errors import InputError
from pages.heatmaps import comparison_rows, controls, epochs_view, runs_view, single_map, study_view, trust_panel
from pages.heatmaps.controls import Choice, Look
from pages.ui.kit import components, page_states
from pages.ui.selection import image_picker, subjects, view_strip
from pages.ui.selection.subjects import Subject
from pages.ui.session import address
from pages.ui.text.i18n import N_, _, translate_error

TOP = 5
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
    components.next_step("feature_maps", _("See what each layer answers"), run=None if run is None else run.id)


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
    if view == "one":
        _one(subject, probabilities)
        return
    choice, look = controls.draw(subject, probabilities, view)
    _beside(view, subject, choice, look)


def _one(subject: Subject, probabilities: Any) -> None:
    with st.container(key="bl-wrap-heat"):
        left, right, aside = st.columns([1.35, 1, 1], gap="medium")
    with aside:
        choice, look = controls.draw(subject, probabilities, "one")
    with right:
        subjects.picture(
            subject.picture,
            title=_("What the network sees"),
            text=subject.crop_words(),
            sharp=subject.picture.width <= 96,
            alt=_("The chosen picture, cropped as the network sees it"),
        )
        _answers(subject, probabilities, choice.target)
    with left:  # last: it may take long, and the rest is there meanwhile
        try:
            explanation = single_map.explained(subject, choice)
        except InputError as error:
            _refused(error)
            return
        if explanation is not None:
            single_map.draw(subject, explanation, choice, look)
    if explanation is not None:
        trust_panel.draw(subject, explanation.heatmap, settings=dict(choice.settings))


def _beside(view: str, subject: Subject, choice: Choice, look: Look) -> None:
    rows = {
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
        else:
            rows[view](subject, choice, look)
    except InputError as error:
        _refused(error)


def _refused(error: InputError) -> None:
    page_states.broken(_("No heatmap for this choice"), translate_error(error), icon="report", tone="warn")


def _open(key: str) -> None:
    """Leads to the heatmap of a picture that was clicked."""
    image_picker.choose_held_out(key)
    VIEW.choose(None)
    st.rerun()


def _answers(subject: Subject, probabilities: Any, target: int) -> None:
    """Draws the most probable classes, and what the picture truly shows where that is known."""
    classes = subject.network.classes
    order = [int(index) for index in probabilities.argsort()[::-1][:TOP]]
    rows = [(classes[index], float(probabilities[index])) for index in order]
    if target not in order:
        rows.append((classes[target], float(probabilities[target])))
    components.section(_("What it says"))
    components.probabilities(rows, marked=classes[target])
    truth = subject.image.truth
    if truth is not None and subject.target.run is not None:
        right = truth == classes[order[0]]
        text = _("Right: its class is {name}.") if right else _("Wrong: its class is {name}.")
        subjects.callout(text.format(name=truth), icon="check_circle" if right else "cancel", good=right)
        if (
            not right
            and truth in classes
            and st.button(
                _("Compare with what speaks for {name}").format(name=truth),
                icon=":material/compare:",
                key="bl-heat-true",
            )
        ):
            VIEW.choose("classes")
            st.rerun()
