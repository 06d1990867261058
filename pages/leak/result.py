"""What the leak lab shows: both accuracies with their intervals, whom the network recognised, and in words."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import streamlit as st

from pages.ui.kit import charts, components, tiles
from pages.ui.kit.components import Figure
from pages.ui.kit.tiles import Tile
from pages.ui.runs import finding_cards
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _, _n

if TYPE_CHECKING:
    from plotly.graph_objects import Figure as PlotlyFigure

    from core.workflows.leak.record import LeakResult

ARMS = {
    "before": N_("Relatives torn apart"),
    "grouped": N_("Relatives together"),
    "after": N_("Copied after the division"),
}
PROBES = {"nearest": N_("Nearest picture, learned by heart"), "linear": N_("Linear head")}
COLOURS = dict(zip(PROBES, charts.OTHERS, strict=False))
YAGIS = ("Yagis et al. 2021, Scientific Reports 11:22544", "https://doi.org/10.1038/s41598-021-01681-w")


def draw(found: LeakResult, guess: int) -> None:
    """Draws what came out, beside what was guessed."""
    components.section(_("3 · Both accuracies"), _divided(found.plan.divisions))
    components.metrics([_figure(found, arm) for arm in found.measured] + [_guessed(found, guess)])
    charts.show(chart(found), key="bl-leak-chart", alt=sentence(found))
    _recognised(found)
    from core.workflows.leak.verdict import findings

    components.section(_("What happened"))
    finding_cards.draw(findings(found), key="bl-leak-said")
    components.why(
        _(
            "A network with millions of weights can learn every training picture by heart. On a relative it then "
            "repeats what it learned, and that looks like skill. On brain MRI with labels drawn by lot, Yagis and "
            "others found about 95 % with slices torn apart and 50 % with patients kept together."
        ),
        paper=YAGIS,
        key="bl-leak-why",
    )


def _divided(divisions: int) -> str:
    return _n(
        "The same pictures, each held out once, by four-fold validation.",
        "The same pictures, each held out once by four-fold validation, in each of {n} divisions.",
        divisions,
    ).format(n=divisions)


def _figure(found: LeakResult, arm: str) -> Figure:
    measured = found.measured[arm]["nearest"]
    return Figure(
        _(ARMS[arm]),
        number_format.percent(measured.accuracy),
        _n("{low} to {high} · {n} picture", "{low} to {high} · {n} pictures", measured.judged).format(
            low=number_format.percent(measured.interval[0]),
            high=number_format.percent(measured.interval[1]),
            n=number_format.exact(measured.judged),
        ),
        _(
            "Share that the nearest training picture names right, the mean over the divisions; the 95 %\u00a0interval "
            "says how far other relatives and other labels would move it."
        ),
    )


def _guessed(found: LeakResult, guess: int) -> Figure:
    off = guess - round(100 * found.measured["before"]["nearest"].accuracy)
    text = _("just right") if not off else _("{n} points too low") if off < 0 else _("{n} points too high")
    return Figure(_("Your guess"), f"{guess} %", text.format(n=abs(off)))


def chart(found: LeakResult) -> PlotlyFigure:
    """Returns the accuracy of each probe under each division, with intervals and the line of guessing."""
    go = charts.plotly()
    drawn = charts.figure(300, barmode="group", bargap=0.3, hovermode="closest")
    names = [_(ARMS[arm]).replace(" ", "<br>", 1) for arm in found.measured]
    for probe, title in PROBES.items():
        rows = [measured[probe] for measured in found.measured.values()]
        drawn.add_trace(
            go.Bar(
                name=_(title),
                x=names,
                y=[row.accuracy for row in rows],
                marker={"color": COLOURS[probe]},
                error_y={
                    "type": "data",
                    "array": [row.interval[1] - row.accuracy for row in rows],
                    "arrayminus": [row.accuracy - row.interval[0] for row in rows],
                    "thickness": 1.5,
                },
                hovertemplate="%{x}<br>" + _(title) + ": %{y:$.1%}<extra></extra>",
            )
        )
    drawn.add_hline(y=found.chance, line={"color": charts.HAIR, "width": 1, "dash": "dot"})
    drawn.update_xaxes(showgrid=False, type="category")
    drawn.update_yaxes(title_text=_("Accuracy"), range=[0, 1.05], tickformat="$.0%", tickvals=[0, 0.25, 0.5, 0.75, 1])
    return drawn


def sentence(found: LeakResult) -> str:
    """Returns the line of text under the chart."""
    careless, honest = found.measured["before"], found.measured[found.honest]
    return _(
        "Nearest picture: {a} torn apart, {b} kept together. Linear head: {c} and {d}. Bars with 95 %\u00a0intervals; "
        "{groups} groups of relatives; dotted: guessing, {chance}."
    ).format(
        a=number_format.percent(careless["nearest"].accuracy),
        b=number_format.percent(honest["nearest"].accuracy),
        c=number_format.percent(careless["linear"].accuracy),
        d=number_format.percent(honest["linear"].accuracy),
        groups=number_format.exact(found.groups),
        chance=number_format.percent(found.chance),
    )


def _recognised(found: LeakResult) -> None:
    """Draws held-out pictures, each between the training pictures that are nearest under both divisions."""
    if not found.shown:
        return
    components.section(
        _("Whom it recognises"),
        _("A held-out picture, and the training picture most like it: torn apart, it is a relative."),
    )
    with st.container(key="bl-wrap-leak-shown"):
        columns = st.columns(2, gap="medium")
    for number, row in enumerate(found.shown):
        cells = [Tile(base64.b64decode(row.picture), row.label, _("held out"))]
        for arm, (picture, label, relative) in row.neighbours.items():
            note = _("relative") if relative else _("a stranger")
            tone = "bad" if relative else ""
            cells.append(Tile(base64.b64decode(picture), label, f"{_(ARMS[arm])} · {note}", tone=tone))
        with columns[number % 2]:
            tiles.grid(cells, size=160, row=True)
