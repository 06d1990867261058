"""Overfitting, augmentation and data size: a curve learned by heart at once, digits by a click, photos by a walk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.learn.lesson import Lesson, Question, Why
from pages.learn.number_grid import written
from pages.ui.kit import charts, components, form_fields, nav
from pages.ui.kit.components import Figure
from pages.ui.kit.page_states import guarded
from pages.ui.selection import background_work
from pages.ui.text.i18n import N_, _
from pages.ui.walks.table import WALKS

if TYPE_CHECKING:
    from plotly.graph_objects import Figure as Chart

    from core.lessons.trained.overfitting import Fitted, Sized

PARTS = {"curve": N_("On a curve"), "digits": N_("On digits: number and augmentation")}
SHELF = "learn-overfitting"
DEGREE, POINTS = 9, 10


def _ask() -> Question:
    from core.lessons.trained.overfitting import polynomial

    found = polynomial(DEGREE, POINTS)
    answer = "larger" if found.new > 100 * found.learned else "same" if found.new < 2 * found.learned else "twice"
    return Question(
        _(
            "Ten noisy points, and a polynomial of degree nine that is fitted to them. It goes through every one: its "
            "error on them is 0. And on new points of the same kind?"
        ),
        {
            "same": _("As good as 0: it has found the curve"),
            "twice": _("About as large as the noise"),
            "larger": _("Far larger than that of a straight line"),
        },
        answer,
        _("{new} on new points; a straight line has {line}. Ten coefficients learned ten points by heart.").format(
            new=written(found.new, 3), line=written(polynomial(1, POINTS).new, 3)
        ),
        {
            "same": _("It has found a curve through the points. There are many."),
            "twice": _("Degree three comes there: try it."),
        },
    )


def _play() -> None:
    st.fragment(_bench)()


@guarded
def _bench() -> None:
    part = form_fields.choice(_("Part"), PARTS, "bl-learn-heart", default="curve", label_visibility="collapsed")
    if part == "curve":
        _curve()
    else:
        _digits()
    components.note(_("In a real training: guess first, press once, look at the run."))
    with st.container(horizontal=True, key="bl-learn-heart-walks"):
        for name in ("overfitting", "augmentation"):
            walk = WALKS[name]
            nav.link(walk.stops[0].page, _(walk.title), icon=f":material/{walk.icon}:", walk=name)
        nav.link(
            "studies",
            _("With and without augmentation on your own pictures, as a study"),
            icon=":material/science:",
            **{"studies-ready": "fruit-augmentation-lite"},
        )


def _curve() -> None:
    from core.lessons.trained.overfitting import HIGHEST, MOST_POINTS, NOISE, polynomial

    with st.container(key="bl-wrap-learn-heart"):
        left, right = st.columns([1, 1.7], gap="large")
    with left:
        degree = int(st.slider(_("Degree"), 0, HIGHEST, **form_fields.number("bl-learn-degree", DEGREE, 0, HIGHEST)))
        points = int(
            st.slider(_("Points"), 4, MOST_POINTS, **form_fields.number("bl-learn-points", POINTS, 4, MOST_POINTS))
        )
    found = polynomial(degree, points)
    with right:
        charts.show(
            _fitted(found),
            key="bl-learn-heart-curve",
            alt=_("{n} points, the curve they come from, and the polynomial of degree {degree} through them").format(
                n=points, degree=degree
            ),
        )
    with left:
        components.metrics(
            [
                Figure(_("Error on these points"), written(found.learned, 3), _("mean square")),
                Figure(
                    _("Error on new points"),
                    written(found.new, 3),
                    _("the noise alone: {noise}").format(noise=written(NOISE**2, 3)),
                ),
            ],
            compact=True,
        )
        components.note(_("More points cure it without another degree; so does a lower degree with the same points."))


def _fitted(found: Fitted) -> Chart:
    import numpy as np

    from core.lessons.trained.overfitting import curve

    go = charts.plotly()
    chart = charts.figure(360, hovermode="closest")
    x = np.linspace(-1, 1, 201)
    for y, name, colour, dash in (
        (curve(x), _("Where they come from"), charts.FROZEN, "dot"),
        (np.polynomial.Polynomial(found.coefficients)(x), _("The polynomial"), charts.ACCENT, "solid"),
    ):
        chart.add_trace(
            go.Scatter(x=x, y=y, name=name, mode="lines", line={"color": colour, "width": 2.5, "dash": dash})
        )
    chart.add_trace(
        go.Scatter(x=found.x, y=found.y, name=_("Points"), mode="markers", marker={"color": charts.TRAIN, "size": 9})
    )
    chart.update_yaxes(range=[-2.5, 2.5], title_text="y")
    chart.update_xaxes(range=[-1.05, 1.05], title_text="x")
    return chart


def _digits() -> None:
    from core.lessons.trained.overfitting import EPOCHS, NUMBERS, SEEDS, by_number

    found = background_work.by_click(
        SHELF,
        (),
        lambda progress: by_number(progress=progress),
        label=_("Train with {numbers} pictures a class").format(numbers=", ".join(map(str, NUMBERS))),
        doing=_("Training {n} small networks, {epochs} epochs each …").format(
            n=2 * len(NUMBERS) * len(SEEDS), epochs=EPOCHS
        ),
    )
    if found is None:
        components.note(
            _(
                "The notes' letters network on handwritten digits, each number with and without augmentation: about "
                "fifteen seconds. Accuracies on learned and on held-out pictures will stand here."
            )
        )
        return
    charts.show(
        _sized(found),
        key="bl-learn-heart-digits",
        alt=_(
            "Accuracy by pictures a class, without and with augmentation (turned by up to 10 degrees, shifted by up to "
            "a tenth): on the pictures learned from (dashed) and on 500 held-out ones; means of two seeds"
        ),
    )


def _sized(found: list[Sized]) -> Chart:
    go = charts.plotly()
    chart = charts.figure(360)
    for changed, name, colour in ((False, _("As they are"), charts.VAL), (True, _("Augmented"), charts.ACCENT)):
        own = [one for one in found if one.changed is changed]
        for held, dash in ((True, "solid"), (False, "dash")):
            chart.add_trace(
                go.Scatter(
                    x=[one.each for one in own],
                    y=[one.held if held else one.learned for one in own],
                    name=name if held else _("{name}, learned ones").format(name=name),
                    mode="lines+markers",
                    line={"color": colour, "width": 2.5, "dash": dash},
                )
            )
    chart.update_xaxes(title_text=_("Pictures of a class"), type="log", tickvals=[one.each for one in found])
    chart.update_yaxes(title_text=_("Accuracy"), tickformat="$.0%", range=[0.3, 1.03])
    return chart


def _why() -> Why:
    return Why(
        _(
            "What is fitted has as many ways to go through few points as it has weights to spare, and training finds "
            "one of them, not the right one. Held-out pictures show it; training ones cannot. Three cures: more "
            "pictures, pictures that come changed each time so that none can be learned by heart, and less to fit: "
            "fewer weights, frozen ones, decay, dropout. Augmentation helps as far as its changes are those that new "
            "pictures bring; a mirrored digit is none."
        ),
        r"E_{\text{new}}=\underbrace{\sigma^2}_{\text{noise}}+\underbrace{\text{bias}^2}_{\text{too simple}}+"
        r"\underbrace{\text{variance}}_{\text{by heart}}",
        ("Goodfellow, Bengio and Courville 2016, Deep Learning, 5.2 and 7.4", "https://www.deeplearningbook.org"),
    )


LESSON = Lesson(
    "by-heart",
    N_("Overfitting, augmentation, data size"),
    N_("When is a training learned by heart, and what cures it?"),
    6,
    "show_chart",
    _ask,
    _play,
    _why,
    (
        ("train", N_("Train: the gap between both curves, and what the coach says of it")),
        ("data", N_("Data: how pictures are changed while training, and copies of them on disk")),
        ("runs", N_("Runs: training and validation accuracy of all runs side by side")),
    ),
)
