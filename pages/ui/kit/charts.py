"""Charts: one look for all. Plotly is loaded when the first chart is drawn, never ``plotly.express``.

Colours of text, grid and ground come from the theme in use; here stand only the colours that mean something.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

import streamlit as st

from pages.ui.kit.components import note
from pages.ui.text import display_names as names
from pages.ui.text.i18n import _
from pages.ui.text.number_format import NBSP

if TYPE_CHECKING:
    from plotly.graph_objects import Figure
    from streamlit.elements.plotly_chart import PlotlyState

TRAIN, VAL, TEST = "#0072B2", "#D55E00", "#009E73"
"""Okabe and Ito's blue, vermilion and green: train, validation and test, everywhere."""
OTHERS = ("#CC79A7", "#E69F00", "#56B4E9", "#8A8F00", "#6B6B6B", "#882255", "#17908C")
"""The rest of them, wine and the accent: for what is no split, in a fixed order; also the theme's own."""
SPLIT_COLOURS = {"train": TRAIN, "val": VAL, "test": TEST, "all": "#8A9599"}
ACCENT, FROZEN = "#17908C", "#9AA9AE"
HAIR = "rgba(128,140,145,.55)"
GRID = "rgba(128,140,145,.18)"
VIRIDIS = ("#440154", "#482475", "#414487", "#355F8D", "#2A788E", "#21918C", "#22A884", "#44BF70", "#7AD151", "#FDE725")
COLORSCALE = [[place / (len(VIRIDIS) - 1), colour] for place, colour in enumerate(VIRIDIS)]
"""Viridis, as Plotly wants it."""
FONT = '"Source Sans", "Source Sans Pro", system-ui, sans-serif'
CLOSE = 2.0
"""Powers of ten between the smallest and the largest value below which powers alone do not say enough."""
CONFIG = {
    "displayModeBar": False,
    "responsive": True,
    "scrollZoom": False,
    "locales": {"en-US": {"format": {"currency": ["", f"{NBSP}%"]}}},
}
"""Plotly can be told no sign for percent, but one for currencies: ``$.1%`` writes ``98.3 %``, as texts do."""


def plotly() -> ModuleType:
    """Returns ``plotly.graph_objects``.

    Plotly looks for numpy and pandas among the loaded modules, also while another thread is still loading them. Loading
    them first waits for that thread.
    """
    import numpy  # noqa: F401
    import pandas  # noqa: F401
    import plotly.graph_objects as go

    return go


def split_label(split: str) -> str:
    """Returns a split's name for people."""
    return {"train": _("Training"), "val": _("Validation"), "test": _("Test")}.get(split, _("All images"))


def figure(height: int = 280, **layout: Any) -> Figure:
    """Returns an empty figure with the shared template: thin axes, light grid, no title, legend on top."""
    go = plotly()

    axis = {
        "showgrid": True,
        "gridcolor": GRID,
        "zeroline": False,
        "showline": True,
        "linecolor": HAIR,
        "linewidth": 1,
        "ticks": "outside",
        "ticklen": 4,
        "tickcolor": HAIR,
        "fixedrange": True,
        "automargin": True,
        "tickangle": 0,
        "title": {"standoff": 14, "font": {"size": 15}},
        "tickfont": {"size": 14},
    }
    chart = go.Figure()
    chart.update_layout(
        height=height,
        margin={"l": 8, "r": 26, "t": 30, "b": 8},
        hovermode="x unified",
        font={"size": 14, "family": FONT},
        hoverlabel={"font": {"size": 14, "family": FONT}},
        legend={
            "traceorder": "normal",
            "font": {"size": 14},
            "orientation": "h",
            "x": 0,
            "y": 1.02,
            "xanchor": "left",
            "yanchor": "bottom",
        },
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        uirevision="keep",
        dragmode=False,
        colorway=list(OTHERS),
        xaxis=axis,
        yaxis=axis,
    )
    chart.update_layout(**layout)
    return chart


def show(
    chart: Figure,
    *,
    key: str,
    alt: str,
    selectable: bool | Callable[[], None] = False,
    modes: Sequence[Literal["points", "lasso"]] = ("points",),
) -> PlotlyState | None:
    """Draws a figure and, under it, the line that says what it shows.

    Args:
        chart: A Plotly figure.
        key: Stable key. A changed figure is drawn from nothing: what grows is drawn by
            :mod:`pages.ui.kit.growing_chart`.
        alt: The translated line of text: also read out in the chart's stead.
        selectable: Whether clicking a mark reruns the page, and what is called before; then the selection is returned.
        modes: Whether marks are clicked, or a ring is drawn round them, too.
    """
    event = None
    with st.container(key=f"bl-chart-{key}", gap="xxsmall"):
        if selectable:
            event = st.plotly_chart(
                chart,
                key=key,
                config=CONFIG,
                alt=alt,
                on_select=selectable if callable(selectable) else "rerun",
                selection_mode=modes,
            )
        else:
            st.plotly_chart(chart, key=key, config=CONFIG, alt=alt)
        note(alt)
    return event


