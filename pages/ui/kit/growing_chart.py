"""Charts that grow in place: drawn with Vega-Lite, whose data sets are replaced in the browser while the chart stays.

A Plotly figure that changes is drawn from nothing by Streamlit. The parts here are those that several charts share.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from pages.ui.kit.charts import FONT, GRID, HAIR
from pages.ui.kit.components import note
from pages.ui.text.i18n import _
from pages.ui.text.number_format import NBSP

SHORT = 60
"""Epochs up to which a chart shows the whole way from the start; a longer run's axis grows with it."""
DRAWN_AS = {
    "padding": {"left": 5, "right": 16, "top": 5, "bottom": 5},  # room for half of the last number of a wide axis
    "usermeta": {"embedOptions": {"renderer": "svg"}},
}
LOOK = {
    "axis": {
        "gridColor": GRID,
        "domainColor": HAIR,
        "tickColor": HAIR,
        "domain": True,
        "ticks": True,
        "labelFontSize": 13,
        "titleFontSize": 14,
    },
    "legend": {"labelFontSize": 14},
    "text": {"font": FONT},
    "view": {"stroke": None},
    "font": FONT,
    "locale": {
        "number": {"decimal": ".", "thousands": ",", "grouping": [3], "currency": ["", ""], "percent": f"{NBSP}%"}
    },
}
"""What all of them look like."""


def show(spec: Mapping[str, Any], *, key: str, alt: str) -> None:
    """Draws a Vega-Lite specification and, under it, the line that says what it shows.

    A browser that has the chart takes in new data sets without drawing it from nothing, as long as all else holds.

    Args:
        spec: Its data sets, layers and axes.
        key: Stable key.
        alt: The translated line of text: also read out in the chart's stead.
    """
    with st.container(key=f"bl-chart-{key}", gap="xxsmall"):
        st.vega_lite_chart(spec={"config": LOOK, **DRAWN_AS, **spec}, key=key, alt=alt)
        note(alt)


def arrow(**columns: Any) -> bytes:
    """Returns columns as Arrow bytes: numbers in four bytes, as a screen needs no more."""
    import numpy as np
    import pyarrow as pa

    arrays = {
        name: pa.array(values, pa.string()) if name == "text" else pa.array(np.asarray(values, dtype=np.float32))
        for name, values in columns.items()
    }
    table = pa.table(arrays)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def line_layer(
    data: str, titles: Mapping[str, str], colours: Sequence[str], *, width: float, point: int = 0, legend: bool = True
) -> dict[str, Any]:
    """Returns curves, one a column, as a layer of a Vega-Lite specification.

    Args:
        data: Name of their data set.
        titles: The columns, and what each is called, translated.
        colours: Of each.
        width: Of the lines, in pixels.
        point: Area of the point at each value, in square pixels; 0 for none.
        legend: Whether there is something to tell apart.
    """
    names = list(titles)
    words = "".join(f"datum.label === '{name}' ? {quoted(title)} : " for name, title in titles.items()) + "datum.label"
    look = {"title": None, "orient": "top", "symbolType": "stroke", "symbolStrokeWidth": 3, "labelLimit": 400}
    dots = {"size": point, "filled": True} if point else False
    colour = {"field": "curve", "type": "nominal", "scale": {"domain": names, "range": list(colours)}}
    return {
        "data": {"name": data},
        "transform": [{"fold": names, "as": ["curve", "value"]}, {"filter": "isValid(datum.value)"}],
        "mark": {"type": "line", "strokeWidth": width, "clip": True, "point": dots},
        "encoding": {"color": colour | {"legend": {**look, "labelExpr": words} if legend else None}},
    }


def pointer_layer(data: str, titles: Mapping[str, str], form: str) -> dict[str, Any]:
    """Returns the hairline under the pointer, which shows the values of its epoch in a format of d3."""
    tips = [{"field": "epoch", "type": "quantitative", "title": _("Epoch"), "format": ",d"}]
    tips += [{"field": name, "type": "quantitative", "title": title, "format": form} for name, title in titles.items()]
    nearest = {"type": "point", "on": "pointerover", "nearest": True, "clear": "pointerout", "encodings": ["x"]}
    shown = {"condition": {"param": "under", "empty": False, "value": 0.8}, "value": 0}
    return {
        "data": {"name": data},
        "mark": {"type": "rule", "color": "#8A9599"},
        "params": [{"name": "under", "select": nearest}],
        "encoding": {"y": None, "opacity": shown, "tooltip": tips},
    }


def epoch_axis(done: int, epochs: int) -> dict[str, Any]:
    """Returns the horizontal axis of a chart over epochs; see :func:`reach`."""
    scale = {"domain": [0, reach(done, epochs)], "nice": False}
    axis = {"tickMinStep": 1, "format": ",d"}
    return {"field": "epoch", "type": "quantitative", "title": _("Epoch"), "scale": scale, "axis": axis}


def round_up(value: float) -> float:
    """Returns the next of 1, 1.5, 2, 3, 5 or 7 times a power of ten; 0 for what is not above it."""
    if value <= 0:
        return 0.0
    size = 10.0 ** math.floor(math.log10(value))
    return next((step * size for step in (1, 1.5, 2, 3, 5, 7) if value <= step * size), 10 * size)


def quoted(text: str) -> str:
    """Returns a text as a Vega expression's string."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def reach(done: int, epochs: int) -> int:
    """Returns the last epoch of the axis: the run's own, or for a long run a round number somewhat ahead of it.

    Args:
        done: Epochs that are complete.
        epochs: Epochs that the run is meant to have; 0 where it is not known.
    """
    end = max(done, epochs, 1)
    if end <= SHORT or done >= end / 4:
        return end
    return min(end, round(round_up(max(SHORT / 3, 1.25 * done))))
