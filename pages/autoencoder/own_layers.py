"""An autoencoder of one's own: encoder and decoder built layer by layer, kept in the address."""

from __future__ import annotations

import streamlit as st

from core.errors import InputError
from core.specs import Piece
from core.training.autoencoder.designs import DESIGNS, read_pieces, write_pieces
from pages.ui.kit import components
from pages.ui.plan import layer_list
from pages.ui.plan.layer_list import LayerList
from pages.ui.session.address import Bound
from pages.ui.text.i18n import N_, _

OWN = "own"
"""Name of the design that is built here."""
TITLE = N_("Layers of your own")
Halves = tuple[tuple[Piece, ...], tuple[Piece, ...]]
_LAYERS = Bound("auto-layers", kept="bl.kept.auto-layers")
_LISTS, _MADE = "bl.auto.lists", "bl.auto.lists-made"
_FROM = "bl-auto-from"
_QUICK = {"e": ("conv", "relu", "max-pool", "linear"), "d": ("transposed-conv", "conv", "relu", "unflatten", "sigmoid")}


def draw(begun: Halves, channels: int, side: int) -> Halves:
    """Draws both lists of layers with what each gives; returns encoder and decoder, which may be impossible.

    Args:
        begun: What they begin with.
        channels: Channels of the pictures.
        side: Their side, in pixels.
    """
    from core.models.architectures.layer_specs import trace_design

    encoder, decoder = _lists(begun)
    components.section(
        _("Encoder"), _("From the picture down to the narrow place: what its last layer gives is all that passes.")
    )
    _start(channels, side)
    layer_list.picture((channels, side, side))
    slots = layer_list.fields(encoder)
    end = st.container(gap=None)
    layer_list.add(encoder, _QUICK["e"])
    components.section(
        _("Decoder"), _("Back to a picture, with as many channels: a transposed convolution makes a map larger.")
    )
    slots += layer_list.fields(decoder)
    if steps := trace_design((*encoder.design, *decoder.design), channels, side):
        layer_list.results(slots, steps)
    layer_list.add(decoder, _QUICK["d"])
    if not encoder.rows:
        end.caption(_("No layer yet."))
    made = write_pieces(encoder.design, decoder.design)
    st.session_state[_MADE] = made
    if made != (_LAYERS.asked() or write_pieces(*begun)):
        _LAYERS.choose(made)
    return encoder.design, decoder.design


def _lists(begun: Halves) -> tuple[LayerList, LayerList]:
    """Returns the lists on the screen; those of the address where it says something else."""
    known: tuple[LayerList, LayerList] | None = st.session_state.get(_LISTS)
    asked = _LAYERS.asked()
    if known is not None and (asked is None or asked == st.session_state.get(_MADE)):
        return known
    halves = begun
    if asked is not None:
        try:
            halves = read_pieces(asked)
        except InputError:  # what a link cannot mean counts as not said
            halves = begun
    lists = known or (LayerList(prefix="e"), LayerList(prefix="d"))
    for one, pieces in zip(lists, halves, strict=True):
        one.fill(pieces)
    st.session_state[_LISTS] = lists
    return lists


def _start(channels: int, side: int) -> None:
    """Draws what the layers may start from: one of the known autoencoders."""

    def take() -> None:
        design = DESIGNS[st.session_state[_FROM]]
        for one, pieces in zip(st.session_state[_LISTS], design.make(channels, side, design.latents), strict=True):
            one.fill(pieces)

    st.menu_button(
        _("Start from …"),
        list(DESIGNS),
        key=_FROM,
        format_func=lambda name: _(DESIGNS[name].title),
        on_click=take,
        icon=":material/restart_alt:",
    )
