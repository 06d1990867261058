"""What a generator makes: the same noise over the epochs, its real neighbours, a walk between two noises."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import streamlit as st

from core.data.encoding import png
from pages.ui.kit import charts, components, form_fields
from pages.ui.kit.components import Figure
from pages.ui.selection import learned_from, subjects
from pages.ui.session import caches
from pages.ui.text import number_format
from pages.ui.text.i18n import _

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.workflows.gan.job import GanResult

COLUMNS, SHOWN, WALK = 8, 24, 9
"""Pictures a row; pictures whose way is kept; pictures on a walk."""


def growing(found: GanResult) -> None:
    """Draws what there is while it trains."""
    _made(found, len(found.rows))
    if found.rows:
        _course(found, "bl-gan-growing")


def draw(found: GanResult) -> None:
    """Draws what was learned."""
    components.section(
        _("What it makes"), _("Each place is one noise, the same in every epoch: it paints better, not others.")
    )
    epochs = list(range(len(found.rows) + 1))
    epoch = learned_from.epoch("bl-gan-epoch", epochs)
    with st.container(key="bl-wrap-gan"):
        left, right = st.columns([1.5, 1], gap="large")
    with left:
        _made(found, epoch)
    with right:
        if found.rows:
            _course(found, "bl-gan-course")
    if found.whole:
        _variety(found)
        _walk(found)


def _sheet(pictures: NDArray[np.uint8], columns: int = COLUMNS) -> bytes:
    from core.interpret.drawing.picture_strips import sheet

    return png(sheet(pictures, columns), repeats=True)


def _made(found: GanResult, epoch: int) -> None:
    picture = caches.remember(
        "gan-made", (str(found.job.path), epoch), lambda: _sheet(found.pictures(epoch)), entries=48
    )
    title = _("Out of noise, after epoch {n}").format(n=epoch)
    subjects.picture(picture, alt=title, title=title)


def _course(found: GanResult, key: str) -> None:
    """Draws what D says of real and of generated pictures, and both losses."""
    go = charts.plotly()
    chart = charts.figure(250)
    epochs = [row["epoch"] for row in found.rows]
    for name, title, colour in (
        ("real", _("D of real pictures"), charts.ACCENT),
        ("generated", _("D of generated pictures"), charts.OTHERS[0]),
    ):
        values = [row[name] for row in found.rows]
        chart.add_trace(go.Scatter(x=epochs, y=values, name=title, mode="lines+markers", line={"color": colour}))
    chart.add_hline(y=0.5, line={"color": charts.HAIR, "dash": "dot"})
    chart.update_xaxes(title=_("Epoch"))
    chart.update_yaxes(range=[0, 1])
    last = found.rows[-1]
    charts.show(
        chart,
        key=key,
        alt=_(
            "D says {real} of real and {generated} of generated pictures in epoch {n}; at 1/2 it cannot tell."
        ).format(
            real=subjects.number(last["real"]), generated=subjects.number(last["generated"]), n=int(last["epoch"])
        ),
    )
    components.metrics(
        [
            Figure(
                _("Loss of the discriminator"), subjects.number(last["discriminator"]), _("2 ln 2 = 1.386: cannot tell")
            ),
            Figure(_("Loss of the generator"), subjects.number(last["generator"]), _("ln 2 = 0.6931: cannot be told")),
        ],
        compact=True,
    )


def _variety(found: GanResult) -> None:
    """Draws the nearest real pictures, and how generated ones are shared out over the classes."""
    components.section(
        _("Copied, and all of one kind?"),
        _("Under each generated picture the real one that is nearest to it, pixel by pixel."),
    )
    with st.container(key="bl-wrap-gan-variety"):
        left, right = st.columns([1.5, 1], gap="large")
    with left:
        pair = (_("Generated"), found.pictures(len(found.rows))), (_("Nearest real picture"), found.nearest())
        for title, pictures in pair:
            subjects.picture(_sheet(pictures[:COLUMNS]), alt=title, title=title)
    counts = found.counts
    total = sum(counts.values())
    shares = [count / total for count in counts.values() if count]
    kinds = math.exp(-sum(share * math.log(share) for share in shares))
    with right:
        chart = charts.bars(
            [charts.text(name, 18) for name in counts], [n / total for n in counts.values()], share=True
        )
        chart.update_traces(textposition="outside")
        chart.update_xaxes(range=[0, min(1.2, max(0.25, 1.3 * max(shares)))])
        charts.show(
            chart,
            key="bl-gan-classes",
            alt=_(
                "Of {n} generated pictures, the class of the nearest real one: as varied as {kinds} equally frequent "
                "classes of {all}. A single long bar is mode collapse."
            ).format(n=number_format.exact(total), kinds=f"{kinds:.1f}", all=len(counts)),
        )


def _walk(found: GanResult) -> None:
    """Draws the pictures on the way from one noise to another."""
    components.section(
        _("From one noise to another"), _("What lies between two pictures is made, too: a picture each.")
    )
    ends = []
    with st.container(horizontal=True, key="bl-gan-ends"):
        for key, label, usual in (("bl-gan-from", _("From picture"), 1), ("bl-gan-to", _("To picture"), 2)):
            ends.append(int(st.slider(label, 1, SHOWN, width=300, **form_fields.number(key, usual, 1, SHOWN))))
    first, last = ends
    picture = caches.remember(
        "gan-walks",
        (str(found.job.path), first, last),
        lambda: _sheet(found.walk(first - 1, last - 1, WALK), WALK),
        entries=64,
    )
    title = _("From picture {first} to picture {last}").format(first=first, last=last)
    subjects.picture(picture, alt=title, title=title, text=_("Counted row by row in the last epoch's pictures."))