def magnitudes(values: Iterable[float | None]) -> dict[str, Any]:
    """Returns the settings of a logarithmic axis: powers of ten, or round figures where the values lie close together.

    Args:
        values: What is drawn along it; what is missing, infinite or not above zero does not count.
    """
    known = [value for value in values if value is not None and 0 < value < math.inf]
    low, high = (math.log10(bound) for bound in (min(known), max(known))) if known else (0.0, math.inf)
    if high - low >= CLOSE:
        return {"type": "log", "exponentformat": "power", "nticks": 7}
    ticks = [figure * 10.0**power for power in range(math.floor(low), math.ceil(high) + 1) for figure in (1, 2, 5)]
    return {
        "type": "log",
        "tickvals": ticks,
        "ticktext": [f"{tick:g}".replace("-", "\N{MINUS SIGN}") for tick in ticks],
    }


def phase_label(name: str) -> str:
    """Returns a phase's name for people."""
    return names.phase(name)


def class_bars(counts: Mapping[str, Mapping[str, int]]) -> Figure:
    """Returns images per class, stacked by split: ``{split: {class: n}}``."""
    go = plotly()

    names = list(dict.fromkeys(name for per_class in counts.values() for name in per_class))
    whole, wide = [text(name) for name in names], len(names) <= 12
    chart = figure(300 if wide else min(90 + 24 * len(names), 900), barmode="stack", hovermode="closest")
    chart.update_layout(bargap=0.28 if len(names) <= 30 else 0)
    for split, colour in SPLIT_COLOURS.items():
        per_class = counts.get(split)
        if not per_class:
            continue
        values, places = [per_class.get(name, 0) for name in names], list(range(len(names)))
        axes = {"x": places, "y": values} if wide else {"x": values, "y": places, "orientation": "h"}
        shown = "<br>%{y:,}" if wide else "<br>%{x:,}"
        hover = f"%{{customdata}}{shown} · {split_label(split)}<extra></extra>"
        chart.add_trace(
            go.Bar(name=split_label(split), marker={"color": colour}, customdata=whole, hovertemplate=hover, **axes)
        )
    if wide:
        chart.update_xaxes(showgrid=False, **named_ticks(names, room=1000), tickangle=slant(names))
        chart.update_yaxes(title_text=_("Images"))
    else:
        chart.update_xaxes(title_text=_("Images"))
        chart.update_yaxes(showgrid=False, range=[len(names) - 0.5, -0.5], **named_ticks(names, room=800))
    return chart


def text(name: str, most: int | None = None) -> str:
    """Returns a name as Plotly shows it letter by letter; one of more than ``most`` signs is cut.

    Args:
        name: A name that a person gave: Plotly would take ``<b>`` in it for markup.
        most: Most signs that are shown.
    """
    cut = name if most is None or len(name) <= most else name[: most - 1].rstrip() + "…"
    return cut.replace("&", "&amp;").replace("<", "&lt;").replace("$", "&#36;")


def named_ticks(classes: Sequence[str], *, room: int, most: int = 18) -> dict[str, Any]:
    """Returns the ticks of an axis on which each class has a whole number; of many every second, third ... is named.

    Args:
        classes: Class names in order. Long ones are cut: the whole name belongs into the hover.
        room: Pixels that the axis is long, about.
        most: Most signs of a name.
    """
    step = max(1, -(-len(classes) * 20 // max(room, 1)))
    places = range(0, len(classes), step)
    return {"tickmode": "array", "tickvals": list(places), "ticktext": [text(classes[i], most) for i in places]}


def whole_ticks(last: float) -> dict[str, Any]:
    """Returns the ticks of an axis of epochs or steps up to ``last``: whole numbers, where few would be halved."""
    return {"dtick": 1, "tick0": 0} if last <= 10 else {}


def slant(classes: Sequence[str], room: int = 460, most: int = 18) -> int:
    """Returns the angle of names under an axis: level where the longest fits into the room of one, else slanted."""
    longest = max((min(len(name), most) for name in classes), default=0)
    return 0 if (8 * longest + 8) * len(classes) <= room else -40


def bars(
    labels: Sequence[str], values: Sequence[float], *, unit: str = "", colour: str = ACCENT, share: bool = False
) -> Figure:
    """Returns horizontal bars, the first on top: for figures per class or per layer."""
    go = plotly()

    chart = figure(80 + 26 * len(labels), hovermode="closest", bargap=0.3, showlegend=False)
    chart.add_trace(
        go.Bar(
            x=list(values),
            y=list(labels),
            orientation="h",
            marker={"color": colour},
            texttemplate="%{x:$.1%}" if share else "%{x:,.3~s}",
            textposition="auto",
            constraintext="none",
            hovertemplate="%{y}: %{x:$.1%}<extra></extra>" if share else "%{y}: %{x:,}<extra></extra>",
        )
    )
    chart.update_xaxes(title_text=unit, range=[0, 1] if share else None, tickformat="$.0%" if share else None)
    chart.update_yaxes(showgrid=False, autorange="reversed", type="category")
    return chart
