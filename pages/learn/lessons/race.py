"""Gradient descent and the race of the optimizers: the same start, steps and number of tried rates for all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.learn import rates_chart
from pages.learn.lesson import Lesson, Question, Why
from pages.learn.number_grid import written
from pages.learn.own import race as own_race
from pages.ui.kit import charts, components, form_fields
from pages.ui.kit.page_states import guarded
from pages.ui.selection import background_work
from pages.ui.session import caches
from pages.ui.text.i18n import N_, _

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from core.lessons.race import Path

PARTS = {"surface": N_("On a surface"), "digits": N_("On digits: accuracy over rates")}
RATES = {"best": N_("Each its best of nine"), "one": N_("One rate for all")}
FATES = {
    "arrived": N_("arrived"),
    "under way": N_("still under way"),
    "swings": N_("swings to and fro"),
    "exploded": N_("exploded"),
}
USUAL = ("SGD", "Momentum", "RMSprop", "Adam")
STEPS = 60
DIGIT_STEPS = 30
HEADS = "learn-heads"
LEAST = 1e-12
"""Below it a loss is drawn as this."""


def _ask() -> Question:
    from core.lessons.race import SURFACES, run

    small, large = (run(SURFACES["valley"], "SGD", rate, STEPS) for rate in (0.3, 0.6))
    what = "explodes" if large.fate == "exploded" and small.fate != "exploded" else "faster"
    return Question(
        _("In a valley 40 times as steep across as along it, SGD goes well with a rate of 0.3. And with 0.6?"),
        {
            "faster": _("It arrives twice as fast"),
            "explodes": _("It shoots out of the valley"),
            "same": _("It makes no difference"),
        },
        what,
        _("Across the valley a step multiplies the distance by 1 − 4 · 0.6 = −1.4: each lands further out."),
        {
            "faster": _("Along the valley, yes. But the steep direction sets the limit: the rate must be below 2/4."),
            "same": _("A rate is fine up to a limit, and past it nothing is."),
        },
    )


def _play() -> None:
    caches.later("learn-races-early", (), _early)
    st.fragment(_bench)()


@guarded
def _bench() -> None:
    part = form_fields.choice(_("Part"), PARTS, "bl-learn-race", default="surface", label_visibility="collapsed")
    if part == "surface":
        _surface()
    else:
        _digits()


def _surface() -> None:
    from core.lessons.race import OPTIMIZERS, SURFACES

    with st.container(horizontal=True, vertical_alignment="bottom", key="bl-learn-race-row"):
        key = "bl-learn-surface"
        name = st.selectbox(
            _("Surface"),
            list(SURFACES),
            format_func=lambda surface: _(SURFACES[surface].title),
            width=250,
            **form_fields.kept(key).widget(key, list(SURFACES), "valley"),
        )
        mode = form_fields.choice(_("Learning rate"), RATES, "bl-learn-rates", default="best")
        rate = 0.1
        if mode == "one":
            power = st.slider(
                _("Rate, as a power of ten"),
                -4.0,
                0.5,
                step=0.1,
                width=240,
                **form_fields.number("bl-learn-rate", -1.0, -4.0, 0.5),
            )
            rate = 10 ** float(power)
    chosen = _chosen(list(OPTIMIZERS))
    if not chosen:
        components.note(_("Choose at least one optimizer."))
        return

    paths = [_path(str(name), optimizer, None if mode == "best" else rate) for optimizer in chosen]
    with st.container(key="bl-wrap-learn-race"):
        left, right = st.columns([1.3, 1], gap="large")
    with left:
        charts.show(
            _map(str(name), paths),
            key="bl-learn-race-map",
            alt=_(
                "The ways of {n} optimizers over {steps} steps from one start; the stronger the ground, the lower"
            ).format(n=len(paths), steps=STEPS),
        )
    with right:
        charts.show(
            _losses(paths), key="bl-learn-race-losses", alt=_("The loss after each step, on a logarithmic scale")
        )
        _places(paths)


def _path(surface: str, optimizer: str, rate: float | None) -> Path:
    """Returns an optimizer's way at a rate; at its best one where none is given."""
    from core.lessons.race import SURFACES, run, tuned

    def made() -> Path:
        ground = SURFACES[surface]
        return tuned(ground, optimizer, STEPS) if rate is None else run(ground, optimizer, rate, STEPS)

    return caches.remember("learn-races", (surface, optimizer, rate and round(rate, 6)), made, entries=400)


def _early() -> None:
    """Works out, before somebody asks for them, the ways of the usual optimizers and the heads on digits."""
    from core.lessons.race import SURFACES, race_heads

    for surface in SURFACES:
        for optimizer in USUAL:
            _path(surface, optimizer, None)
    caches.remember(HEADS, (), lambda: race_heads(DIGIT_STEPS))


def _chosen(known: list[str]) -> list[str]:
    """Draws the choice of optimizers, which the address keeps."""
    key = "bl-learn-optimizers"
    asked = (form_fields.kept(key).asked() or ",".join(USUAL)).split(",")
    st.session_state[key] = [name for name in known if name in asked]

    def taken() -> None:
        form_fields.kept(key).choose(",".join(st.session_state[key]) or "-")

    return list(st.pills(_("Optimizers"), known, selection_mode="multi", key=key, on_change=taken))


