"""The difference of two confusion matrices, cell by cell: how many pictures came into each, and how many left it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from pages.ui.kit import charts
from pages.ui.text.i18n import _

if TYPE_CHECKING:
    import numpy as np
    from plotly.graph_objects import Figure

FIGURED = 30
"""Most classes whose cells carry their figures."""
BETTER, WORSE = "23,144,140", "213,40,40"
"""Teal where the second network is right more often, red where it is wrong more often; alike in both themes."""
FAINTEST, FULLEST = 0.25, 0.8
INK = ("#17232a", "#f2f7f7")
GAP = 0.03
"""Of a cell's side, on each side."""
ROOM_PX = 400


def draw(difference: np.ndarray, classes: Sequence[str], *, marked: tuple[int, int] | None) -> Figure:
    """Returns the chart: true classes down, predicted ones across.

    Args:
        difference: ``K x K``: pictures of each cell in the second run less those in the first.
        classes: Class names in the matrix's order.
        marked: Row and column of the cell whose pictures are shown below.
    """
    count = len(classes)
    height = int(min(max(260, 110 + 50 * count), 760))
    chart = charts.figure(height, hovermode="closest", barmode="overlay", bargap=0, showlegend=False)
    cells = [(row, column) for row in range(count) for column in range(count)]
    if count > FIGURED:
        cells = [place for place in cells if difference[place]]
    _bars(chart, difference, classes, cells)
    if count <= FIGURED:
        _figures(chart, difference, cells)
    if marked is not None:
        row, column = marked
        edges = {"x0": column - 0.5, "x1": column + 0.5, "y0": row - 0.5, "y1": row + 0.5}
        chart.add_shape(type="rect", line={"color": "#8A9599", "width": 3}, **edges)
    bare = {"showgrid": False, "showline": False, "ticks": ""}
    chart.update_xaxes(title_text=_("Predicted"), range=[-0.5, count - 0.5], **bare)
    chart.update_xaxes(**charts.named_ticks(classes, room=ROOM_PX), tickangle=charts.slant(classes, ROOM_PX))
    chart.update_yaxes(title_text=_("True"), range=[count - 0.5, -0.5], **bare)
    chart.update_yaxes(**charts.named_ticks(classes, room=height - 120))
    return chart


def cell(point: object) -> tuple[int, int] | None:
    """Returns the row and column of a clicked cell."""
    try:
        row, column = point["customdata"][:2]  # type: ignore[index]
        return int(row), int(column)
    except (KeyError, TypeError, ValueError, IndexError):
        return None


def _bars(chart: Figure, difference: np.ndarray, classes: Sequence[str], cells: Sequence[tuple[int, int]]) -> None:
    """Draws the cells as bars: of an image the browser does not say what is clicked."""
    most = float(abs(difference).max()) or 1.0
    names = [charts.text(name) for name in classes]

    def colour(row: int, column: int) -> str:
        value = float(difference[row, column])
        if not value:
            return "rgba(128,140,145,.08)"
        good = (value > 0) == (row == column)
        return f"rgba({BETTER if good else WORSE},{FAINTEST + (FULLEST - FAINTEST) * abs(value) / most:.3f})"

    template = _("true: {true}<br>predicted: {predicted}<br>{value} pictures<extra></extra>")
    chart.add_trace(
        charts.plotly().Bar(
            orientation="h",
            y=[row for row, _column in cells],
            base=[column - 0.5 + GAP for _row, column in cells],
            x=[1 - 2 * GAP] * len(cells),
            width=1 - 2 * GAP,
            marker={"color": [colour(*place) for place in cells], "line": {"width": 0}},
            customdata=[
                [row, column, names[row], names[column], int(difference[row, column])] for row, column in cells
            ],
            hovertemplate=template.format(
                true="%{customdata[2]}", predicted="%{customdata[3]}", value="%{customdata[4]:+d}"
            ),
            unselected={"marker": {"opacity": 1}},
        )
    )


def _figures(chart: Figure, difference: np.ndarray, cells: Sequence[tuple[int, int]]) -> None:
    chart.add_trace(
        charts.plotly().Scatter(
            mode="text",
            x=[column for _row, column in cells],
            y=[row for row, _column in cells],
            text=[f"{int(difference[place]):+d}".replace("-", "−") if difference[place] else "0" for place in cells],
            textfont={"size": 16, "color": INK[st.context.theme.type == "dark"]},
            hoverinfo="skip",
        )
    )
