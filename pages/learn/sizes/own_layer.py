"""Sizes and parameters of one's own network: the formulas of any layer that has a window, filled in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.learn import own_network
from pages.ui.kit import components
from pages.ui.kit.components import Figure
from pages.ui.selection import subjects
from pages.ui.selection.subjects import Subject
from pages.ui.text import layer_names, number_format
from pages.ui.text.i18n import _, _n

if TYPE_CHECKING:
    from core.models.anatomy.records import Anatomy, Layer


@own_network.on_subject
def draw(subject: Subject) -> None:
    """Draws the choice of network and layer, and that layer's sums."""
    anatomy = subject.network.anatomy
    names = [layer.name for layer in anatomy.layers if layer.leaf and layer.output_shape and layer.formula]
    if not names:
        subjects.callout(_("No layer of this network has a parameter."))
        return
    name = own_network.layer(subject, names, "bl-learn-sized")
    layer = anatomy.layer(name)
    components.metrics(
        [
            Figure(_("In"), _shape(layer.input_shape), _("channels × height × width")),
            Figure(_("Out"), _shape(layer.output_shape), _("of the network at {n} px").format(n=anatomy.input_size)),
            Figure(
                _("Parameters"),
                number_format.exact(layer.own_parameters),
                _("of {all} in all").format(all=number_format.exact(anatomy.total)),
            ),
            Figure(_("Multiply-adds"), number_format.count(layer.own_macs), _("for one picture")),
        ],
        compact=True,
    )
    _size(layer)
    st.html(f'<p class="bl-learn-terms"><bdi>{layer.formula.replace("*", " · ")}</bdi></p>')
    components.note(_("Where the parameters come from: window, channels in, bias, channels out."))
    _largest(anatomy)


def _size(layer: Layer) -> None:
    from core.models.anatomy.sliding_window import window_of

    window = window_of(layer)
    if window is None or not window.rounding:
        return
    st.latex(f"{window.filled}={window.result}")
    if window.extra:
        components.note(
            _n(
                "This layer pads by itself: {n} cell over both ends, at the end.",
                "This layer pads by itself: {n} cells over both ends, an odd one at the end.",
                window.extra,
            ).format(n=window.extra)
        )


def _largest(anatomy: Anatomy) -> None:
    """Draws the stages' parameters beside each other: where most of them are."""
    parts = [
        (layer_names.stage(stage.name), float(stage.parameters), "accent" if stage.name == "head" else "frozen")
        for stage in anatomy.stages
    ]
    components.section(_("Where the parameters are"))
    components.bar(parts, label=_("Parameters of each stage"))


def _shape(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape)) or number_format.DASH
