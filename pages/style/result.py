"""What was painted: the picture after each step, its losses, and the Gram matrices that are the style."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from core.data.encoding import png
from core.specs import ModelSpec
from pages.ui.kit import charts, components, form_fields
from pages.ui.selection import subjects
from pages.ui.session import caches
from pages.ui.text import layer_names
from pages.ui.text.glossary import explain
from pages.ui.text.i18n import N_, _

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.workflows.jobs.style_transfer import StyleRequest, StyleResult

MATRICES = {
    "content": N_("The first picture"),
    "result": N_("What was painted"),
    "style": N_("The picture with the style"),
}
GATYS = ("Gatys, Ecker and Bethge 2016", "https://doi.org/10.1109/CVPR.2016.265")


def growing(found: StyleResult) -> None:
    """Draws the picture as it is while it is at work."""
    step = found.frames[-1]
    subjects.picture(
        found.frame(step), alt=_("The picture as it grows"), text=_("After step {n}").format(n=step), most=420
    )


def draw(found: StyleResult, *, whole: bool) -> None:
    """Draws what was made.

    Args:
        found: It.
        whole: Whether it came to its end.
    """
    with st.container(key="bl-wrap-style-result"):
        left, right = st.columns([1.2, 1], gap="large")
    with left:
        step = found.frames[-1]
        if len(found.frames) > 1:
            step = st.select_slider(
                _("After step"),
                found.frames,
                **form_fields.kept("bl-style-step").widget("bl-style-step", found.frames, step, begun=True),
            )
        picture = found.frame(int(step))
        subjects.picture(picture, alt=_("What was painted, after step {n}").format(n=step), most=520)
        components.download(_("Download"), picture, f"style-transfer-step-{step}.png", "bl-style-download")
    with right:
        _losses(found)
    if whole:
        _grams(found)
    components.why(
        _(
            "A layer's maps say what is where. Multiply each two maps pixel by pixel and add up: the places are gone, "
            "and what is left says which patterns come together. These Gram matrices are the style. The network stays "
            "as it is; the pixels learn, by L-BFGS, until their maps are those of the first picture and their Gram "
            "matrices those of the second. Both losses are relative here: 1 is a picture without content, or without "
            "style."
        ),
        formula=r"G_{ij} = \tfrac{1}{HW}\sum_k F_{ik}F_{jk} \qquad L = \frac{\lVert F - P\rVert^2}{\lVert P\rVert^2} + "
        r"w\,\frac1n\sum_l \frac{\lVert G_l - A_l\rVert^2}{\lVert A_l\rVert^2}",
        paper=GATYS,
        key="bl-style-why",
    )


def _losses(found: StyleResult) -> None:
    """Draws both losses over the steps."""
    go = charts.plotly()
    chart = charts.figure(300)
    steps = list(range(1, len(found.losses["total"]) + 1))
    for name, title in (("content", _("Content")), ("style", _("Style"))):
        chart.add_trace(go.Scatter(x=steps, y=found.losses[name], name=title, mode="lines"))
    request: StyleRequest = found.job.read_request()  # type: ignore[assignment]
    stages = request.plan().stages()
    if len(stages) > 1 and len(steps) > stages[0][1]:
        chart.add_vline(
            x=stages[0][1] + 0.5,
            line={"color": charts.HAIR},
            annotation_text=_("{n} px from here").format(n=stages[1][0]),
        )
    chart.update_yaxes(type="log", title=_("Loss, relative"), exponentformat="power")
    chart.update_xaxes(title=_("Step"))
    first, last = ({name: found.losses[name][place] for name in ("content", "style")} for place in (0, -1))
    charts.show(
        chart,
        key="bl-style-losses",
        alt=_("Style from {first} to {last}, content from {before} to {after}, in {n} steps and {seconds} s.").format(
            first=subjects.number(first["style"]),
            last=subjects.number(last["style"]),
            before=subjects.number(first["content"]),
            after=subjects.number(last["content"]),
            n=len(steps),
            seconds=round(found.seconds),
        ),
    )


def _grams(found: StyleResult) -> None:
    """Draws the Gram matrices of one layer side by side, on one scale."""
    grams = caches.remember("style-grams", (str(found.job.path), found.frames[-1]), found.grams, entries=4)
    if not grams:
        return
    components.section(
        _("What the network calls style"),
        _("Which channels of a layer answer together: the Gram matrices, before, after, and as they were meant to be."),
        help=explain("gram matrix"),
    )
    request: StyleRequest = found.job.read_request()  # type: ignore[assignment]
    anatomy = caches.anatomy(ModelSpec(request.reference))
    layer = st.selectbox(
        _("Layer"),
        list(grams),
        **form_fields.kept("bl-style-gram").widget("bl-style-gram", list(grams), next(iter(grams)), begun=True),
        format_func=lambda name: layer_names.layer(anatomy, name),
    )
    of_layer = grams[layer]
    top = max(float(abs(value).max()) for value in of_layer.values())
    with st.container(key="bl-style-grams"):
        columns = st.columns(3, gap="medium")
    for column, (which, title) in zip(columns, MATRICES.items(), strict=True):
        with column:
            drawn = caches.remember(
                "style-gram-pictures",
                (str(found.job.path), layer, which),
                partial(_picture, of_layer[which], top),
                entries=24,
            )
            subjects.picture(drawn, alt=_(title), title=_(title), sharp=True)
    distance = {which: _distance(of_layer[which], of_layer["style"]) for which in ("content", "result")}
    components.note(
        _(
            "The {n} channels that answer most strongly to the style, on one scale. The first picture's matrix is "
            "{before} away from the style's, the painted one's {after} (relative)."
        ).format(
            n=len(of_layer["style"]),
            before=subjects.number(distance["content"]),
            after=subjects.number(distance["result"]),
        )
    )


def _distance(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    scale = float((other**2).sum())
    return float(((one - other) ** 2).sum()) / scale if scale else float("nan")


def _picture(matrix: NDArray[np.float32], top: float) -> bytes:
    """Draws a Gram matrix; the colour goes with the root of the size, so that weak pairs are seen, too."""
    import numpy as np

    from core.interpret.drawing.overlay import heat_image

    size = np.sqrt(np.abs(matrix) / top) if top else np.zeros_like(matrix)
    return png(heat_image(np.sign(matrix) * size, colormap="blue-red", signed=True))
