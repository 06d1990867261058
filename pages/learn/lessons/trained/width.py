"""Depth against width: as many parameters in one broad layer or in several narrow ones, and epochs to an accuracy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.learn.lesson import Lesson, Question, Why
from pages.ui.kit import charts, form_fields, nav
from pages.ui.kit.page_states import guarded
from pages.ui.selection import background_work
from pages.ui.session import caches
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from core.lessons.trained.width import Shaped

SHELF = "learn-width"
COLOURS = (charts.ACCENT, charts.TRAIN, charts.TEST, charts.OTHERS[1], charts.VAL)
ASKED = 3000


def _ask() -> Question:
    from core.lessons.trained.width import race

    broad, deep = caches.remember(f"{SHELF}-asked", (), lambda: race(ASKED, depths=(1, 5), seeds=(0,), epochs=15))
    answer = "broad" if broad.end > deep.end + 0.03 else "deep" if deep.end > broad.end + 0.03 else "same"
    return Question(
        _(
            "Two networks learn to read digits for 15 epochs, each with about {n} weights: one hidden layer of {wide} "
            "units, or five of {narrow}. Which is ahead?"
        ).format(n=number_format.exact(ASKED), wide=broad.width, narrow=deep.width),
        {"broad": _("The broad one"), "deep": _("The deep one"), "same": _("As many weights, as good")},
        answer,
        _("{broad} against {deep}: through five plain layers in a row little of the gradient comes back.").format(
            broad=number_format.percent(broad.end), deep=number_format.percent(deep.end)
        ),
        {
            "deep": _("Depth pays where it can be trained: with skips, batch norm, and more to find out."),
            "same": _("Counting weights does not say how well they can be reached."),
        },
    )


def _play() -> None:
    st.fragment(_bench)()


@guarded
def _bench() -> None:
    from core.lessons.trained.width import BUDGETS, DEPTHS, EACH, EPOCHS, SEEDS, parameters, race, width_of

    with st.container(horizontal=True, vertical_alignment="bottom", key="bl-learn-width-row"):
        budget = form_fields.choice(
            _("Weights of each network, about"),
            list(BUDGETS),
            "bl-learn-budget",
            default=ASKED,
            format_func=number_format.exact,
        )
        wanted = st.slider(
            _("Accuracy to be reached, in percent"),
            50,
            95,
            width=280,
            **form_fields.number("bl-learn-reach", 80, 50, 95),
        )
    found = background_work.by_click(
        SHELF,
        (budget,),
        lambda progress: race(budget, progress=progress),
        label=_("Train all {n}, {seeds} times each").format(n=len(DEPTHS), seeds=len(SEEDS)),
        doing=_("Training on {n} digits, {epochs} epochs each …").format(n=10 * EACH, epochs=EPOCHS),
    )
    if found is None:
        shapes = [(depth, width_of(depth, budget)) for depth in DEPTHS]
        _table([(depth, width, parameters(depth, width), None) for depth, width in shapes], int(wanted) / 100)
    else:
        charts.show(
            _chart(found),
            key="bl-learn-width-chart",
            alt=_("Accuracy on 600 held-out digits by epoch, by number of hidden layers; means of {n} seeds").format(
                n=len(SEEDS)
            ),
        )
        _table([(one.depth, one.width, one.parameters, one) for one in found], int(wanted) / 100)
    nav.link(
        "studies",
        _("The same with convolutions, as a study: one to three of 4, 8 or 16 channels"),
        icon=":material/science:",
        **{"studies-ready": "depth-width"},
    )


def _table(rows: list[tuple[int, int, int, Shaped | None]], wanted: float) -> None:
    heads = (
        _("Hidden layers"),
        _("Units of each"),
        _("Weights"),
        _("Epochs to {p}").format(p=number_format.percent(wanted, 0)),
        _("At the end"),
    )
    head = "".join(f"<th>{word}</th>" for word in heads)
    body = "".join(
        f"<tr><td>{depth}</td><td><bdi>{width}</bdi></td><td><bdi>{number_format.exact(weights)}</bdi></td>"
        f"<td><bdi>{_reached(one, wanted)}</bdi></td>"
        f"<td><bdi>{number_format.percent(one.end) if one else number_format.DASH}</bdi></td></tr>"
        for depth, width, weights, one in rows
    )
    st.html(f'<table class="bl-ladder bl-even"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>')


def _reached(one: Shaped | None, wanted: float) -> str:
    """Says after how many epochs each seed reached an accuracy."""
    if one is None:
        return number_format.DASH
    return ", ".join(_("never") if epochs is None else str(epochs) for epochs in one.epochs_to(wanted))


def _chart(found: list[Shaped]) -> Figure:
    go = charts.plotly()
    chart = charts.figure(340)
    for one, colour in zip(found, COLOURS, strict=True):
        mean = [sum(values) / len(values) for values in zip(*one.courses, strict=True)]
        chart.add_trace(
            go.Scatter(y=mean, name=f"{one.depth} × {one.width}", mode="lines", line={"color": colour, "width": 2.5})
        )
    chart.update_xaxes(title_text=_("Epoch"))
    chart.update_yaxes(title_text=_("Held-out accuracy"), tickformat="$.0%", range=[0, 1.02])
    return chart


def _why() -> Why:
    return Why(
        _(
            "A layer between layers costs its width squared, so the same budget makes five layers much narrower than "
            "one. In theory depth needs fewer units for some functions. In training every plain layer makes the "
            "gradient's way longer and narrower: with torch's usual initial weights it shrinks layer by layer. Skips, "
            "batch norm and wider initial weights are what made deep networks pay; the lesson before says how."
        ),
        r"P=65\,w+(d-1)\,(w+1)\,w+10\,(w+1)",
        ("He et al. 2016, Deep residual learning for image recognition", "https://arxiv.org/abs/1512.03385"),
    )


LESSON = Lesson(
    "width",
    N_("Depth against width"),
    N_("Are as many weights better in one broad layer or in several narrow ones?"),
    5,
    "view_column",
    _ask,
    _play,
    _why,
    (
        ("backbone", N_("Backbone: a network of your own, layer by layer, with its count of weights")),
        ("studies", N_("Studies: any field of a network varied over seeds")),
    ),
)
