"""Initial weights, vanishing and exploding gradients, and what a skip is good for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import streamlit as st

from pages.learn.lesson import Lesson, Question, Why
from pages.learn.number_grid import written
from pages.learn.own import skips
from pages.ui.kit import charts, components, form_fields
from pages.ui.kit.components import Figure
from pages.ui.kit.page_states import guarded
from pages.ui.session import caches
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _

if TYPE_CHECKING:
    from plotly.graph_objects import Figure as Chart

    from core.lessons.depth import Stack

KINDS = {"plain": N_("Plain"), "skips": N_("With skips")}
LEAST = 1e-30


def _ask() -> Question:
    from core.lessons.depth import look

    plain = look(30, "glorot", activation="sigmoid")
    answer = "vanish" if plain.ratio < 1e-3 else "same"
    return Question(
        _("Thirty layers with sigmoids. How large is the first layer's gradient beside the last one's?"),
        {
            "same": _("About the same"),
            "vanish": _("Less than a thousandth of it"),
            "explode": _("More than a thousand times it"),
        },
        answer,
        _(
            "It is {ratio} times the last one's: a sigmoid's slope is at most 1/4, and thirty such factors multiply."
        ).format(ratio=written(plain.ratio, 2)),
        {
            "same": _("With skips it nearly is: try them."),
            "explode": _("That happens with weights that are too large, such as ones."),
        },
    )


def _play() -> None:
    st.fragment(_bench)()


@guarded
def _bench() -> None:
    from core.lessons.depth import ACTIVATIONS, DEEPEST, STARTS, look

    with st.container(key="bl-wrap-learn-depth"):
        left, right = st.columns([1, 1.7], gap="large")
    with left:
        depth = int(st.slider(_("Layers"), 1, DEEPEST, **form_fields.number("bl-learn-layers-deep", 20, 1, DEEPEST)))
        start = form_fields.choice(_("Initial weights"), STARTS, "bl-learn-start", default="he", wrap=True)
        activation = form_fields.choice(
            _("Activation"), list(ACTIVATIONS), "bl-learn-squash", default="ReLU", format_func=str
        )
    key = (depth, start, activation)

    def made() -> dict[str, Stack]:
        return {kind: look(depth, start, activation=activation, skips=kind == "skips") for kind in KINDS}

    stacks = caches.remember("learn-depths", key, made, entries=64)
    with right:
        charts.show(
            _chart(stacks),
            key="bl-learn-depth-chart",
            alt=_("Length of the gradient of each layer's weights, before any training, on a logarithmic scale"),
        )
    with left:
        _figures(stacks)
    if stacks["plain"].alike == 1 and depth > 0 and start in ("zeros", "ones"):
        components.note(
            _("All units of a layer answer the same, get the same gradient and stay the same: nothing is learned.")
        )


def _figures(stacks: dict[str, Stack]) -> None:
    components.metrics(
        [
            Figure(
                _("{kind}: first over last gradient").format(kind=_(KINDS[kind])),
                written(stack.ratio, 3) if math.isfinite(stack.ratio) else number_format.DASH,
                _("deviation at the end: {value}").format(value=written(stack.deviations[-1], 3))
                if math.isfinite(stack.deviations[-1])
                else _("the signal overflowed"),
            )
            for kind, stack in stacks.items()
        ],
        compact=True,
    )


def _chart(stacks: dict[str, Stack]) -> Chart:
    go = charts.plotly()
    chart = charts.figure(400)
    for (kind, stack), colour in zip(stacks.items(), (charts.VAL, charts.ACCENT), strict=True):
        chart.add_trace(
            go.Scatter(
                x=list(range(1, len(stack.gradients) + 1)),
                y=[value if value > LEAST and math.isfinite(value) else None for value in stack.gradients],
                name=_(KINDS[kind]),
                mode="lines+markers",
                line={"color": colour, "width": 2.5},
            )
        )
    chart.update_xaxes(title_text=_("Layer, from the picture to the answer"))
    lengths = (value for stack in stacks.values() for value in stack.gradients if value > LEAST)
    chart.update_yaxes(title_text=_("Length of the gradient"), **charts.magnitudes(lengths))
    return chart


def _why() -> Why:
    return Why(
        _(
            "A gradient on its way back is multiplied once a layer, by the weights and by the activation's slope. "
            "Thirty factors below one leave nothing, thirty above one overflow. He's weights are so wide that a ReLU, "
            "which drops half, keeps the signal's size; Glorot's suit a tanh. A skip adds: the gradient comes back "
            "along it unchanged, whatever the layers do, which is why residual networks can be a hundred layers deep. "
            "An identity block adds what came in; a convolution block, where the map is halved, a 1 × 1 of it."
        ),
        r"\operatorname{Var}(w)=\frac{2}{n_{\text{in}}}\;\text{(He)},\qquad\operatorname{Var}(w)="
        r"\frac{2}{n_{\text{in}}+n_{\text{out}}}\;\text{(Glorot)},\qquad"
        r"\frac{\partial(x+f(x))}{\partial x}=1+f'(x)",
        ("He et al. 2016, Deep residual learning for image recognition", "https://arxiv.org/abs/1512.03385"),
    )


LESSON = Lesson(
    "depth",
    N_("Initial weights and depth"),
    N_("Why do gradients vanish, and what is a skip good for?"),
    6,
    "stacks",
    _ask,
    _play,
    _why,
    (
        ("train", N_("Train: the health of a run, each stage's gradients and dead units")),
        ("anatomy", N_("Anatomy: where your network has skips")),
    ),
    own=skips.draw,
)
