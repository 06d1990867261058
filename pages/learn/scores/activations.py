"""Activations and their derivatives: one curve each, and the figures at a chosen place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.learn.number_grid import written
from pages.ui.kit import charts, components, form_fields
from pages.ui.kit.components import Figure
from pages.ui.text.i18n import _

if TYPE_CHECKING:
    from plotly.graph_objects import Figure as Chart

REACH = 6.0


def draw() -> None:
    """Draws the choice of an activation, its curve and its slope."""
    import torch

    from core.lessons.scores import ACTIVATIONS, activation

    with st.container(key="bl-wrap-learn-activation"):
        left, right = st.columns([1, 1.8], gap="large")
    with left:
        key = "bl-learn-activation"
        name = st.selectbox(
            _("Activation"), list(ACTIVATIONS), **form_fields.kept(key).widget(key, list(ACTIVATIONS), "ReLU")
        )
        x = st.slider(_("Input x"), -REACH, REACH, step=0.1, **form_fields.number("bl-learn-input", 1.0, -REACH, REACH))
        value, slope = activation(str(name), torch.tensor([float(x)]))
        components.metrics(
            [
                Figure(_("f(x)"), written(float(value)), _("what it lets through")),
                Figure(_("f'(x)"), written(float(slope)), _("what of a gradient comes back")),
            ],
            compact=True,
        )
        lost = float((slope.abs() < 1e-6).sum())
        if lost:
            components.note(_("No gradient passes here: a unit that is always on this side learns nothing more."))
    with right:
        grid = torch.linspace(-REACH, REACH, 241, dtype=torch.float64)
        curve, steepness = activation(str(name), grid)
        charts.show(
            _chart(grid.tolist(), curve.tolist(), steepness.tolist(), float(x)),
            key="bl-learn-activation-chart",
            alt=_("{name} and its derivative from {low} to {high}").format(
                name=name, low=written(-REACH), high=written(REACH)
            ),
        )


def _chart(x: list[float], value: list[float], slope: list[float], at: float) -> Chart:
    go = charts.plotly()
    chart = charts.figure(300, hovermode="x")
    chart.add_trace(go.Scatter(x=x, y=value, name="f(x)", line={"color": charts.ACCENT, "width": 3}))
    chart.add_trace(go.Scatter(x=x, y=slope, name="f'(x)", line={"color": charts.VAL, "width": 2, "dash": "dot"}))
    chart.add_vline(x=at, line={"color": charts.HAIR, "width": 1})
    chart.update_xaxes(title_text="x")
    return chart
