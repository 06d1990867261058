"""From logits to a heatmap: Grad-CAM worked out by hand on a map of one's own network."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from pages.learn import map_click, own_network
from pages.learn.lesson import Lesson, Question, Why
from pages.learn.number_grid import signed, written
from pages.ui.kit import components, form_fields
from pages.ui.kit.components import Figure
from pages.ui.kit.page_states import guarded
from pages.ui.selection import subjects
from pages.ui.selection.subjects import Subject
from pages.ui.session import caches
from pages.ui.text import layer_names, number_format
from pages.ui.text.i18n import N_, _

if TYPE_CHECKING:
    from core.lessons.heatmap_by_hand import Worked

AT = form_fields.kept("bl-learn-heat-at")
TARGET = "bl-learn-heat-class"
SIDE_PX, MOST = 336, 8


def _ask() -> Question:
    import torch

    weights, cell = torch.tensor([2.0, -3.0]), torch.tensor([1.0, 1.0])
    total = float((weights * cell).sum().relu())
    return Question(
        _("A cell's two channels are both 1. The class's mean gradients are 2 and −3. What does Grad-CAM show there?"),
        {"5": _("5: both count"), "2": _("2: only what speaks for the class"), "-1": "−1", "0": _("0: it stays dark")},
        f"{total:g}",
        _("2 · 1 + (−3) · 1 = −1, and only what is above zero is drawn: this place speaks against the class."),
        {
            "5": _("The sign counts: the second channel lowers the class's score."),
            "2": _("Channels are added first; only then what is below zero is cut off."),
            "-1": _("That is the sum; the ReLU behind it makes a zero of it."),
        },
    )


def _play() -> None:
    subject = own_network.subject()
    if subject is None:
        return
    if not subject.network.anatomy.cam_layer:
        subjects.callout(_("This network has no feature map that a heatmap could be made of. Choose another one."))
        return
    st.fragment(_work)(subject)


@guarded
def _work(subject: Subject) -> None:
    from core.lessons.heatmap_by_hand import work_out

    names = subject.network.classes
    first = str(int(subject.probabilities().argmax()))
    options = [str(index) for index in range(len(names))]
    target = st.selectbox(
        _("The class that is explained"),
        options,
        format_func=lambda index: names[int(index)],
        **form_fields.kept(TARGET).widget(TARGET, options, first),
    )
    key = (*subject.key, target)
    worked = caches.remember(
        "learn-heat", key, lambda: work_out(subject.network, subject.input(), target=int(target)), entries=8
    )
    rows, columns = worked.raw.shape
    strongest = int(worked.heatmap.argmax())
    usual = (strongest // columns, strongest % columns)
    row, column = map_click.place(AT, rows, columns, usual=usual)
    with st.container(key="bl-wrap-learn-heat"):
        left, right = st.columns([1, 1.5], gap="large")
    with left:
        drawn = caches.remember("learn-heat-maps", key, lambda: map_click.picture(worked.raw, SIDE_PX), entries=16)
        alt = _("{h} × {w} cells: red speaks for {name}, blue against it; click one").format(
            h=rows, w=columns, name=names[int(target)]
        )
        if map_click.draw(drawn, (rows, columns), AT, (row, column), key="bl-learn-heat", alt=alt, side_px=SIDE_PX):
            st.rerun(scope="fragment")
        components.note(alt)
        _overlay(subject, worked)
    with right:
        _sum(subject, worked, row, column)


def _overlay(subject: Subject, worked: Worked) -> None:
    from core.interpret.drawing.overlay import overlay

    top = float(worked.heatmap.max())
    values = (worked.heatmap / top if top > 0 else worked.heatmap).float().numpy()
    subjects.picture(
        overlay(subject.picture, values, opacity=0.55),
        most=SIDE_PX,
        title=_("The heatmap"),
        text=_("what is above zero, laid over the picture"),
        alt=_("The picture with the heatmap that these cells make"),
    )


def _sum(subject: Subject, worked: Worked, row: int, column: int) -> None:
    """Draws the cell's sum: the channels that count most, the others together, and the ReLU behind them."""
    from core.lessons.heatmap_by_hand import strongest

    products = worked.products(row, column)
    shown = strongest(products, MOST)
    rest = float(products.sum()) - float(products[shown].sum())
    components.section(
        _("Row {row}, column {column} of {layer}").format(
            row=row, column=column, layer=layer_names.layer(subject.network.anatomy, worked.layer)
        ),
        _("A channel's weight is the mean of its gradient over all {n} cells.").format(n=worked.raw.numel()),
    )
    channel, total_of = _("Channel {n}"), escape(_("Sum"))
    lines = "".join(
        f"<tr><td>{escape(channel.format(n=place))}</td>"
        f"<td><bdi>{written(float(worked.weights[place]))}&nbsp;·&nbsp;"
        f"{signed(float(worked.activations[place, row, column]))}</bdi></td>"
        f"<td><bdi>{written(float(products[place]))}</bdi></td></tr>"
        for place in shown
    )
    others = _("The other {n} channels").format(n=number_format.exact(len(products) - len(shown)))
    total = float(products.sum())
    lines += f"<tr><td>{escape(others)}</td><td></td><td><bdi>{written(rest)}</bdi></td></tr>"
    lines += f"<tr><td>{total_of}</td><td></td><td><bdi>{written(total)}</bdi></td></tr>"
    lines += (
        f'<tr class="bl-end"><td>ReLU</td><td><bdi>max(0,&nbsp;{written(total)})</bdi></td>'
        f"<td><bdi>{written(float(worked.heatmap[row, column]))}</bdi></td></tr>"
    )
    heads = (_("Channel"), _("Weight · activation"), _("Product"))
    head = "".join(f"<th>{escape(word)}</th>" for word in heads)
    st.html(f'<table class="bl-ladder"><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>')
    components.metrics(
        [
            Figure(_("Logit of the class"), written(worked.logit), _("what the gradients are of")),
            Figure(_("Strongest cell"), written(float(worked.heatmap.max())), _("drawn as the warmest")),
        ],
        compact=True,
    )


def _why() -> Why:
    return Why(
        _(
            "How much would the class's score rise if this channel answered more? That is the channel's gradient, and "
            "its mean over all places is the channel's weight. Weighed and added, the maps say place by place what "
            "speaks for the class; a ReLU drops what speaks against it. With global pooling and a linear layer behind "
            "the map, the weights are the layer's own, up to a factor: then it is CAM."
        ),
        r"\alpha_k=\frac{1}{HW}\sum_{i,j}\frac{\partial z_c}{\partial A^k_{i,j}},\qquad"
        r"L_{i,j}=\mathrm{ReLU}\Big(\sum_k\alpha_k\,A^k_{i,j}\Big)",
        ("Selvaraju et al. 2017, Grad-CAM", "https://arxiv.org/abs/1610.02391"),
    )


LESSON = Lesson(
    "heatmap",
    N_("From logits to a heatmap"),
    N_("Which sums make a place of a heatmap warm?"),
    6,
    "local_fire_department",
    _ask,
    _play,
    _why,
    (("heatmaps", N_("Heatmaps: this method and many others, and how far each can be trusted")),),
    own_alone=True,
)
