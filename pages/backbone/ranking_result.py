"""What a ranking of backbones found: the predicted order, every score, and predicted against reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from core.specs import ModelSpec
from pages.ui.kit import charts, clicks, components, form_fields
from pages.ui.session import choices
from pages.ui.text import display_names, number_format
from pages.ui.text.glossary import TERMS
from pages.ui.text.i18n import N_, _, _n

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from core.workflows.advisor.ranking import Comparison, Pair, Ranked, Ranking

SCORES = {
    "probe_accuracy": (TERMS["probe accuracy"].title, TERMS["probe accuracy"].sentence),
    "log_me": (TERMS["logme"].title, TERMS["logme"].sentence),
    "knn_accuracy": (
        N_("Neighbours"),
        N_("Share of images whose nearest neighbours by frozen features name its class."),
    ),
    "regularised_h_score": (N_("H-score"), N_("Variance between the classes, whitened with a shrunk covariance.")),
    "leep": (TERMS["leep"].title, TERMS["leep"].sentence),
}
NATS = ("log_me", "leep")
"""Scores in nats (natural logarithm)."""
HEIGHT = 280
"""Of the charts, in pixels; a long ranking is higher."""


def draw(found: Ranking, spec: ModelSpec) -> None:
    """Draws a ranking: the predicted order, what was reached, every score.

    Args:
        found: The ranking.
        spec: The chosen network.
    """
    score = form_fields.choice(
        _("Score"), list(SCORES), "bl-ranking-score", format_func=lambda s: _(SCORES[s][0]), default=next(iter(SCORES))
    )
    ordered = found.ordered(score)
    if ordered:
        with st.container(key="bl-wrap-ranked"):
            left, right = st.columns([1.2, 1], gap="large")
        with left:
            charts.show(_dots(ordered, score), key="bl-ranking-chart", alt=_sentence(found, ordered, score))
        with right:
            _against(found, score)
    _table(ordered or found.rows)
    _absent(found)
    best = replace(ordered[0].model, head=spec.head) if ordered else None
    if (
        best is not None
        and best != spec
        and clicks.button(
            _("Take {name}").format(name=components.plain(title(best))), icon=":material/check:", key="bl-ranking-take"
        )
    ):
        choices.set_model(best)
        st.rerun()


def title(model: ModelSpec) -> str:
    """Returns a network's name, with its weights where they are not the usual ones."""
    name = display_names.backbone(model.backbone)
    return name if model.weights == "default" else f"{name} · {display_names.weights(model.weights)}"


def _sentence(found: Ranking, ordered: Sequence[Ranked], score: str) -> str:
    """Says what the chart shows."""
    text = _(
        "{score} of {n} backbones on {images} of {all} training images, the higher the better: {best} leads."
    ).format(
        score=_(SCORES[score][0]),
        n=len(ordered),
        images=number_format.exact(found.images),
        all=number_format.exact(found.training_images),
        best=title(ordered[0].model),
    )
    return f"{text} {_(SCORES[score][1])}"


def _dots(ordered: Sequence[Ranked], score: str) -> Figure:
    """Returns a dot for each backbone on one axis, the best on top."""
    import plotly.graph_objects as go

    values = [row.score(score) or 0.0 for row in ordered]
    share = score.endswith("accuracy")
    labels = [title(row.model) for row in ordered]
    chart = charts.figure(max(HEIGHT, 96 + 36 * len(ordered)), hovermode="closest", showlegend=False)
    chart.update_layout(margin={"t": 8})
    # accuracies have a zero to draw lines from; of the other scores only the distances between dots mean something
    low = 0.0 if share else min(values)
    for label, value in zip(labels, values, strict=True) if share else ():
        chart.add_trace(
            go.Scatter(
                x=[low, value],
                y=[label, label],
                mode="lines",
                line={"color": charts.HAIR, "width": 2},
                hoverinfo="skip",
            )
        )
    chart.add_trace(
        go.Scatter(
            x=values,
            y=labels,
            mode="markers+text",
            text=[_value(score, value) for value in values],
            textposition="middle right",
            cliponaxis=False,
            textfont={"size": 14},
            marker={"size": 13, "color": [charts.ACCENT, *[charts.FROZEN] * (len(values) - 1)]},
            hovertemplate="%{y}: %{text}<extra></extra>",
        )
    )
    span = (max(values) - low) or abs(low) or 1.0
    chart.update_xaxes(
        title_text=_("{score}, in nats").format(score=_(SCORES[score][0])) if score in NATS else _(SCORES[score][0]),
        range=[low - 0.06 * span, max(values) + 0.24 * span],
        tickformat="$.0%" if share else None,
        nticks=6,
    )
    chart.update_yaxes(showgrid=False, autorange="reversed", type="category")
    return chart


def _value(score: str, value: float | None) -> str:
    if value is None:
        return number_format.DASH
    return number_format.percent(value) if score.endswith("accuracy") else f"{value:.2f}"


def _against(found: Ranking, score: str) -> None:
    """Draws what finished runs reached over what was predicted."""
    from core.runs.store import RunStore
    from core.workflows.advisor.ranking import compare

    comparison = compare(found, RunStore().list(), score)
    if not comparison.pairs:
        components.note(
            _(
                "Once runs with these backbones on the same images have finished, what they reached stands here beside "
                "what was predicted."
            )
        )
        return
    charts.show(_scatter(comparison, score), key="bl-ranking-real", alt=_agreement(comparison, score))


