"""The difference of two confusion matrices, cell by cell: how many pictures came into each, and how many left it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pages.ui.kit import charts, class_cells
from pages.ui.text.i18n import _

if TYPE_CHECKING:
    import numpy as np
    from plotly.graph_objects import Figure

FAINTEST, FULLEST = 0.25, 0.8
"""Opacity of the smallest and of the largest difference."""
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
    if count > class_cells.FIGURED:
        cells = [place for place in cells if difference[place]]
    most = float(abs(difference).max()) or 1.0
    values = [int(difference[place]) for place in cells]
    template = _("true: {true}<br>predicted: {predicted}<br>{value} pictures<extra></extra>")
    class_cells.bars(
        chart,
        cells,
        [_colour(place, value, most) for place, value in zip(cells, values, strict=True)],
        list(class_cells.labelled(cells, classes, values)),
        template.format(true="%{customdata[2]}", predicted="%{customdata[3]}", value="%{customdata[4]:+d}"),
    )
    if count <= class_cells.FIGURED:
        class_cells.figures(chart, cells, [f"{value:+d}".replace("-", "−") if value else "0" for value in values])
    if marked is not None:
        class_cells.mark(chart, marked, "#8A9599")
    class_cells.name_axes(chart, classes, width=ROOM_PX, height=height - 120)
    return chart


def _colour(cell: class_cells.Cell, value: int, most: float) -> str:
    """Returns teal where the second network is right more often, red where it is wrong more often."""
    if not value:
        return class_cells.EMPTY
    better = (value > 0) == (cell[0] == cell[1])
    strength = FAINTEST + (FULLEST - FAINTEST) * abs(value) / most
    return f"rgba({class_cells.RIGHT if better else class_cells.WRONG},{strength:.3f})"
