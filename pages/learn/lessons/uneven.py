"""Uneven classes: what accuracy hides of a rare class, and what weights and sampling do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from pages.learn.lesson import Lesson, Question, Why
from pages.learn.own import classes
from pages.ui.kit import charts, components, form_fields
from pages.ui.kit.page_states import guarded
from pages.ui.session import caches
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from core.lessons.imbalance import Judged

NAMES = {
    "always": N_("Always the common class"),
    "none": N_("As they come"),
    "weights": N_("Weights in the loss"),
    "oversampling": N_("Rare ones drawn again"),
    "undersampling": N_("Common ones left out"),
}
COUNT = 400


def _ask() -> Question:
    from core.lessons.imbalance import always_common

    always = always_common(0.05)
    return Question(
        _("One picture in twenty is of the rare class. How accurate is a program that never names it?"),
        {"50": "50 %", "95": "95 %", "5": "5 %", "0": _("0 %: it has learned nothing")},
        f"{always.accuracy * 100:.0f}",
        _("It is right on all common pictures and finds {recall} of the rare ones: accuracy alone hides that.").format(
            recall=number_format.percent(always.recalls[1])
        ),
        {
            "50": _("That is the mean of its two recalls, the balanced accuracy."),
            "5": _("That is how often it is wrong."),
            "0": _("That is its recall of the rare class."),
        },
    )


def _play() -> None:
    st.fragment(_bench)()


@guarded
def _bench() -> None:
    with st.container(key="bl-wrap-learn-uneven"):
        left, right = st.columns([1, 1.5], gap="large")
    with left:
        share = st.slider(
            _("Share of the rare class, in percent"), 1, 50, **form_fields.number("bl-learn-share", 5, 1, 50)
        )
        apart = st.slider(
            _("How far the classes lie apart"),
            0.5,
            4.0,
            step=0.25,
            **form_fields.number("bl-learn-apart", 2.0, 0.5, 4.0),
            help=_("Distance of the clouds' middles, in their deviations."),
        )
        cures = {name: NAMES[name] for name in NAMES if name != "always"}
        cure = form_fields.choice(_("Cure"), cures, "bl-learn-cure", default="none", wrap=True)
    judged = _judged(int(share) / 100, float(apart))
    with right:
        charts.show(
            _cloud(int(share) / 100, float(apart), judged[cure]),
            key="bl-learn-cloud",
            alt=_("{rare} rare points among {count}, and the line that “{cure}” draws between the classes").format(
                rare=round(COUNT * int(share) / 100), count=COUNT, cure=_(NAMES[cure])
            ),
        )
    _table([judged[name] for name in NAMES])
    components.note(
        _("Judged on {n} new points of each class, counted in the shares that they have in the world.").format(
            n=number_format.exact(2000)
        )
    )


def _judged(share: float, apart: float) -> dict[str, Judged]:
    from core.lessons.imbalance import CURES, always_common, judge

    def made() -> dict[str, Judged]:
        found = {cure: judge(share, cure, count=COUNT, distance=apart) for cure in CURES}
        return {"always": always_common(share)} | found

    return caches.remember("learn-uneven", (share, apart), made, entries=64)


def _table(rows: Sequence[Judged]) -> None:
    heads = (
        _("What is done"),
        _("Accuracy"),
        _("Recall of the rare"),
        _("Precision of the rare"),
        _("Balanced accuracy"),
    )
    head = "".join(f"<th>{word}</th>" for word in heads)
    body = "".join(
        f"<tr><td>{_(NAMES[row.cure])}</td>"
        + "".join(
            f"<td><bdi>{number_format.percent(value)}</bdi></td>"
            for value in (row.accuracy, row.recalls[1], row.precision, row.balanced)
        )
        + "</tr>"
        for row in rows
    )
    st.html(f'<table class="bl-ladder bl-even"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>')


def _cloud(share: float, apart: float, judged: Judged) -> Figure:
    from core.lessons.imbalance import points

    go = charts.plotly()
    x, y = points(share, COUNT, apart, 0)
    chart = charts.figure(330, hovermode=False)
    for label, name, colour in ((0, _("Common"), charts.FROZEN), (1, _("Rare"), charts.VAL)):
        own = x[y == label]
        chart.add_trace(
            go.Scatter(
                x=own[:, 0], y=own[:, 1], mode="markers", name=name, marker={"color": colour, "size": 7, "opacity": 0.8}
            )
        )
    w0, w1, bias = judged.line
    low, high = -3.5, 3.5
    ends = [(-(w1 * at + bias) / w0) for at in (low, high)] if w0 else []
    if ends:
        chart.add_trace(
            go.Scatter(
                x=ends, y=[low, high], mode="lines", name=_("The line"), line={"color": charts.ACCENT, "width": 3}
            )
        )
    chart.update_xaxes(range=[-4, apart + 4], title_text=_("First feature"))
    chart.update_yaxes(range=[low, high], title_text=_("Second feature"))
    return chart


def _why() -> Why:
    return Why(
        _(
            "A loss is a mean over what is there, so it listens to the common class. Weights multiply the rare class's "
            "part, drawing again repeats it, leaving out shortens the other: each moves the line to where both classes "
            "are treated alike. More rare ones are found, and more common ones are called rare by mistake. What that "
            "is worth is not for the network to say: a missed illness costs more than a second look."
        ),
        r"L=-\frac{1}{\sum_i w_{y_i}}\sum_i w_{y_i}\ln p_{i,y_i},\qquad w_c=\frac{N}{K\,N_c}",
        ("He and Garcia 2009, Learning from imbalanced data", "https://doi.org/10.1109/TKDE.2008.239"),
    )


LESSON = Lesson(
    "uneven",
    N_("Uneven classes"),
    N_("What does accuracy hide when a class is rare?"),
    6,
    "scatter_plot",
    _ask,
    _play,
    _why,
    (
        ("data", N_("Data: uneven classes, and what always naming the largest would reach")),
        ("train", N_("Train: class weights and even sampling, behind More")),
        ("evaluate", N_("Evaluate: recall, precision and balanced accuracy with their intervals")),
    ),
    own=classes.draw,
)
