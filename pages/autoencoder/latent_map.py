"""What the narrow place keeps: held-out pictures laid out by it, to be clicked, and a plane to walk through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from core.data.encoding import png
from pages.ui.kit import charts, components, form_fields
from pages.ui.selection import subjects
from pages.ui.session import caches
from pages.ui.session.address import Bound
from pages.ui.text.glossary import explain
from pages.ui.text.i18n import _

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.workflows.autoencoder.folder import AutoencoderResult

PICKED = Bound("auto-picture", kept="bl.kept.auto-picture")
STEPS = 9
"""Pictures a side of the plane."""
TILE = 56


def draw(found: AutoencoderResult) -> None:
    """Draws the map and the plane."""
    components.section(
        _("What the narrow place keeps"),
        _("Each point is a held-out picture at its two latent values. Click one, or walk to places where none is.")
        if found.latents == 2
        else _(
            "Each point is a held-out picture on the two main axes of its {n} latent values. Click one, or walk to "
            "places where none is."
        ).format(n=found.latents),
        help=explain("latent values"),
    )
    laid = caches.remember("auto-map", (str(found.job.path),), found.map, entries=4)
    with st.container(key="bl-wrap-auto-map"):
        left, right = st.columns([1.4, 1], gap="large")
    with left:
        _points(found, laid)
    with right:
        _picked(laid)
        _walk(found, laid)
    _plane(found, laid)


def _points(found: AutoencoderResult, laid: dict[str, NDArray[Any]]) -> None:
    """Draws the map; a click picks a picture."""
    go = charts.plotly()
    chart = charts.figure(440, hovermode="closest")
    places, labels, classes = laid["places"], laid["labels"], laid["classes"]
    for label, name in enumerate(classes.tolist()):
        of_class = (labels == label).nonzero()[0]
        if len(of_class):
            chart.add_trace(
                go.Scatter(
                    x=places[of_class, 0],
                    y=places[of_class, 1],
                    customdata=of_class,
                    mode="markers",
                    name=charts.text(str(name), 18),
                    marker={"size": 8},
                    hovertemplate="%{x:.2f}, %{y:.2f}<extra>%{fullData.name}</extra>",
                )
            )
    chart.update_layout(showlegend=len(classes) <= 12)
    chart.update_xaxes(title_text=_("First axis"))
    chart.update_yaxes(title_text=_("Second axis"))
    event = charts.show(
        chart,
        key=f"bl-auto-points-{found.job.id}",
        alt=_("{n} held-out pictures, coloured by class, which the network was never told.").format(n=len(labels)),
        selectable=True,
    )
    points = event["selection"]["points"] if event else []
    if points:
        number = points[0].get("customdata")
        number = number[0] if isinstance(number, list) else number
        if number is not None and str(number) != PICKED.asked():
            PICKED.choose(str(int(number)))


def _picked(laid: dict[str, NDArray[Any]]) -> None:
    """Draws the picked picture and what is given back of it."""
    count = len(laid["labels"])
    asked = PICKED.asked() or "0"
    number = min(int(asked), count - 1) if asked.isascii() and asked.isdigit() else 0
    pair = [laid["original"][number], laid["given"][number]]
    both = [png(picture, repeats=True) for picture in pair]
    columns = st.columns(2)
    titles = (_("Picture {n}").format(n=number), _("Given back"))
    for column, picture, title in zip(columns, both, titles, strict=True):
        with column:
            subjects.picture(picture, alt=title, title=title, sharp=True, most=150)


def _walk(found: AutoencoderResult, laid: dict[str, NDArray[Any]]) -> None:
    """Draws two sliders over the plane, and the picture at that place."""
    import numpy as np

    low, high = laid["places"].min(0), laid["places"].max(0)
    place = []
    for axis, label in enumerate((_("Across"), _("Up"))):
        key = f"bl-auto-walk-{'xy'[axis]}"
        share = st.slider(label, 0, 100, format="%d %%", **form_fields.number(key, 50, 0, 100))
        place.append(float(low[axis] + (high[axis] - low[axis]) * share / 100))
    walked = caches.remember(
        "auto-walk", (str(found.job.path), *place), lambda: found.decode(np.array([place])), entries=64
    )
    subjects.picture(
        png(walked[0], repeats=True),
        alt=_("The picture at this place"),
        title=_("At {x}, {y}").format(x=subjects.number(place[0]), y=subjects.number(place[1])),
        sharp=True,
        most=150,
    )


def _plane(found: AutoencoderResult, laid: dict[str, NDArray[Any]]) -> None:
    """Draws the pictures of a whole grid of places."""
    import numpy as np

    from core.interpret.drawing.picture_strips import sheet

    low, high = np.quantile(laid["places"], 0.02, axis=0), np.quantile(laid["places"], 0.98, axis=0)

    def made() -> bytes:
        across, up = (np.linspace(low[axis], high[axis], STEPS) for axis in (0, 1))
        grid = np.array([[x, y] for y in up[::-1] for x in across])
        return png(sheet(found.decode(grid), STEPS, TILE), repeats=True)

    subjects.picture(
        caches.remember("auto-plane", (str(found.job.path),), made, entries=4),
        alt=_("Pictures decoded from a grid of places over the map"),
        title=_("The plane, decoded"),
        text=_("{n} × {n} places over the middle 96 %\u00a0of the map.").format(n=STEPS),
        most=620,
    )
