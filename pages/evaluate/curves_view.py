"""Curves over all thresholds: ROC, precision against recall, calibration, coverage; a threshold to slide."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from pages.evaluate import figures_view
from pages.ui.kit import charts, components, page_states
from pages.ui.kit.components import Figure
from pages.ui.session.address import Bound
from pages.ui.text import glossary, number_format
from pages.ui.text.i18n import _, _n
from pages.ui.text.number_format import percent

if TYPE_CHECKING:
    from plotly.graph_objects import Figure as Chart

    from core.evaluation.curves import Curve
    from core.runs.store import Run
    from core.workflows.evaluate import Evaluation

LINES = len(charts.OTHERS)
"""Most classes with a line of their own; of more, those with the smallest areas are chosen first."""
HEIGHT = 330
_THRESHOLD = Bound("threshold")
_POSITIVE = Bound("positive")


def draw(run: Run, judged: Evaluation, other: Evaluation | None) -> None:
    """Draws the curves.

    Args:
        run: The run.
        judged: What its curves are drawn of.
        other: Its validation images, where others are judged: the temperature is fitted on them.
    """
    with page_states.busy(_("Working out the intervals …")):
        figures = figures_view.of(run, judged)
    labels, classes = judged.predictions.labels, judged.predictions.classes
    present = [c for c in range(len(classes)) if 0 < (labels == c).sum() < len(labels)]
    if present:
        areas = {c: figures.per_class[c]["roc_auc"] for c in present}
        chosen = _chosen(areas, classes)
        with st.container(key="bl-wrap-curves"):
            left, right = st.columns(2, gap="large")
        with left:
            _roc(judged, chosen, figures.values["roc_auc"], areas)
        with right:
            _precision_recall(judged, chosen)
    else:
        components.note(_("All images belong to one class, so there is nothing to tell it from: no ROC curve."))
    with st.container(key="bl-wrap-calibrated"):
        left, right = st.columns(2, gap="large")
    with left:
        _calibration(judged, other, figures.values["ece"])
    with right:
        _coverage(judged)
    if len(classes) == 2 and len(present) == 2:
        _threshold(judged)


def _chosen(areas: dict[int, float], classes: Sequence[str]) -> list[int]:
    """Draws the choice of classes, where there are more than lines, and returns them."""
    usual = sorted(areas, key=areas.__getitem__)[:LINES]
    if len(areas) <= 2:
        return usual[:1] if len(classes) == 2 else usual
    return st.multiselect(
        _("Classes"),
        list(areas),
        default=sorted(usual),
        format_func=lambda c: classes[c],
        max_selections=LINES,
        key=f"bl-eval-curve-classes-{len(classes)}",
        help=_("Each against the rest. Those with the smallest area under the ROC curve are chosen first."),
    )


def _roc(judged: Evaluation, chosen: Sequence[int], area: float, areas: dict[int, float]) -> None:
    from core.evaluation.curves import roc

    components.section(_("ROC curve"), help=glossary.explain("roc auc"))
    labels, scores, classes = _parts(judged)
    chart = _square(_("False positive rate"), _("Recall (true positive rate)"))
    chart.add_shape(type="line", x0=0, y0=0, x1=1, y1=1, line={"color": charts.HAIR, "dash": "dot"})
    for place, c in enumerate(chosen):
        name = f"{charts.text(classes[c], 18)} {areas[c]:.3f}"
        _line(chart, roc(labels == c, scores[:, c]), name, charts.OTHERS[place])
    if len(classes) > 2:
        named = np.arange(len(classes)) == labels[:, None]
        _line(chart, roc(named.ravel(), scores.ravel()), _("micro"), charts.HAIR, dash="dash")
    charts.show(
        chart,
        key="bl-eval-roc",
        alt=_("Mean area {area}: 1 parts all, 0.5 is chance (the dotted line).").format(area=f"{area:.3f}"),
    )


def _precision_recall(judged: Evaluation, chosen: Sequence[int]) -> None:
    from core.evaluation.curves import precision_recall

    components.section(_("Precision against recall"), help=glossary.explain("average precision"))
    labels, scores, classes = _parts(judged)
    chart = _square(_("Recall"), _("Precision"))
    for place, c in enumerate(chosen):
        curve = precision_recall(labels == c, scores[:, c])
        _line(chart, curve, charts.text(classes[c], 18), charts.OTHERS[place])
    rarest = min((int((labels == c).sum()), c) for c in range(len(classes)) if (labels == c).any())
    charts.show(
        chart,
        key="bl-eval-precision-recall",
        alt=_("By chance alone the precision is a class's share: {share} for {name}, the rarest.").format(
            share=percent(rarest[0] / len(labels)), name=classes[rarest[1]]
        ),
    )


def _calibration(judged: Evaluation, other: Evaluation | None, error: float) -> None:
    """Draws how often it is right against how sure it is, before and after a temperature that validation chose."""
    from core.evaluation.calibration import at_temperature, calibration_error, reliability, temperature

    components.section(_("Is it as right as it is sure?"), help=glossary.explain("calibration"))
    labels, scores, _classes = _parts(judged)
    rows = [(_("as it answers"), scores, charts.ACCENT)]
    words = _("Mean distance (ECE) {error}.").format(error=percent(error))
    if other is not None and len(other.predictions.labels) > 1:
        fitted = temperature(other.predictions.labels, other.predictions.probabilities.astype(float))
        cooled = at_temperature(scores, fitted)
        rows.append((_("at temperature {t}").format(t=f"{fitted:.2f}"), cooled, charts.OTHERS[1]))
        after = calibration_error(cooled.max(axis=1), cooled.argmax(axis=1) == labels)
        words += " " + _(
            "With its logits divided by {t}, which its validation images ask for: {after} on these images. No class "
            "that it names changes."
        ).format(t=f"{fitted:.2f}", after=percent(after))
    chart = _square(_("How sure it is"), _("How often it is right"))
    chart.add_shape(type="line", x0=0, y0=0, x1=1, y1=1, line={"color": charts.HAIR, "dash": "dot"})
    go = charts.plotly()
    for name, probabilities, colour in rows:
        points = reliability(probabilities.max(axis=1), probabilities.argmax(axis=1) == labels)
        chart.add_trace(
            go.Scatter(
                x=[p.confidence for p in points],
                y=[p.accuracy for p in points],
                customdata=[
                    _n("{n} image", "{n} images", p.images).format(n=number_format.exact(p.images)) for p in points
                ],
                mode="lines+markers",
                name=name,
                line={"color": colour},
                hovertemplate=_("sure {x}, right {y}, {images}").format(
                    x="%{x:$.1%}", y="%{y:$.1%}", images="%{customdata}"
                ),
            )
        )
    charts.show(chart, key="bl-eval-calibration", alt=words)


def _coverage(judged: Evaluation) -> None:
    """Draws how accurate it is where it may leave the least sure images unanswered."""
    from core.evaluation.curves import coverage

    components.section(_("When it may abstain"), help=glossary.explain("coverage"))
    labels, scores, _classes = _parts(judged)
    curve = coverage(labels, scores)
    low = max(0.0, min(float(curve.y.min()), float(curve.y[-1])) - 0.05)
    chart = _square(_("Coverage"), _("Accuracy"))
    chart.update_yaxes(range=[low, 1.01])
    _line(chart, curve, _("the surest first"), charts.ACCENT)
    reached = np.flatnonzero(curve.y >= 0.99)
    last = int(reached[-1]) if len(reached) else None
    words = (
        _(
            "It answers {share} of the images with 99 %\u00a0right where it may leave those below {sure} to a person."
        ).format(share=percent(float(curve.x[last])), sure=percent(float(curve.thresholds[last])))
        if last is not None and curve.y[-1] < 0.99
        else _("It is right in {share} of all images; being surer does not bring it to 99 %.").format(
            share=percent(float(curve.y[-1]))
        )
        if last is None
        else _("It may answer all: {share} are right.").format(share=percent(float(curve.y[-1])))
    )
    charts.show(chart, key="bl-eval-coverage", alt=words)


def _threshold(judged: Evaluation) -> None:
    """Draws a slider for the probability from which on a class is named, and what follows."""
    from core.evaluation.curves import at_threshold

    labels, scores, classes = _parts(judged)
    components.section(
        _("A threshold of your own"),
        _("With two classes the surer one is named: a threshold of 50 %. Another trades one mistake for the other."),
    )
    left, right = st.columns([1, 2], gap="large", vertical_alignment="bottom")
    with left:
        positive = st.selectbox(
            _("Positive class"),
            [0, 1],
            format_func=lambda c: classes[c],
            **_POSITIVE.widget("bl-eval-positive", [0, 1], 1),
        )
    with right:
        percentage = st.slider(
            _("Named from a probability of"),
            0,
            100,
            format="%d %%",
            **_THRESHOLD.entry("bl-eval-threshold", 50, lambda text: min(max(int(text), 0), 100)),
        )
    counts = at_threshold(labels == positive, scores[:, positive], percentage / 100)
    right_count = counts.true_positives + counts.true_negatives
    components.metrics(
        [
            Figure(
                glossary.title("accuracy"),
                percent(counts.accuracy),
                _("{k} of {n} right").format(k=right_count, n=len(labels)),
                glossary.explain("accuracy"),
            ),
            Figure(
                glossary.title("precision"),
                _defined(counts.precision),
                _("{n} named wrongly").format(n=number_format.exact(counts.false_positives)),
                glossary.explain("precision"),
            ),
            Figure(
                glossary.title("recall"),
                _defined(counts.recall),
                _("{n} missed").format(n=number_format.exact(counts.false_negatives)),
                glossary.explain("recall"),
            ),
            Figure(glossary.title("specificity"), _defined(counts.specificity), "", glossary.explain("specificity")),
            Figure(glossary.title("f1"), _defined(counts.f1), "", glossary.explain("f1")),
        ],
        compact=True,
    )
    components.note(_("Choose it on validation images: one that is chosen on the test images flatters them."))


def _defined(value: float) -> str:
    return number_format.DASH if math.isnan(value) else percent(value)


def _parts(judged: Evaluation) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    predictions = judged.predictions
    scores = predictions.probabilities.astype(np.float64)
    return predictions.labels, scores / scores.sum(axis=1, keepdims=True), predictions.classes


def _square(x: str, y: str) -> Chart:
    chart = charts.figure(HEIGHT, hovermode="closest")
    chart.update_xaxes(title_text=x, range=[-0.01, 1.01], tickformat="$.0%")
    chart.update_yaxes(title_text=y, range=[-0.01, 1.02], tickformat="$.0%")
    return chart


def _line(chart: Chart, curve: Curve, name: str, colour: str, dash: str = "solid") -> None:
    go = charts.plotly()
    chart.add_trace(
        go.Scatter(
            x=curve.x,
            y=curve.y,
            customdata=np.where(np.isfinite(curve.thresholds), curve.thresholds, 1.0),
            mode="lines",
            name=name,
            line={"color": colour, "dash": dash, "width": 2},
            hovertemplate="%{x:$.1%} · %{y:$.1%} (≥ %{customdata:$.1%})",
        )
    )
