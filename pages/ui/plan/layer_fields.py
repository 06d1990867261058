"""One layer of a small network on the screen: its settings, its output, and where its parameters come from."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import streamlit as st

from core.specs import PIECES, Piece
from pages.ui.session import choices
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _, _n, translate_error

if TYPE_CHECKING:
    from core.models.architectures.layer_specs import Step

LAYER_KINDS = {
    "conv": N_("Convolution"),
    "batch-norm": N_("Batch norm"),
    "relu": N_("ReLU"),
    "leaky-relu": N_("Leaky ReLU"),
    "elu": N_("ELU"),
    "gelu": N_("GELU"),
    "tanh": N_("Tanh"),
    "sigmoid": N_("Sigmoid"),
    "max-pool": N_("Max pool"),
    "average-pool": N_("Average pool"),
    "dropout": N_("Dropout"),
    "global-average-pool": N_("Global average pool"),
    "flatten": N_("Flatten"),
    "linear": N_("Linear"),
    "transposed-conv": N_("Transposed convolution"),
    "unflatten": N_("Unflatten"),
}
USUAL = {
    "conv": Piece("conv", size=16, kernel=3, padding=1),
    "leaky-relu": Piece("leaky-relu", rate=0.01),
    "max-pool": Piece("max-pool", kernel=2),
    "average-pool": Piece("average-pool", kernel=2),
    "dropout": Piece("dropout", rate=0.25),
    "linear": Piece("linear", size=64),
    "transposed-conv": Piece("transposed-conv", size=16, kernel=2, stride=2),
    "unflatten": Piece("unflatten", size=1),
}
"""What a layer is when it is added; kinds without settings are not listed."""


def settings(number: str, piece: Piece) -> Piece:
    """Draws a layer's kind and settings; returns the layer as it is set now."""
    key = f"bl-piece-{number}"
    choices.follow(f"{key}-kind", piece.kind)
    kind = st.selectbox(
        _("Kind of layer"),
        list(LAYER_KINDS),
        key=f"{key}-kind",
        format_func=lambda k: _(LAYER_KINDS[k]),
        width=160,
        label_visibility="collapsed",
    )
    if kind != piece.kind:
        piece = usual(str(kind))
    values: dict[str, Any] = {}
    for name in PIECES[piece.kind]:
        label, low, high = {
            "size": (_("Outputs") if piece.kind == "linear" else _("Channels"), 1, 16_384),
            "kernel": (_("Window"), 1, 63),
            "stride": (_("Stride"), 1, 63),
            "padding": (_("Padding"), 0, 31),
            "rate": (_("Share") if piece.kind == "dropout" else _("Slope"), 0.0, 0.95),
        }[name]
        value = getattr(piece, name)
        plain = 0  # what stands for the usual stride: 1 for a convolution, the window for a pool
        if name == "stride":
            plain = 1 if "conv" in piece.kind else values["kernel"]
            value = value or plain
        field = f"{key}-{piece.kind}-{name}"
        choices.follow(field, value)
        given = st.number_input(label, low, high, key=field, step=0.05 if name == "rate" else 1, width=79)
        given = value if given is None else given
        values[name] = 0 if name == "stride" and given == plain else given
    return Piece(piece.kind, **values)


def usual(kind: str) -> Piece:
    """Returns a layer of that kind with the settings it has when it is added."""
    return USUAL.get(kind) or Piece(kind)


def result(step: Step, most: int) -> str:
    """Returns the HTML of what a layer gives, or why it cannot be."""
    if step.problem is not None:
        return (
            '<p class="bl-piece-wrong" role="alert"><span class="bl-symbol" aria-hidden="true">error</span> '
            f"{escape(translate_error(step.problem))}</p>"
        )
    parameters = _n("{n} parameter", "{n} parameters", step.parameters).format(n=number_format.exact(step.parameters))
    formulas = " · ".join(part for part in (step.size_formula, step.formula) if part)
    return (
        f'<div class="bl-piece-out"><b><bdi>{shape(step.shape)}</bdi></b>'
        f"<span>{escape(parameters) if step.parameters else ''}</span>"
        + (f"<code>{escape(formulas)}</code>" if formulas else "")
        + (f'<i style="inline-size:{100 * step.parameters / most:.1f}%"></i>' if step.parameters else "")
        + "</div>"
    )


def added(step: Step, most: int) -> str:
    """Returns the HTML of a layer that nobody asked for: a flatten where one is needed, and the last layer."""
    last = step.piece.kind == "linear"
    text = _("added for you: one output a class") if last else _("added for you: all values in one row")
    return (
        f'<div class="bl-piece-fixed"><span class="bl-piece-name">{escape(step.name)}</span>'
        f"<em>{escape(text)}</em>{result(step, most)}</div>"
    )


def shape(shape: tuple[int, ...]) -> str:
    """Returns a shape in words."""
    return " × ".join(str(side) for side in shape)
