"""Up to 20 runs in one chart: over epochs, steps, images or seconds, smoothed, with a band over seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import streamlit as st

from core.runs.status import LIVE
from core.specs import titles
from core.workflows.comparing.curves import AXES, Band, Curve, band, curve, judged_before, smoothed
from core.workflows.comparing.recipe import recipes
from pages.compare import settings_view
from pages.compare.looks import Look, look
from pages.ui.kit import charts, form_fields
from pages.ui.kit.page_states import guarded
from pages.ui.session import caches
from pages.ui.text import i18n, number_format
from pages.ui.text.i18n import N_, _, _n

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from core.runs.store import Run

MEASURES: Mapping[str, str] = {**titles.METRICS, "lr": N_("Learning rate")}
OVER = {"epoch": N_("Epochs"), "step": N_("Steps"), "images": N_("Images seen"), "seconds": N_("Training seconds")}
STRONGEST = 0.95
"""The most that a curve is smoothed by."""
HEIGHT = 420


@guarded
def draw(runs: Sequence[Run], labels: Mapping[str, str]) -> None:
    """Draws the chart with its controls, and under it the table that says which line is which.

    Args:
        runs: The runs, 2 to 20.
        labels: What each is called.
    """
    groups = recipes(runs)
    several = any(len(group) > 1 for group in groups)
    measure, axis, weight, banded = _controls(several=several)
    looks = _looks(groups, banded=banded)
    versions = tuple((run.id, labels[run.id], caches.journal(run).look()) for run in runs)
    chart, points = caches.remember(
        "compared curves",
        (versions, measure, axis, weight, banded, i18n.language()),
        lambda: _chart(groups, labels, measure, axis, weight, banded=banded),
        entries=16,
    )
    charts.show(chart, key="bl-compare-curves", alt=_sentence(runs, measure, weight, points, banded=banded))
    settings_view.table(runs, labels, looks)
    if any(run.state in LIVE for run in runs):
        st.caption(_("Runs at work are drawn anew every few seconds."))


def _controls(*, several: bool) -> tuple[str, str, float, bool]:
    with st.container(horizontal=True, vertical_alignment="bottom", key="bl-compare-controls"):
        measure = st.selectbox(
            _("Measure"),
            list(MEASURES),
            format_func=lambda name: _(MEASURES[name]),
            width=215,
            **form_fields.kept("bl-measure").widget("bl-compare-measure", MEASURES, "val_accuracy", begun=True),
        )
        axis = form_fields.choice(_("Over"), AXES, "bl-over", names=OVER, default="epoch", width="content")
        weight = st.slider(
            _("Smoothing"),
            0.0,
            STRONGEST,
            step=0.05,
            width=150,
            help=_("Share of the past in each point: an exponential moving average. 0 draws what was measured."),
            **form_fields.number("bl-smooth", 0.0, 0.0, STRONGEST),
        )
        banded = several and st.toggle(
            _("Band over seeds"),
            help=_("Runs that differ in their seed alone become one line, their mean, in a band of ± one deviation."),
            **form_fields.flag("bl-band"),
        )
    return str(measure), str(axis), float(weight), bool(banded)


def _looks(groups: Sequence[Sequence[Run]], *, banded: bool) -> dict[str, Look]:
    """Returns the look of each run's line; the seeds of one recipe share theirs where they are one band."""
    if banded:
        return {run.id: look(place) for place, group in enumerate(groups) for run in group}
    return {run.id: look(place) for place, run in enumerate(run for group in groups for run in group)}


def of(run: Run, measure: str, axis: str) -> Curve:
    """Returns one measure of a run over an axis, from epoch 0 where it was judged before it trained."""
    return curve(caches.journal(run), run.recorded, measure, axis, before=judged_before(run.path).get(measure))


def _chart(
    groups: Sequence[Sequence[Run]], labels: Mapping[str, str], measure: str, axis: str, weight: float, *, banded: bool
) -> tuple[Figure, int]:
    """Returns the chart, and how many epochs the longest run has."""
    share = measure.endswith(("accuracy", "f1"))
    chart = charts.figure(HEIGHT, hovermode="closest", showlegend=False)
    looks, longest = _looks(groups, banded=banded), 0
    for group in groups:
        found = [of(run, measure, axis) for run in group]
        longest = max([longest, *(len(one.epochs) for one in found)])
        found = [one._replace(y=smoothed(one.y, weight)) for one in found]
        together = band(found) if banded else None
        if together is not None:
            name = _n("{name}, {n} seed", "{name}, {n} seeds", len(group)).format(
                name=charts.text(labels[group[0].id]), n=len(group)
            )
            add_band(chart, together, name, looks[group[0].id], share=share)
            continue
        for run, one in zip(group, found, strict=True):
            rows = one.drawn()
            add_line(chart, one.x[rows], one.y[rows], charts.text(labels[run.id]), looks[run.id], share=share)
    end = longest if axis == "epoch" else math.inf
    chart.update_xaxes(title_text=_(OVER[axis]), rangemode="tozero", **charts.whole_ticks(end))
    chart.update_yaxes(title_text=_(MEASURES[measure]), tickformat="$.0%" if share else None)
    if measure == "lr":
        chart.update_yaxes(type="log", exponentformat="power")
    return chart, longest


def add_line(chart: Figure, x: object, y: object, name: str, seen: Look, *, share: bool) -> None:
    """Adds a line; hovering over it says its name."""
    value = "%{y:$.2%}" if share else "%{y:.4g}"
    template = _("{name}<br>{value} at {place}").format(name=name, value=value, place="%{x:,.4~g}")
    chart.add_trace(
        charts.plotly().Scatter(
            x=x,
            y=y,
            name=name,
            mode="lines",
            line={"color": seen.colour, "dash": seen.dash, "width": 2},
            hovertemplate=template + "<extra></extra>",
        )
    )


def add_band(chart: Figure, found: Band, name: str, seen: Look, *, share: bool) -> None:
    """Adds the mean over seeds, and a band of one deviation to each side."""
    import numpy as np

    from core.runs.journal import thinned

    rows = thinned([found.mean, found.deviation], 300)
    x, mean, half = found.x[rows], found.mean[rows], found.deviation[rows]
    red, green, blue = (int(seen.colour[place : place + 2], 16) for place in (1, 3, 5))
    chart.add_trace(
        charts.plotly().Scatter(
            x=np.concatenate([x, x[::-1]]),
            y=np.concatenate([mean + half, (mean - half)[::-1]]),
            mode="lines",
            fill="toself",
            fillcolor=f"rgba({red},{green},{blue},.18)",
            line={"width": 0},
            hoverinfo="skip",
        )
    )
    add_line(chart, x, mean, name, seen, share=share)


def _sentence(runs: Sequence[Run], measure: str, weight: float, points: int, *, banded: bool) -> str:
    """Says what the chart shows, and what was done to the curves before they were drawn."""
    text = _n("{what} of {n} run.", "{what} of {n} runs.", len(runs)).format(what=_(MEASURES[measure]), n=len(runs))
    if banded:
        text += " " + _("Lines are means over seeds, bands ± one standard deviation.")
    if any(judged_before(run.path) for run in runs):
        text += " " + _("Epoch 0 is the network before training.")
    if weight:
        text += " " + _("Smoothed: the past counts {share} in each point.").format(share=number_format.percent(weight))
    if points > 300:
        text += " " + _("Of {n} epochs the lowest and highest of each stretch are drawn.").format(
            n=number_format.exact(points)
        )
    return text
