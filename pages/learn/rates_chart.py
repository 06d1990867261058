"""Accuracy over learning rates, a line an optimizer, and what the best of them would have been at another rate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pages.learn.number_grid import written
from pages.ui.kit import charts, components
from pages.ui.text import number_format
from pages.ui.text.i18n import _

if TYPE_CHECKING:
    from core.lessons.race import Trained


def colour(name: str) -> str:
    """Returns an optimizer's colour: the same in every chart, whichever are chosen."""
    from core.lessons.race import OPTIMIZERS

    pink, amber, _sky, olive, grey, wine, _accent = charts.OTHERS
    return (charts.TRAIN, charts.VAL, charts.TEST, olive, amber, pink, wine, grey)[list(OPTIMIZERS).index(name)]


def draw(rows: Sequence[Trained], *, key: str, alt: str) -> None:
    """Draws the chart and its sentence.

    Args:
        rows: What was trained.
        key: Stable key.
        alt: What it shows, translated.
    """
    go = charts.plotly()
    chart = charts.figure(420)
    for name in dict.fromkeys(row.optimizer for row in rows):
        own = [row for row in rows if row.optimizer == name]
        chart.add_trace(
            go.Scatter(
                x=[row.rate for row in own],
                y=[row.accuracy for row in own],
                name=name,
                mode="lines+markers",
                line={"color": colour(name), "width": 2.5},
            )
        )
    chart.update_xaxes(type="log", title_text=_("Learning rate"), exponentformat="power", dtick=1)
    chart.update_yaxes(title_text=_("Accuracy"), tickformat="$.0%", rangemode="tozero")
    charts.show(chart, key=key, alt=alt)
    best = max(rows, key=lambda row: row.accuracy)
    worst = min(row.accuracy for row in rows if row.optimizer == best.optimizer)
    components.note(
        _(
            "Best: {name} at {rate} with {accuracy}; the same optimizer at its worst rate has {worst}. A comparison at "
            "one rate alone compares rates, not optimizers."
        ).format(
            name=best.optimizer,
            rate=written(best.rate, 2),
            accuracy=number_format.percent(best.accuracy),
            worst=number_format.percent(worst),
        )
    )
