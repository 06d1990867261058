"""Why the head first: one step against two phases, the first gradient, and how far each layer moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.learn.lesson import Lesson, Question, Why
from pages.learn.number_grid import written
from pages.ui.kit import charts, components, form_fields, nav
from pages.ui.kit.components import Figure
from pages.ui.kit.page_states import busy, guarded
from pages.ui.session import caches
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _

if TYPE_CHECKING:
    from plotly.graph_objects import Figure as Chart

    from core.lessons.trained.head_first import Way

SHELF = "learn-head-first"
HEAD_STEPS = (0, 15, 30, 60)
RATES = (0.03, 0.1, 0.3)
RATE = 0.1


def _ask() -> Question:
    ways = _ways(RATE)
    ratio = ways[0].gradient / ways[60].gradient
    return Question(
        _(
            "A trained network gets a new, random head. How large is the first gradient in its other layers, beside "
            "the one that comes if the head alone has learned for 60 steps before?"
        ),
        {
            "same": _("About as large"),
            "larger": _("More than ten times as large"),
            "smaller": _("Smaller: a random head knows nothing, so it says nothing"),
        },
        "larger" if ratio > 10 else "smaller" if ratio < 0.8 else "same",
        _("{ratio} times: the head's error is handed back to layers that were right.").format(ratio=written(ratio, 2)),
        {
            "same": _("The error is what is handed back, and the trained head has hardly any left."),
            "smaller": _("It says a lot, and most of it is wrong: p − y is large while p is a guess."),
        },
    )


def _ways(rate: float) -> dict[int, Way]:
    if caches.known(SHELF, (rate,)):
        return _trained(rate)
    with busy(_("Fine-tuning a small network in four ways …"), 180):
        return _trained(rate)


def _trained(rate: float) -> dict[int, Way]:
    from core.lessons.trained.head_first import fine_tune

    return caches.remember(SHELF, (rate,), lambda: fine_tune(HEAD_STEPS, rate=rate))


def _play() -> None:
    caches.later(f"{SHELF}-rates", (), lambda: [_trained(rate) for rate in RATES])
    st.fragment(_bench)()


@guarded
def _bench() -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", key="bl-learn-head-row"):
        steps = form_fields.choice(
            _("Steps of the head alone"), HEAD_STEPS, "bl-learn-head-steps", default=30, format_func=str
        )
        rate = form_fields.choice(_("Learning rate"), RATES, "bl-learn-head-rate", default=RATE, format_func=str)
    ways = _ways(rate)
    one, other = ways[0], ways[steps]
    with st.container(key="bl-wrap-learn-head"):
        left, right = st.columns([1.3, 1], gap="large")
    with left:
        charts.show(
            _courses(one, other),
            key="bl-learn-head-chart",
            alt=_(
                "Accuracy on 400 held-out digits by step; from the hairline on all layers learn, 60 steps either way"
            ),
        )
    with right:
        charts.show(
            _moves(one, other),
            key="bl-learn-head-moves",
            alt=_("How far the weights of each layer behind the head went, as a share of their own length"),
        )
    components.metrics(
        [
            Figure(
                _("First gradient behind the head"),
                f"{written(one.gradient, 3)} → {written(other.gradient, 3)}",
                _("in one step → head first"),
            ),
            Figure(
                _("At the end"),
                f"{number_format.percent(one.held[-1])} → {number_format.percent(other.held[-1])}",
                _("held-out digits, new head"),
            ),
            Figure(
                _("What the layers still know"),
                f"{number_format.percent(one.old)} → {number_format.percent(other.old)}",
                _("the old head, put back on them"),
            ),
        ],
        compact=True,
    )
    components.note(
        _(
            "A network that has read digits well is to learn them again with a new head, from two pictures of each: "
            "all that it needs is there already. Means of two new heads; the steps with all layers are as many each."
        )
    )
    with st.container(horizontal=True, key="bl-learn-head-links"):
        nav.link(
            "anatomy", _("The same on a real network: the walk Freezing"), icon=":material/ac_unit:", walk="freezing"
        )
        nav.link(
            "studies",
            _("How many stages to thaw, as a study"),
            icon=":material/science:",
            **{"studies-ready": "frozen-stages"},
        )


def _courses(one: Way, other: Way) -> Chart:
    from core.lessons.trained.head_first import EVERY

    go = charts.plotly()
    chart = charts.figure(320)
    for way, name, colour in ((one, _("In one step"), charts.VAL), (other, _("Head first"), charts.ACCENT)):
        at = [EVERY * place for place in range(len(way.held))]
        chart.add_trace(go.Scatter(x=at, y=way.held, name=name, mode="lines", line={"color": colour, "width": 2.5}))
    if other.head_steps:
        chart.add_vline(x=other.head_steps, line={"color": charts.HAIR, "width": 1})
    chart.update_xaxes(title_text=_("Step"))
    chart.update_yaxes(title_text=_("Held-out accuracy"), tickformat="$.0%", range=[0, 1.02])
    return chart


def _moves(one: Way, other: Way) -> Chart:
    go = charts.plotly()
    chart = charts.figure(320)
    layers = [_("Layer {n}").format(n=number) for number in range(1, len(one.moved) + 1)]
    for way, name, colour in ((one, _("In one step"), charts.VAL), (other, _("Head first"), charts.ACCENT)):
        chart.add_trace(go.Bar(x=layers, y=way.moved, name=name, marker={"color": colour}))
    chart.update_yaxes(title_text=_("Way over length"), tickformat="$.0%")
    return chart


def _why() -> Why:
    return Why(
        _(
            "The gradient of every layer is what the layer above hands down. A random head guesses, so p − y is large, "
            "and it is handed down through weights that mean nothing: good layers are moved to suit a bad head. Once "
            "the head has learned, what is left of the error is what the layers themselves lack. Features that were "
            "bent to a few pictures answer worse on others. The larger the rate and the fewer the pictures, the more "
            "it matters; with many pictures and a small rate hardly at all."
        ),
        r"\frac{\partial L}{\partial h}=W_{\text{head}}^{\top}(p-y),\qquad"
        r"\text{moved}_\ell=\frac{\lVert W_\ell-W_\ell^{(0)}\rVert}{\lVert W_\ell^{(0)}\rVert}",
        (
            "Kumar et al. 2022, Fine-tuning can distort pretrained features and underperform out-of-distribution",
            "https://arxiv.org/abs/2202.10054",
        ),
    )


LESSON = Lesson(
    "head-first",
    N_("Why the head first"),
    N_("What does a random head do to layers that were right?"),
    5,
    "vertical_align_top",
    _ask,
    _play,
    _why,
    (
        ("train", N_("Train: the recipe with two phases, and a lower rate for the second")),
        ("evaluate", N_("Evaluate: the coach says when layers thawed at a rate that was not lowered")),
    ),
)
