"""The drawing of a confusion matrix: what is right apart from the mistakes, which have a scale of their own.

Of many classes the cells are two images, under points that are not seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pages.ui.kit import charts, class_cells
from pages.ui.kit.class_cells import FIGURED, RIGHT, WRONG
from pages.ui.text import number_format
from pages.ui.text.i18n import _

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

DRAWN_POINTS = 2_000
"""Points up to which the browser draws each by itself; more of them are left to its graphics unit."""
FAINTEST, FULLEST = 0.22, 0.75
"""Opacity of the rarest and of the most frequent mistake: 1 is never as pale as 0."""
CROWDED = 12
"""Classes up to which the matrix shares its row with the table of classes."""
BESIDE_PX, CROWDED_PX = 400, 450
"""How wide the cells are together, at least, beside the table and by themselves."""


def draw(
    counts: np.ndarray, shares: np.ndarray, classes: Sequence[str], *, as_shares: bool, marked: tuple[int, int] | None
) -> Figure:
    """Returns the confusion matrix: true classes down, predicted classes across.

    Args:
        counts: ``K x K``, a row for each true class.
        shares: The same as shares of each true class.
        classes: Class names in the matrix's order.
        as_shares: Whether cells carry their shares.
        marked: Row and column of the cell whose images are shown below.
    """
    count = len(classes)
    height = int(min(max(280, 120 + 54 * count), 860))
    chart = charts.figure(height, hovermode="closest", barmode="overlay", bargap=0, showlegend=False)
    values = shares if as_shares else counts
    if count <= FIGURED:
        _bars(chart, values, classes, as_shares=as_shares)
    else:
        _images(chart, values, as_shares=as_shares)
        _points(chart, values, classes, side=(height - 120) / count, as_shares=as_shares)
    if marked is not None:
        class_cells.mark(chart, marked, f"rgb({WRONG})")
    width = CROWDED_PX if count > CROWDED else BESIDE_PX
    class_cells.name_axes(chart, classes, width=width, height=height - 120)
    return chart


def _hover(*, as_shares: bool) -> str:
    value = "%{customdata[4]:$.1%}" if as_shares else "%{customdata[4]:,}"
    template = _("true: {true}<br>predicted: {predicted}<br>{value}<extra></extra>")
    return template.format(true="%{customdata[2]}", predicted="%{customdata[3]}", value=value)


def _strength(values: np.ndarray) -> np.ndarray:
    """Returns the opacity of each cell; what is right and what is wrong are scaled each by its own largest value."""
    right = np.eye(len(values), dtype=bool)
    strength = np.zeros(values.shape)
    for part in (right, ~right):
        most = values[part].max(initial=0)
        if most > 0:
            strength[part] = np.where(values[part] > 0, FAINTEST + (FULLEST - FAINTEST) * values[part] / most, 0)
    return strength


def _bars(chart: Figure, values: np.ndarray, classes: Sequence[str], *, as_shares: bool) -> None:
    strength = _strength(values)
    cells = [(row, column) for row in range(len(classes)) for column in range(len(classes))]
    class_cells.bars(
        chart,
        cells,
        [
            f"rgba({RIGHT if row == column else WRONG},{strength[row, column]:.3f})"
            if values[row, column] > 0
            else class_cells.EMPTY
            for row, column in cells
        ],
        list(class_cells.labelled(cells, classes, values.ravel().tolist())),
        _hover(as_shares=as_shares),
    )
    texts = [number_format.percent(float(values[place]), 0) if as_shares else f"{values[place]:,}" for place in cells]
    class_cells.figures(chart, cells, texts, 16 if len(classes) <= CROWDED else 12)


def _images(chart: Figure, values: np.ndarray, *, as_shares: bool) -> None:
    """Draws many classes: without gaps, which would hide cells of a few pixels."""
    go = charts.plotly()
    right = np.eye(len(values), dtype=bool)
    for part, colour, bar in ((right, RIGHT, False), (~right, WRONG, True)):
        most = float(values[part].max(initial=0)) or 1.0
        shown = part & (values > 0)
        chart.add_trace(
            go.Heatmap(
                z=[
                    [float(value) if there else None for value, there in zip(*row, strict=True)]
                    for row in zip(values, shown, strict=True)
                ],
                hoverinfo="skip",
                colorscale=[[0, f"rgba({colour},.55)"], [1, f"rgba({colour},1)"]],
                zmin=0,
                zmax=most,
                showscale=bar,
                colorbar={
                    "title": {"text": _("Mistakes")},
                    "thickness": 10,
                    "outlinewidth": 0,
                    "tickformat": "$.0%" if as_shares else "d",
                    "dtick": None if as_shares else max(1, round(most / 4)),
                },
            )
        )


def _points(chart: Figure, values: np.ndarray, classes: Sequence[str], *, side: float, as_shares: bool) -> None:
    """Lays a point that is not seen over each cell with images: of an image the browser does not say what is clicked.

    Cells are ``side`` px high.
    """
    go = charts.plotly()
    cells = [(int(row), int(column)) for row, column in np.argwhere(values > 0)]
    unseen = {"marker": {"opacity": 0}}
    chart.add_trace(
        (go.Scatter if len(cells) <= DRAWN_POINTS else go.Scattergl)(
            mode="markers",
            x=[column for _row, column in cells],
            y=[row for row, _column in cells],
            marker={"opacity": 0, "size": max(side, 2), "symbol": "square", "color": f"rgb({WRONG})"},
            customdata=list(class_cells.labelled(cells, classes, values[values > 0].tolist())),
            hovertemplate=_hover(as_shares=as_shares),
            selected=unseen,
            unselected=unseen,
        )
    )
    chart.update_layout(hoverdistance=max(int(side / 2), 2))
