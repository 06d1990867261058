"""What is taken for what: the confusion matrix and the figures of each class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from pages.ui.kit import charts, components, form_fields
from pages.ui.text import number_format
from pages.ui.text.i18n import _, _n

if TYPE_CHECKING:
    from core.workflows.evaluate import Evaluation


def draw_confusion(judged: Evaluation) -> None:
    """Draws the confusion matrix."""
    components.section(_("What it takes for what"))
    classes = judged.predictions.classes
    shown = form_fields.choice(
        _("Show"),
        {"counts": _("Counts"), "shares": _("Shares of each true class")},
        "bl-eval-matrix",
        default="counts",
        label_visibility="collapsed",
    )
    shares = shown == "shares"
    values = judged.scores.confusion_shares if shares else judged.scores.confusion
    chart = charts.confusion(values.tolist(), classes, normalised=shares)
    chart.update_traces(showscale=len(classes) > 15)  # smaller ones carry their figures
    chart.update_xaxes(constraintoward="left")
    charts.show(chart, key="bl-eval-confusion", alt=_confusion_words(judged))


def _confusion_words(judged: Any) -> str:
    pairs = judged.scores.confused()
    classes = judged.predictions.classes
    if not pairs:
        return _("All images are on the diagonal: none is taken for another class.")
    true, said, count = pairs[0]
    return _n(
        "Rows are true classes. Most often {true} is taken for {said}: {n} image.",
        "Rows are true classes. Most often {true} is taken for {said}: {n} images.",
        count,
    ).format(true=classes[true], said=classes[said], n=count)


def draw_per_class(judged: Evaluation) -> None:
    """Draws the figures of each class as a table."""
    import pandas as pd

    components.section(_("Class by class"))
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

    def share(title: str, help_: str) -> Any:
        return st.column_config.ProgressColumn(
            title, help=help_, format="%.1f %%", min_value=0.0, max_value=100.0, width="small"
        )

    st.dataframe(
        table,
        hide_index=True,
        key="bl-eval-classes",
        height=min(36 * (len(rows) + 1) + 2, 560),
        column_config={
            "name": st.column_config.TextColumn(_("Class")),
            "precision": share(_("Precision"), _("Of the images called so, the share that is so.")),
            "recall": share(_("Recall"), _("Of the images that are so, the share called so.")),
            "f1": share(_("F1"), _("Harmonic mean of precision and recall.")),
            "support": st.column_config.NumberColumn(_("Images"), help=_("Images that are so."), width=70),
        },
    )
    weakest = min((row for row in rows if row.support), key=lambda row: row.f1)
    words = _("Weakest class: {name}, with an F1 of {f1}.") if weakest.f1 < 1 else _("No class is ever missed.")
    components.note(words.format(name=weakest.name, f1=number_format.percent(weakest.f1)))