def _places(paths: list[Path]) -> None:
    rows = "".join(
        f"<tr><td>{path.optimizer}</td><td><bdi>{written(path.rate, 3)}</bdi></td><td>{_(FATES[path.fate])}</td>"
        f"<td><bdi>{written(path.losses[-1], 4)}</bdi></td></tr>"
        for path in sorted(paths, key=lambda path: (path.fate == "exploded", path.losses[-1]))
    )
    heads = (_("Optimizer"), _("Rate"), _("How it went"), _("Last loss"))
    head = "".join(f"<th>{word}</th>" for word in heads)
    st.html(f'<table class="bl-ladder"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>')


def _map(name: str, paths: list[Path]) -> Figure:
    import torch

    from core.lessons.race import SURFACES

    go = charts.plotly()
    surface = SURFACES[name]
    left, right, bottom, top = surface.window
    xs, ys = torch.linspace(left, right, 81).double(), torch.linspace(bottom, top, 61).double()
    z = surface.loss(xs[None, :].expand(61, 81), ys[:, None].expand(61, 81))
    levels = (z - z.min() + 1e-3).log10()
    chart = charts.figure(420, hovermode="closest")
    chart.add_trace(
        go.Contour(
            x=xs.tolist(),
            y=ys.tolist(),
            z=levels.tolist(),
            colorscale=[[0, "#48606a"], [1, "rgba(128,150,155,0.05)"]],
            showscale=False,
            contours={"coloring": "heatmap"},
            line={"width": 0.6, "color": charts.HAIR},
            hoverinfo="skip",
            ncontours=18,
        )
    )
    for path in paths:
        x, y = zip(*path.points, strict=True)
        chart.add_trace(
            go.Scatter(
                x=x,
                y=y,
                mode="lines+markers",
                name=path.optimizer,
                line={"color": rates_chart.colour(path.optimizer), "width": 2.5},
                marker={"size": 4},
                hovertemplate=f"{path.optimizer}: %{{x:.3f}}, %{{y:.3f}}<extra></extra>",
            )
        )
    chart.add_trace(
        go.Scatter(
            x=[surface.start[0]],
            y=[surface.start[1]],
            mode="markers",
            marker={"size": 12, "symbol": "x", "color": charts.ACCENT},
            name=_("Start"),
            hoverinfo="skip",
        )
    )
    chart.update_xaxes(range=[left, right], showgrid=False, title_text=_("First weight"))
    chart.update_yaxes(range=[bottom, top], showgrid=False, title_text=_("Second weight"))
    return chart


def _losses(paths: list[Path]) -> Figure:
    go = charts.plotly()
    chart = charts.figure(250, showlegend=False)
    for path in paths:
        chart.add_trace(
            go.Scatter(
                y=[max(loss, LEAST) for loss in path.losses],
                name=path.optimizer,
                line={"color": rates_chart.colour(path.optimizer), "width": 2},
            )
        )
    lowered = (max(loss, LEAST) for path in paths for loss in path.losses)
    chart.update_yaxes(title_text=_("Loss"), **charts.magnitudes(lowered))
    chart.update_xaxes(title_text=_("Step"))
    return chart


def _digits() -> None:
    from core.lessons.race import race_heads

    rows = background_work.by_itself(
        HEADS,
        (),
        lambda progress: race_heads(DIGIT_STEPS, progress=progress),
        label=_("Train 63 heads"),
        doing=_("Training 63 heads of {n} steps each …").format(n=DIGIT_STEPS),
    )
    if rows is None:
        return
    rates_chart.draw(
        rows,
        key="bl-learn-race-digits",
        alt=_("Accuracy on 597 held-out digits after {n} steps, by learning rate and optimizer").format(n=DIGIT_STEPS),
    )


def _why() -> Why:
    return Why(
        _(
            "Gradient descent takes one rate for all directions, so the steepest sets the limit and the flattest the "
            "time. Momentum keeps going where steps agree and damps where they alternate. RMSprop and Adam divide each "
            "weight's step by how large its gradients have been: a small rate hurts them far less, but they may swing "
            "around the goal. An honest race gives everybody the same steps and as many rates to choose from."
        ),
        r"w\leftarrow w-\eta\,g;\qquad v\leftarrow\beta v+g,\;w\leftarrow w-\eta v;\qquad "
        r"w\leftarrow w-\eta\,\frac{\hat m}{\sqrt{\hat s}+\epsilon}",
        ("Kingma and Ba 2015, Adam: a method for stochastic optimization", "https://arxiv.org/abs/1412.6980"),
    )


LESSON = Lesson(
    "race",
    N_("Gradient descent, a race"),
    N_("What do learning rate and optimizer do?"),
    8,
    "downhill_skiing",
    _ask,
    _play,
    _why,
    (("train", N_("Train: optimizer and learning rate of each phase, and a search for the rate")),),
    own=own_race.draw,
)
