"""A confusion matrix that is typed in or pasted, such as one from a paper: the figures that it allows."""

from __future__ import annotations

import json
import re

import streamlit as st

from core.errors import InputError
from core.evaluation.figures import Figures, judge_matrix, read_matrix
from pages.evaluate import confusion_chart, figures_view
from pages.ui.kit import charts, components, page_states
from pages.ui.text import glossary, number_format
from pages.ui.text.i18n import N_, _, translate_error
from pages.ui.text.number_format import percent

EXAMPLES = {
    "203 33\n41 136": N_("Brain scans, 5 %\u00a0for testing"),
    "1204 202\n338 737": N_("Brain scans, 30 %"),
    "1613 320\n417 958": N_("Brain scans, 40 %"),
    "209 33\n50 121": N_("Brain scans, with dropout"),
    "179 63\n29 142": N_("Brain scans, Testing Model 1"),
    "201 41\n50 121": N_("Brain scans, Testing Model 2"),
}
"""The six matrices of the notes, rows being the true classes AD and MCI."""
LONGEST = 2_000_000
"""Characters that are read."""
_TEXT, _EXAMPLE = "bl-matrix-text", "bl-matrix-example"
SLIPS = (
    N_(
        "The AUC that they print is the mean recall: a ROC curve drawn through the one point of hard labels has just "
        "that area. Probabilities are needed for a real one."
    ),
    N_(
        "2TP / (2TP + FP + FN) is the F1 of one class (MCI: 0.7861 in the first matrix); 0.8160 beside it is the mean "
        "over both."
    ),
    N_("A coin is no floor here: always naming AD is right in 58.3 %\u00a0of the pictures."),
    N_("The intervals of all six overlap: none of them is shown to be better than another."),
)
"""What the notes say of these matrices, and what holds."""


def draw() -> None:
    """Draws the field, the matrix and its figures."""
    components.section(
        _("A matrix from elsewhere"),
        _("Type or paste counts of images: a line for each true class, a number for each predicted class."),
        help=glossary.explain("confusion matrix"),
    )
    with st.container(key="bl-wrap-matrix"):
        left, right = st.columns([1, 1.4], gap="large")
    with left:
        st.selectbox(
            _("Example"),
            [None, *EXAMPLES],
            key=_EXAMPLE,
            format_func=lambda text: _("None") if text is None else _(EXAMPLES[text]),
            on_change=_take,
            help=_("Six matrices of the notes that the lab grew out of."),
        )
        text = st.text_area(_("Counts"), key=_TEXT, height=140, placeholder="203 33\n41 136", max_chars=LONGEST)
    if not text or not text.strip():
        return
    try:
        confusion = read_matrix(parsed(text))
    except InputError as error:
        with right:
            page_states.broken(_("This is no confusion matrix"), translate_error(error), icon="grid_off", tone="warn")
        return
    figures = judge_matrix(confusion)
    names = [_("Class {n}").format(n=number + 1) for number in range(len(confusion))]
    support = confusion.sum(axis=1)
    with right:
        shares = confusion / support.clip(1)[:, None]
        chart = confusion_chart.draw(confusion, shares, names, as_shares=False, marked=None)
        largest = int(support.argmax())
        charts.show(
            chart,
            key="bl-matrix-chart",
            alt=_("{n} images; always naming {name} is right in {share} of them.").format(
                n=number_format.exact(int(confusion.sum())),
                name=names[largest],
                share=percent(float(support[largest] / support.sum())),
            ),
        )
    _figures(figures, names, [int(count) for count in support])
    if text.strip() in EXAMPLES:
        with st.expander(_("What the notes say of it, and what holds"), icon=":material/rule:", expanded=True):
            st.markdown("\n".join(f"- {_(line)}" for line in SLIPS))


def _take() -> None:
    if st.session_state[_EXAMPLE] is not None:
        st.session_state[_TEXT] = st.session_state[_EXAMPLE]


def _figures(figures: Figures, names: list[str], support: list[int]) -> None:
    figures_view.table(figures, key="bl-matrix-figures")
    figures_view.class_table(figures, names, support)
    components.note(
        _(
            "A matrix holds no probabilities, so it has no ROC curve, no log loss and no calibration. F1 is also the "
            "Dice coefficient (DSC): 2TP / (2TP + FP + FN) of one class."
        )
    )


def parsed(text: str) -> list[list[object]]:
    """Reads a matrix as people write it: JSON, or lines of numbers parted by spaces, tabs, commas or semicolons.

    What is no whole number is handed on as it stands, so that the check can name it.
    """
    text = text.strip()
    if text.startswith("["):
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            text = text.replace("[", " ").replace("]", "\n")
        else:
            return found if isinstance(found, list) else [[found]]
    lines = [re.split(r"[\s,;|&]+", line.strip(" \t,;|&\\")) for line in text.splitlines()]
    return [[int(word) if re.fullmatch(r"\d{1,12}", word) else word for word in line] for line in lines if any(line)]
