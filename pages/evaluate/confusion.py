"""What is taken for what: the confusion matrix and the figures of each class."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import streamlit as st

from pages.evaluate import confusion_chart
from pages.ui.kit import charts, class_cells, components, form_fields
from pages.ui.text import glossary, number_format
from pages.ui.text.i18n import _, _n

if TYPE_CHECKING:
    from streamlit.elements.lib.column_types import ColumnConfig

    from core.workflows.evaluate import Evaluation

_CHART = "bl-eval-confusion"


def draw_confusion(
    judged: Evaluation, *, marked: tuple[int, int] | None, pick: Callable[[tuple[int, int]], None]
) -> None:
    """Draws the confusion matrix.

    Args:
        judged: The figures.
        marked: True and predicted class of the mistakes that are shown below.
        pick: Called with the cell that was clicked.
    """
    classes = judged.predictions.classes
    components.section(
        _("What it takes for what"),
        _("Click a cell to see its images below."),
        help=glossary.explain("confusion matrix"),
    )
    shown = form_fields.choice(
        _("Show"),
        {"counts": _("Counts"), "shares": _("Shares of each true class")},
        "bl-eval-matrix",
        default="counts",
        label_visibility="collapsed",
    )
    scores = judged.scores
    chart = confusion_chart.draw(
        scores.confusion, scores.confusion_shares, classes, as_shares=shown == "shares", marked=marked
    )

    def clicked() -> None:
        points = st.session_state[_CHART]["selection"]["points"]
        if points and (cell := class_cells.clicked(points[0])) is not None:
            pick(cell)

    charts.show(chart, key=_CHART, alt=_confusion_words(judged), selectable=clicked)


def _confusion_words(judged: Evaluation) -> str:
    pairs = judged.scores.confused()
    classes = judged.predictions.classes
    if not pairs:
        return _("All images are on the diagonal: none is taken for another class.")
    true, predicted, count = pairs[0]
    return _n(
        "Rows are true classes. Most often {true} is taken for {predicted}: {n} image.",
        "Rows are true classes. Most often {true} is taken for {predicted}: {n} images.",
        count,
    ).format(true=classes[true], predicted=classes[predicted], n=count)


def draw_per_class(judged: Evaluation) -> None:
    """Draws the figures of each class as a table."""
    import pandas as pd

    components.section(
        _("Class by class"),
        help=" ".join(f"{glossary.title(term)}: {glossary.explain(term)}" for term in ("precision", "recall", "f1")),
    )
    rows = judged.scores.per_class
    table = pd.DataFrame(
        {
            "name": [row.name for row in rows],
            "precision": [100 * row.precision for row in rows],
            "recall": [100 * row.recall for row in rows],
            "f1": [100 * row.f1 for row in rows],
            "support": [row.support for row in rows],
        }
    )
    st.dataframe(
        table,
        hide_index=True,
        key="bl-eval-classes",
        height=min(36 * (len(rows) + 1) + 2, 560),
        column_config={
            "name": st.column_config.TextColumn(_("Class")),
            "precision": _share("precision"),
            "recall": _share("recall"),
            "f1": _share("f1"),
            "support": st.column_config.NumberColumn(_("Images"), help=_("Images that are so."), width=70),
        },
    )
    weakest = min((row for row in rows if row.support), key=lambda row: row.f1)
    words = _("Weakest class: {name}, with an F1 of {f1}.") if weakest.f1 < 1 else _("No class is ever missed.")
    components.note(words.format(name=weakest.name, f1=number_format.percent(weakest.f1)))


def _share(term: str) -> ColumnConfig:
    return st.column_config.ProgressColumn(
        glossary.title(term),
        help=glossary.explain(term),
        format="%.1f %%",
        min_value=0.0,
        max_value=100.0,
        width="small",
    )
