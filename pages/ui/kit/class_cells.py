"""The drawing of cells by true class and predicted class: of a confusion matrix, and of a difference of two.

Cells are bars, because the browser says which bar is hovered and clicked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from pages.ui.kit import charts
from pages.ui.text.i18n import _

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

FIGURED = 30
"""Most classes whose cells carry their figures."""
RIGHT, WRONG = "23,144,140", "213,40,40"
"""Teal for what is right or better, red for mistakes, laid over the page's ground: alike in both themes."""
EMPTY = "rgba(128,140,145,.08)"
"""The colour of a cell without pictures."""
INK = ("#17232a", "#f2f7f7")
"""Figures in the cells, in the light and in the dark theme."""
GAP = 0.03
"""Of a cell's side, on each side."""
Cell = tuple[int, int]
"""Row and column: the true class, and the predicted one."""


def bars(
    chart: Figure, cells: Sequence[Cell], colours: Sequence[str], data: Sequence[Sequence[object]], hover: str
) -> None:
    """Draws cells.

    Args:
        chart: What they are added to.
        cells: Which.
        colours: Of each, as CSS writes it.
        data: Of each, as :func:`labelled` makes it.
        hover: The template of what is shown under the pointer.
    """
    chart.add_trace(
        charts.plotly().Bar(
            orientation="h",
            y=[row for row, _column in cells],
            base=[column - 0.5 + GAP for _row, column in cells],
            x=[1 - 2 * GAP] * len(cells),
            width=1 - 2 * GAP,
            marker={"color": list(colours), "line": {"width": 0}},
            customdata=data,
            hovertemplate=hover,
            unselected={"marker": {"opacity": 1}},
        )
    )


def labelled(cells: Sequence[Cell], classes: Sequence[str], values: Sequence[float]) -> Iterator[list[Any]]:
    """Yields the data of each cell: row, column, the names of both, and its value."""
    names = [charts.text(name) for name in classes]
    for (row, column), value in zip(cells, values, strict=True):
        yield [row, column, names[row], names[column], value]


def figures(chart: Figure, cells: Sequence[Cell], texts: Sequence[str], size: int = 16) -> None:
    """Writes a figure into each cell, ``size`` px high."""
    chart.add_trace(
        charts.plotly().Scatter(
            mode="text",
            x=[column for _row, column in cells],
            y=[row for row, _column in cells],
            text=list(texts),
            textfont={"size": size, "color": INK[st.context.theme.type == "dark"]},
            hoverinfo="skip",
        )
    )


def name_axes(chart: Figure, classes: Sequence[str], *, width: int, height: int) -> None:
    """Names the axes and their classes.

    Args:
        chart: Whose.
        classes: In the matrix's order.
        width: Of the cells together, in px.
        height: The same.
    """
    count, bare = len(classes), {"showgrid": False, "showline": False, "ticks": ""}
    chart.update_xaxes(title_text=_("Predicted"), range=[-0.5, count - 0.5], **bare)
    chart.update_xaxes(**charts.named_ticks(classes, room=width), tickangle=charts.slant(classes, width))
    chart.update_yaxes(title_text=_("True"), range=[count - 0.5, -0.5], **bare)
    chart.update_yaxes(**charts.named_ticks(classes, room=height))


def mark(chart: Figure, cell: Cell, colour: str) -> None:
    """Frames the cell whose pictures are shown."""
    row, column = cell
    edges = {"x0": column - 0.5, "x1": column + 0.5, "y0": row - 0.5, "y1": row + 0.5}
    chart.add_shape(type="rect", line={"color": colour, "width": 3}, **edges)


def clicked(point: object) -> Cell | None:
    """Returns the cell of a clicked point; ``None`` for a point of something else."""
    try:
        row, column = point["customdata"][:2]  # type: ignore[index]
        return int(row), int(column)
    except (KeyError, TypeError, ValueError, IndexError):
        return None
