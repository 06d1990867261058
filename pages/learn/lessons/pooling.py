"""Pooling against a stride: what is kept, what it costs, how steady it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from pages.learn import number_grid, own_network, typed_grid
from pages.learn.lesson import Lesson, Question, Why
from pages.learn.number_grid import Grid, written
from pages.ui.kit import components, form_fields
from pages.ui.kit.page_states import broken, busy, guarded
from pages.ui.selection.subjects import Subject
from pages.ui.session import caches
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _, translate_error

if TYPE_CHECKING:
    from core.lessons.pooling import Measured

MAP = "100,0,0,0;500,10,100,0;0,100,250,0;0,0,0,250"
"""The notes' map."""
KINDS = {"max": N_("Largest"), "mean": N_("Mean")}
WINDOWS = {"2": N_("2 × 2"), "3": N_("3 × 3"), "0": N_("The whole map")}
WAYS = {"max": N_("Max pooling, 2 × 2"), "mean": N_("Mean pooling, 2 × 2"), "stride": N_("Convolution, stride 2")}


def _ask() -> Question:
    import torch

    from core.lessons.pooling import pool

    share = pool(torch.tensor([[[1.0, 3.0], [2.0, 0.0]]]), "max", 2).share[0]
    reached = int((share != 0).sum())
    return Question(
        _("A 2 × 2 max pool answers 3 for the cells 1, 3, 2, 0. To how many of the four does a gradient go back?"),
        {"4": _("To all four, a quarter each"), "1": _("To one"), "3": _("To the three that are above zero")},
        str(reached),
        _("Only the largest cell decided, so only it can change the answer: it gets the whole gradient."),
        {"4": _("Mean pooling does that."), "3": _("What is smaller than the largest changes nothing, zero or not.")},
    )


def _pose() -> None:
    number_grid.show(Grid([[1, 3], [2, 0]]), "→", Grid([[3]]))


def _play() -> None:
    st.fragment(_bench)()


@guarded
def _bench() -> None:
    from core.lessons.pooling import pool

    with st.container(horizontal=True, vertical_alignment="bottom", key="bl-learn-pool-row"):
        kind = form_fields.choice(_("Of each window"), KINDS, "bl-learn-pool", default="max")
        side = form_fields.choice(_("Window"), WINDOWS, "bl-learn-pool-side", default="2")
        across = st.toggle(_("All channels together"), **form_fields.flag("bl-learn-across"))
        with st.popover(_("Other numbers"), icon=":material/edit:", key="bl-learn-pool-numbers"):
            first = typed_grid.grid(_("Map"), "bl-learn-pool-map", MAP, rows=8, columns=8, what=N_("The map"))
    if first is None:
        components.note(_("What was typed as the map cannot be read; “Other numbers” says why."))
        return
    import torch

    maps = torch.stack([first, first.flip(1) / 2]) if across else first[None]
    try:
        found = pool(maps, kind, int(side), across=across)
    except InputError as error:
        broken(_("This cannot be pooled"), translate_error(error), icon="report", tone="warn")
        return
    titles = [_("Channel {n}").format(n=index + 1) for index in range(len(maps))] if across else [_("Map")]
    number_grid.show(
        *(Grid(channel.tolist(), title) for channel, title in zip(maps, titles, strict=True)),
        "→",
        *(Grid(channel.tolist(), _("Pooled")) for channel in found.output),
    )
    components.section(_("What comes back"), _("The share of each cell in the gradient of the answers' sum."))
    number_grid.show(*(Grid(channel.tolist(), title) for channel, title in zip(found.share, titles, strict=True)))
    if kind == "mean" and side == "2" and not across:
        components.note(_("The same as a kernel of four times 0.25 with stride 2: mean pooling is a convolution."))


@own_network.on_subject
def _own(subject: Subject) -> None:
    shift = int(
        st.slider(
            _("The picture moves by, in pixels"),
            0,
            8,
            help=_("One pixel is what a hand that holds a camera does."),
            **form_fields.number("bl-learn-shift", 1, 0, 8),
        )
    )
    key = (subject.image.sha256, subject.network.preprocessing, shift)
    if caches.known("learn-pools", key):
        rows = caches.remember("learn-pools", key, lambda: _measure(subject, shift))
    else:
        with busy(_("Halving the maps, seven times each way …"), 160):
            rows = caches.remember("learn-pools", key, lambda: _measure(subject, shift))
    heads = (_("Halved by"), _("Time"), _("Parameters"), _("Operations"), _("Change under the shift"))
    head = "".join(f"<th>{word}</th>" for word in heads)
    duration = _("{n} ms")
    body = "".join(
        f"<tr><td>{number_format.together(_(WAYS[row.way]))}</td>"
        f"<td><bdi>{duration.format(n=written(row.milliseconds, 3))}</bdi></td>"
        f"<td><bdi>{number_format.exact(row.parameters)}</bdi></td><td><bdi>{number_format.count(row.macs)}</bdi></td>"
        f"<td><bdi>{number_format.percent(row.change)}</bdi></td></tr>"
        for row in rows
    )
    st.html(f'<table class="bl-ladder bl-even"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>')
    components.note(
        _(
            "Your picture under 16 random filters and a ReLU, halved in each way. The change is the length of the "
            "difference over that of the answer; the time is this machine's, forward alone, the median of seven."
        )
    )


def _measure(subject: Subject, shift: int) -> list[Measured]:
    import numpy as np
    import torch

    from core.lessons.pooling import measure

    pixels = torch.from_numpy(np.asarray(subject.picture.convert("RGB")).copy()).permute(2, 0, 1) / 255
    return measure(pixels, shift=shift)


def _why() -> Why:
    return Why(
        _(
            "Both halve a map. A pool has no weights: the largest says whether something is there, the mean how much; "
            "a cell more to the left changes little, as long as it stays within its window. A convolution with "
            "stride 2 learns what to keep, for as many weights and multiply-adds as any other, and skips every second "
            "place. Global mean pooling makes one number of each map; its gradient is 1/(HW) everywhere."
        ),
        r"y_{\max}=\max_{u,v\in W}x_{u,v},\qquad y_{\text{mean}}=\frac{1}{|W|}\sum_{u,v\in W}x_{u,v},\qquad"
        r"\frac{\partial y_{\text{mean}}}{\partial x_{u,v}}=\frac{1}{|W|}",
        ("Zhang 2019, Making convolutional networks shift-invariant again", "https://arxiv.org/abs/1904.11486"),
    )


LESSON = Lesson(
    "pooling",
    N_("Pooling against stride"),
    N_("How is a map made smaller, and what is lost?"),
    5,
    "compress",
    _ask,
    _play,
    _why,
    (
        ("anatomy", N_("Anatomy: which layers of your network pool, and which have a stride")),
        ("backbone", N_("Backbone: build a network of your own, layer by layer")),
    ),
    own=_own,
    pose=_pose,
)
