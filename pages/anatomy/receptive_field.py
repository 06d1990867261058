"""What a layer sees of the person's picture: the window that it could see, and the pixels that really move it."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from core.specs import HeadSpec, ModelSpec
from pages.ui.kit import components, style
from pages.ui.kit.components import Figure
from pages.ui.kit.page_states import broken, busy
from pages.ui.selection import field_pictures, image_picker, subjects
from pages.ui.session import caches
from pages.ui.text import layer_names, number_format
from pages.ui.text.i18n import _, translate_error

if TYPE_CHECKING:
    from core.models.anatomy.records import Anatomy
    from pages.ui.session.choices import ImageChoice

PICTURE = image_picker.Place("bl-field-image", "picture", ".field")
"""A picture of its own: what is chosen here changes no other page."""


def sheet(anatomy: Anatomy, spec: ModelSpec, classes: int | None, layer: str) -> None:
    """Draws the receptive field of a layer.

    Args:
        anatomy: The network's anatomy.
        spec: The chosen network.
        classes: Number of classes of the chosen data, if any.
        layer: The chosen layer or block; ``""`` for one whose window is about a quarter of the image wide.
    """
    with_maps = {found.name for found in anatomy.layers if found.layout}
    name = layer if layer in with_maps else _first(anatomy)
    if not name:
        components.note(_("No layer of this network keeps the picture's layout, so there is no field to show."))
        return
    style.send("inside.css")
    if name != layer:
        components.note(
            _("Shown for {layer}: choose a layer with a feature map in the drawing for its own.").format(
                layer=layer_names.layer(anatomy, name)
            )
        )
    image = image_picker.image_picker(place=PICTURE)
    if image is None:
        components.note(_("Choose a sample, give a file or take a photograph; it is looked at here and kept nowhere."))
        return
    usable, remark = _weights(spec)
    cell = _cell(anatomy, name)
    key = (replace(usable, head=spec.head), classes, image.sha256, name, cell)
    here = caches.known("fields", key, entries=48)
    try:
        with nullcontext() if here else busy(_("Following the layer's activation back to the pixels …"), 360):
            drawn = caches.remember(
                "fields", key, lambda: _measure(usable, anatomy, classes, image, name, cell), entries=48
            )
    except InputError as error:
        broken(_("No field can be shown"), translate_error(error), icon="report", tone="warn")
        return
    _answer(drawn, layer_names.layer(anatomy, name), remark)


def _first(anatomy: Anatomy) -> str:
    """Returns the layer to begin with: its window is as near as can be to a quarter of the image's side."""
    quarter = anatomy.input_size / 4
    sides = {found.name: found.receptive.size[0] for found in anatomy.layers if found.layout and found.receptive}
    return min(sides, key=lambda name: abs(sides[name] - quarter), default=anatomy.cam_layer)


def _weights(spec: ModelSpec) -> tuple[ModelSpec, str]:
    """Returns the network with weights that are here, and a remark where these are not the chosen ones."""
    from core.models.catalog.catalog import weights_state

    handed_on = spec.weights.startswith(("run:", "file:"))
    if spec.weights == "none":
        return spec, _(
            "With random weights: the effective field is that of the network's build, before it has learned."
        )
    if not handed_on and weights_state(spec.backbone, spec.weights) != "available":
        return replace(spec, weights="none"), _(
            "The chosen weights are not on this machine, so the effective field is shown for random ones."
        )
    return spec, ""


def _cell(anatomy: Anatomy, name: str) -> tuple[int, int]:
    """Draws the choice of a place in the layer's map, and returns its row and column."""
    shape = anatomy.layer(name).map_shape
    rows, columns = shape[1:] if shape else anatomy.grid
    if rows < 2 or columns < 2:
        return 0, 0
    first, second = st.columns(2)
    with first:
        row = _place(_("Row of the map"), rows, "bl-field-row")
    with second:
        column = _place(_("Column of the map"), columns, "bl-field-column")
    return row, column


def _place(label: str, size: int, key: str) -> int:
    """Draws one coordinate; it keeps its share of the map's side when another layer is chosen."""
    share = f"{key}-share"
    st.session_state[key] = min(size - 1, int(st.session_state.get(share, 0.5) * size))

    def moved() -> None:
        st.session_state[share] = (st.session_state[key] + 0.5) / size

    return int(st.slider(label, 0, size - 1, key=key, on_change=moved))


def _measure(
    spec: ModelSpec, anatomy: Anatomy, classes: int | None, image: ImageChoice, name: str, cell: tuple[int, int]
) -> field_pictures.Drawn:
    from core.data.images import fit, open_image

    plain = spec if classes else replace(spec, head=HeadSpec())
    network = caches.built(plain, classes or anatomy.num_classes)
    picture = fit(open_image(image.data, name=image.name), network.preprocessing).convert("RGB")
    return field_pictures.draw(network, picture, name, cell)


def _answer(drawn: field_pictures.Drawn, called: str, remark: str) -> None:
    field = drawn.field
    with st.container(key="bl-wrap-field"):
        left, right = st.columns(2, gap="large")
    size = _("{h} × {w} px").format(h=field.size[0], w=field.size[1]) if field.size else _("the whole image")
    with left:
        subjects.picture(
            drawn.theory,
            most=field_pictures.MAX_SIDE_PX,
            title=_("What it can see"),
            text=size,
            alt=_("The picture, dark outside of the window that one value of {layer} can see").format(layer=called),
        )
    with right:
        subjects.picture(
            drawn.measured,
            most=field_pictures.MAX_SIDE_PX,
            title=_("What it looks at"),
            text=_("95 %\u00a0of the influence lies within {n} × {n} px").format(n=field.extent)
            if not field.empty
            else _("no pixel moves this value: it is zero here"),
            alt=_("The picture with the pixels that move one value of {layer}").format(layer=called),
        )
    components.metrics(
        [
            Figure(_("Theoretical field"), size, _(field.reason) or _("by kernels and strides alone")),
            Figure(
                _("Effective field"),
                f"{field.extent} px" if not field.empty else number_format.DASH,
                _("side of the square with 95 %\u00a0of the squared gradient"),
            ),
            Figure(
                _("Place in the map"),
                f"{field.cell[0]}, {field.cell[1]}",
                _("row and column of {h} × {w}").format(h=field.grid[0], w=field.grid[1]),
            ),
        ],
        compact=True,
    )
    if remark:
        subjects.callout(remark, icon="casino")
    components.why(
        _(
            "Kernels and strides say how far a value can see. How much each pixel in that window really moves it is "
            "its gradient: strong in the middle and weak at the edges, because many more paths lead through the "
            "middle. Training widens it."
        ),
        formula=r"r_l = r_{l-1} + (k_l-1)\,j_{l-1},\qquad j_l = j_{l-1}\,s_l",
        paper=("Luo et al. 2016, Understanding the effective receptive field", "https://arxiv.org/abs/1701.04128"),
        key="bl-field-why",
    )
