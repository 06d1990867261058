"""All figures of a judged run, each with its 95 % interval, and the report of the classes as text to copy."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from pages.ui.kit import components, page_states
from pages.ui.session import caches
from pages.ui.text import glossary, number_format
from pages.ui.text.i18n import _, translate_error

if TYPE_CHECKING:
    from streamlit.elements.lib.column_types import ColumnConfig

    from core.evaluation.figures import Figures
    from core.runs.store import Run
    from core.workflows.evaluate import Evaluation

GROUPS = {
    "right": ("accuracy", "top3_accuracy", "top5_accuracy", "error_rate", "balanced_accuracy", "mcc", "kappa"),
    "classes": ("macro_precision", "macro_recall", "macro_f1", "weighted_precision", "weighted_recall", "weighted_f1"),
    "probabilities": ("roc_auc", "roc_auc_micro", "average_precision", "log_loss", "brier", "ece"),
}
"""Figures in the order of the table."""
NO_SHARES = frozenset({"mcc", "kappa", "log_loss", "brier", "roc_auc", "roc_auc_micro", "average_precision"})
"""Figures that are no shares of images, and so are no percentages."""
TERMS = {
    "accuracy": "accuracy",
    "top3_accuracy": "top-k accuracy",
    "top5_accuracy": "top-k accuracy",
    "error_rate": "error rate",
    "balanced_accuracy": "balanced accuracy",
    "mcc": "mcc",
    "kappa": "kappa",
    "macro_precision": "macro mean",
    "macro_recall": "macro mean",
    "macro_f1": "macro mean",
    "weighted_precision": "weighted mean",
    "weighted_recall": "weighted mean",
    "weighted_f1": "weighted mean",
    "roc_auc": "roc auc",
    "roc_auc_micro": "micro mean",
    "average_precision": "average precision",
    "log_loss": "log loss",
    "brier": "brier score",
    "ece": "ece",
}
"""The term of the glossary that explains each figure."""


def titles() -> dict[str, str]:
    """Returns what each figure is called."""
    return {
        "accuracy": glossary.title("accuracy"),
        "top3_accuracy": _("Top-3 accuracy"),
        "top5_accuracy": _("Top-5 accuracy"),
        "error_rate": glossary.title("error rate"),
        "balanced_accuracy": glossary.title("balanced accuracy"),
        "mcc": "MCC",
        "kappa": glossary.title("kappa"),
        "macro_precision": _("Macro precision"),
        "macro_recall": _("Macro recall"),
        "macro_f1": _("Macro F1"),
        "weighted_precision": _("Weighted precision"),
        "weighted_recall": _("Weighted recall"),
        "weighted_f1": _("Weighted F1"),
        "roc_auc": _("ROC AUC, macro"),
        "roc_auc_micro": _("ROC AUC, micro"),
        "average_precision": _("Average precision, macro"),
        "log_loss": glossary.title("log loss"),
        "brier": glossary.title("brier score"),
        "ece": _("ECE (15 bins of equal mass)"),
    }


def of(run: Run, judged: Evaluation) -> Figures:
    """Returns the figures of an evaluation, over groups where the run's division keeps groups together."""
    from core.workflows.evaluate import grouped

    predictions = judged.predictions

    def counted() -> Figures:
        try:
            return grouped(run, judged, roots=caches.roots()).figures()
        except InputError as error:
            message = _("The groups of these images cannot be formed any more, so each counts as one of its own: {why}")
            components.note(message.format(why=translate_error(error)))
            return judged.figures()

    key = (run.id, judged.split, len(predictions.keys), float(predictions.probabilities.sum()))
    return caches.remember("figures", key, counted, entries=16)


def draw(run: Run, judged: Evaluation) -> None:
    """Draws the table of figures, the classes with theirs, and the report."""
    with page_states.busy(_("Working out the intervals …")):
        figures = of(run, judged)
    components.section(
        _("Every figure, with where it lies"),
        _("The interval holds the figure on endlessly many such images with 95 %\u00a0confidence; few make it wide."),
    )
    if figures.groups is not None:
        components.note(
            _(
                "{n} images in {groups} groups of related ones: the intervals rest on the groups, not on the images."
            ).format(n=number_format.exact(judged.scores.images), groups=number_format.exact(figures.groups))
        )
    table(figures, key="bl-eval-figures")
    class_table(figures, judged.predictions.classes, [row.support for row in judged.scores.per_class])
    with st.expander(_("Report as text, to copy"), icon=":material/content_copy:", key="bl-eval-report"):
        st.code(report(judged), language=None)


def table(figures: Figures, *, key: str) -> None:
    """Draws figures in a row each: name with its "?", value, 95 % interval.

    Args:
        figures: The figures; what is not defined on these images is left out.
        key: The container's key.
    """
    names = titles()
    groups = [
        [
            (names[name], glossary.explain(TERMS[name]), shown(name, figures.values[name]), ends(name, figures))
            for name in group
            if name in figures.intervals
        ]
        for group in GROUPS.values()
    ]
    with st.container(key=key):
        components.figure_tables(groups, heads=(_("Figure"), _("Value"), _("95 %\u00a0interval")))


def shown(name: str, value: float) -> str:
    """Returns a figure as it is written: shares in percent."""
    return f"{value:.4f}".replace("-", "−") if name in NO_SHARES else number_format.percent(value)


def ends(name: str, figures: Figures) -> str:
    """Returns a figure's interval in words."""
    return _between(name, *figures.intervals[name])


def _between(name: str, low: float, high: float) -> str:
    if name in NO_SHARES:
        return _("{low} to {high}").format(low=shown(name, low), high=shown(name, high))
    return _("{low} to {high} %").format(low=f"{100 * low:.1f}", high=f"{100 * high:.1f}")


def class_table(figures: Figures, classes: tuple[str, ...] | list[str], support: list[int]) -> None:
    """Draws precision, recall, F1, ROC AUC and average precision of each class with their intervals."""
    import pandas as pd

    columns = {
        "precision": glossary.title("precision"),
        "recall": glossary.title("recall"),
        "f1": glossary.title("f1"),
        "roc_auc": _("ROC AUC"),
        "average_precision": glossary.title("average precision"),
    }
    rows: dict[str, list[object]] = {_("Class"): list(classes), _("Images"): list(support)}
    config: dict[str, ColumnConfig] = {}
    for name, title in columns.items():
        values = [row.get(name, float("nan")) for row in figures.per_class]
        if all(map(math.isnan, values)):
            continue
        share = name not in NO_SHARES
        config[title] = st.column_config.NumberColumn(format="%.1f %%" if share else "%.4f")
        rows[title] = [None if math.isnan(value) else value * (100 if share else 1) for value in values]
        rows[_("{figure}: 95 %").format(figure=title)] = [
            _between(name, *found[name]) if name in found else "" for found in figures.class_intervals
        ]
    components.section(_("Each class against the rest"), help=glossary.explain("one against the rest"))
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        key="bl-eval-class-figures",
        height=min(36 * (len(classes) + 1) + 2, 480),
        column_config=config,
        alt=_("Figures of each class with their intervals"),
    )


def report(judged: Evaluation) -> str:
    """Returns scikit-learn's classification report: precision, recall, F1 and number of images of each class."""
    from sklearn.metrics import classification_report

    predictions = judged.predictions
    text = classification_report(
        predictions.labels,
        predictions.probabilities.argmax(axis=1),
        labels=range(len(predictions.classes)),
        target_names=predictions.classes,
        digits=4,
        zero_division=0,
    )
    return str(text)