def _scatter(comparison: Comparison, score: str) -> Figure:
    import plotly.graph_objects as go

    pairs = comparison.pairs
    chart = charts.figure(HEIGHT, hovermode="closest", showlegend=False)
    chart.update_layout(margin={"t": 8})
    chart.add_trace(
        go.Scatter(
            x=[pair.row.score(score) for pair in pairs],
            y=[pair.accuracy for pair in pairs],
            mode="markers+text",
            text=[title(pair.row.model) for pair in pairs],
            textposition=_sides(pairs, score),
            cliponaxis=False,
            textfont={"size": 13},
            customdata=[[pair.name, display_names.preset(pair.preset)] for pair in pairs],
            marker={"size": 12, "color": charts.ACCENT},
            hovertemplate="%{text}: %{y:$.1%}<br>%{customdata[0]}, %{customdata[1]}<extra></extra>",
        )
    )
    values = [pair.row.score(score) or 0.0 for pair in pairs]
    span = (max(values) - min(values)) or abs(values[0]) or 1.0
    reached = [pair.accuracy for pair in pairs]
    room = max(0.01, 0.3 * (max(reached) - min(reached)))
    low = max(0.0, min(reached) - room)
    step = next(step for step in (0.005, 0.01, 0.02, 0.05, 0.1, 0.2) if (1.0 - low) / step <= 6 or step == 0.2)
    chart.update_xaxes(
        title_text=_("Predicted: {score}").format(score=_(SCORES[score][0])),
        nticks=5,
        range=[min(values) - 0.35 * span, max(values) + 0.35 * span],
        tickformat="$.0%" if score.endswith("accuracy") else None,
    )
    accuracy = _("Test accuracy") if comparison.split == "test" else _("Validation accuracy")
    chart.update_yaxes(
        title_text=accuracy,
        range=[low, max(reached) + 1.5 * room],
        tickformat="$.1%" if step < 0.01 else "$.0%",
        tickvals=[1.0 - step * place for place in range(int((1.0 - low) / step) + 1)],
    )
    return chart


def _sides(pairs: Sequence[Pair], score: str) -> list[str]:
    """Returns where each dot's name stands: above and below in turn, so that neighbours do not meet."""
    order = sorted(range(len(pairs)), key=lambda place: pairs[place].row.score(score) or 0.0)
    return ["bottom center" if order.index(place) % 2 else "top center" for place in range(len(pairs))]


def _agreement(comparison: Comparison, score: str) -> str:
    """Says how well the order was predicted."""
    count = len(comparison.pairs)
    text = _n(
        "{n} backbone was ranked and trained on the same images; of several runs the best counts.",
        "{n} backbones were ranked and trained on the same images; of several runs the best counts.",
        count,
    ).format(n=count)
    if comparison.images:
        text += " " + _("They were judged on {images} images, so one image is {share}.").format(
            images=number_format.exact(comparison.images), share=number_format.percent(1 / comparison.images)
        )
    if comparison.tau is None:
        return text + " " + _("From three different ones on the agreement of the orders is shown.")
    return (
        text
        + " "
        + _(
            "Kendall's tau between {score} and what was reached: {tau} (1: the order was right, 0: chance); with more "
            "weight on the best: {weighted}."
        ).format(
            score=_(SCORES[score][0]),
            tau=f"{comparison.tau:.2f}",
            weighted=number_format.DASH if comparison.weighted_tau is None else f"{comparison.weighted_tau:.2f}",
        )
    )


def _table(rows: Sequence[Ranked]) -> None:
    import pandas as pd

    ranked = [row for row in rows if row.scores is not None]
    if not ranked:
        return
    frame = pd.DataFrame(
        [
            {"backbone": title(row.model), **{name: row.score(name) for name in SCORES}, "seconds": row.seconds}
            for row in ranked
        ]
    )
    for name in ("probe_accuracy", "knn_accuracy"):
        frame[name] *= 100
    config = st.column_config
    formats = {"probe_accuracy": "%.1f %%", "knn_accuracy": "%.1f %%"}
    st.dataframe(
        frame,
        hide_index=True,
        key="bl-ranking-table",
        alt=_("Table of the ranked backbones with every score and the seconds each took."),
        column_config={
            "backbone": config.TextColumn(_("Backbone")),
            **{
                name: config.NumberColumn(_(words), help=_(about), format=formats.get(name, "%.3f"))
                for name, (words, about) in SCORES.items()
            },
            "seconds": config.NumberColumn(_("Seconds"), format="%.1f"),
        },
    )


def _absent(found: Ranking) -> None:
    """Names what was left out, with the reason."""
    absent = [(title(row.model), row.problem) for row in found.rows if row.problem is not None]
    items = "".join(
        f"<li><bdi>{escape(name)}</bdi>: {escape(_(why.template).format(**why.values))}</li>" for name, why in absent
    )
    if items:
        components.note(_("Left out:"))
        st.html(f'<ul class="bl-left-out">{items}</ul>')
    if not found.complete:
        components.note(_("This ranking did not come to its end; what it found until then is shown."))
