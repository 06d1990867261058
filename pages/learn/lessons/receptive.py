"""The receptive field: how it grows layer by layer over one's own picture, in theory and in effect."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from pages.learn import own_network
from pages.learn.lesson import Lesson, Question, Why
from pages.ui.kit import components, form_fields
from pages.ui.kit.components import Figure
from pages.ui.kit.page_states import broken, busy
from pages.ui.selection import field_pictures, layer_picker, subjects
from pages.ui.selection.subjects import Subject
from pages.ui.session import caches
from pages.ui.text import layer_names
from pages.ui.text.i18n import N_, _, translate_error

if TYPE_CHECKING:
    from core.models.anatomy.records import Anatomy, Layer
    from pages.ui.selection.field_pictures import Drawn

DEPTH = "bl-learn-depth"
SIDE_PX = 330


def _ask() -> Question:
    size, jump = 1, 1
    for kernel, stride in ((3, 1), (3, 2), (3, 1)):
        size, jump = size + (kernel - 1) * jump, jump * stride
    return Question(
        _("Three 3 × 3 convolutions follow each other, the second with stride 2. How wide a window does the last see?"),
        {"3": _("3 pixels"), "7": _("7 pixels"), "9": _("9 pixels"), "27": _("27 pixels")},
        str(size),
        _("1 + 2 + 2 + 2 · 2 = {n}: behind the stride, one cell of the map is two pixels wide.").format(n=size),
        {
            "3": _("Of the map before it; each of those cells sees more."),
            "7": _("That would be without the stride."),
            "27": _("Windows overlap: their sizes add up and do not multiply."),
        },
    )


@own_network.on_subject
def _play(subject: Subject) -> None:
    anatomy = subject.network.anatomy
    with_maps = [layer.name for layer in anatomy.layers if layer.layout]
    names = layer_picker.main_layers(anatomy, with_maps)
    if not names:
        subjects.callout(_("No layer of this network keeps the picture's layout, so there is no field to show."))
        return
    depth = 1
    if len(names) > 1:
        depth = int(
            st.slider(
                _("How deep: layer {n} at most").format(n=len(names)),
                1,
                len(names),
                **form_fields.number(DEPTH, 1, 1, len(names)),
            )
        )
    name = names[depth - 1]
    try:
        if caches.known("learn-fields", (*subject.key, name), entries=64):
            drawn = _made(subject, name)
        else:
            with busy(_("Following the layer's activation back to the pixels …"), 330):
                drawn = _made(subject, name)
    except InputError as error:
        broken(_("No field can be shown"), translate_error(error), icon="report", tone="warn")
        return
    _pictures(drawn, layer_names.layer(anatomy, name))
    _growth(anatomy, names[:depth])
    if depth < len(names):  # where the slider goes next
        caches.later("learn-fields-early", (*subject.key, names[depth]), lambda: _made(subject, names[depth]))


def _made(subject: Subject, name: str) -> Drawn:
    def made() -> Drawn:
        return field_pictures.draw(subject.network, subject.picture.convert("RGB"), name)

    return caches.remember("learn-fields", (*subject.key, name), made, entries=64)


def _pictures(drawn: Drawn, called: str) -> None:
    field = drawn.field
    size = _("{h} × {w} px").format(h=field.size[0], w=field.size[1]) if field.size else _("the whole image")
    with st.container(key="bl-wrap-learn-field"):
        theory, measured, figures = st.columns([1, 1, 0.8], gap="medium")
    with theory:
        subjects.picture(
            drawn.theory,
            most=SIDE_PX,
            title=_("What it can see"),
            text=size,
            alt=_("The picture, dark outside of the window that one value of {layer} can see").format(layer=called),
        )
    with measured:
        subjects.picture(
            drawn.measured,
            most=SIDE_PX,
            title=_("What it looks at"),
            text=_("95 %\u00a0of the influence lies within {n} × {n} px").format(n=field.extent)
            if not field.empty
            else _("no pixel moves this value: it is zero here"),
            alt=_("The picture with the pixels that move one value of {layer}").format(layer=called),
        )
    with figures:
        components.metrics(
            [
                Figure(_("Layer"), called),
                Figure(_("In theory"), size, _(field.reason) or _("by kernels and strides alone")),
                Figure(
                    _("In effect"),
                    _("no pixel") if field.empty else f"{field.extent} px",
                    _("95 %\u00a0of the squared gradient"),
                ),
            ],
            compact=True,
        )


def _growth(anatomy: Anatomy, names: tuple[str, ...]) -> None:
    """Draws how the window grew up to the chosen layer, a bar a layer."""
    rows = [(name, anatomy.layer(name)) for name in names]
    most = max((layer.receptive.size[0] for _name, layer in rows if layer.receptive), default=1)
    body = "".join(_bar(layer_names.layer(anatomy, name), layer, most) for name, layer in rows)
    components.section(_("How it grew"), _("The window's side in pixels, and the step from one to the next."))
    st.html(f'<ol class="bl-sums bl-growth">{body}</ol>')


def _bar(called: str, layer: Layer, most: int) -> str:
    field = layer.receptive
    if field is None:
        whole = escape(_("the whole image"))
        return f"<li><span>{escape(called)}</span><i></i><b>{whole}</b></li>"
    text = _("{size} px, step {jump}").format(size=field.size[0], jump=f"{field.jump[0]:g}")
    return (
        f'<li><span>{escape(called)}</span><i style="inline-size:{max(1.0, 100 * field.size[0] / most):.1f}%"></i>'
        f"<b><bdi>{escape(text)}</bdi></b></li>"
    )


def _why() -> Why:
    return Why(
        _(
            "Each layer adds its kernel's reach, counted in steps of the map below it; each stride doubles the step of "
            "all that follows. So the window grows fast once maps are small, and is soon larger than the picture. What "
            "really moves a value lies in the middle of it: many more paths lead through the middle than to the edge. "
            "Attention and squeeze-and-excitation see the whole picture at once, and have no such window."
        ),
        r"r_l = r_{l-1} + (k_l-1)\,j_{l-1},\qquad j_l = j_{l-1}\,s_l",
        ("Luo et al. 2016, Understanding the effective receptive field", "https://arxiv.org/abs/1701.04128"),
    )


LESSON = Lesson(
    "receptive-field",
    N_("Receptive field"),
    N_("How much of the picture does one value see?"),
    5,
    "center_focus_strong",
    _ask,
    _play,
    _why,
    (
        ("anatomy", N_("Anatomy: the field of any layer, at any place of its map")),
        ("heatmaps", N_("Heatmaps: why a deep layer's cell is so coarse")),
    ),
    own_alone=True,
)
