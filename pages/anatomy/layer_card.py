"""The card of one layer: what it does, its sizes, its arithmetic filled in; and of a block or a stage, in short."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any

import streamlit as st

from core.models.anatomy.sliding_window import Window, window_of
from pages.anatomy import conv_arithmetic, layer_texts
from pages.ui.kit import components, network_diagram
from pages.ui.kit import svg as drawing
from pages.ui.kit.components import Figure
from pages.ui.kit.network_diagram import States
from pages.ui.text import layer_names, number_format
from pages.ui.text.glossary import explain
from pages.ui.text.i18n import _

if TYPE_CHECKING:
    from core.models.anatomy.records import Anatomy, Block, Layer


def card(anatomy: Anatomy, name: str, states: States, toggle: Callable[[str], None]) -> None:
    """Draws the card of a layer.

    Args:
        anatomy: The network's anatomy.
        name: The layer's name.
        states: What each part does.
        toggle: Called with the name when the card's lock is turned.
    """
    layer = anatomy.layer(name)
    state = states.of(name)
    title = layer_names.layer(anatomy, name)
    called = layer_names.in_block(anatomy, name, layer.kind)
    words = network_diagram.lock(called, state, states.open(name), head=layer.stage == "head")
    below = [layer.kind, network_diagram.stage_title(layer.stage) if title == name else name]
    _title(title, " · ".join(below), name, state, words, toggle)
    text = layer_texts.about(layer.kind)
    if text:
        st.markdown(text)
    components.metrics(_figures(anatomy, layer), compact=True)
    window = window_of(layer)
    if layer.formula and window:
        with st.container(key="bl-wrap-card"):
            left, right = st.columns(2, gap="large")
        with left:
            _parameters(layer)
            _size(window)
        with right:
            _slide(window)
        return
    if layer.formula:
        _parameters(layer)
    if window:
        _size(window)
        _slide(window)


def part_card(
    anatomy: Anatomy, stage_name: str, block: Block | None, states: States, toggle: Callable[[str], None]
) -> None:
    """Draws the card of a stage, or of a block in it: what it adds up to.

    Args:
        anatomy: The network's anatomy.
        stage_name: The stage.
        block: The block; ``None`` for the stage itself.
        states: What each part does.
        toggle: Called with the part's name when the card's lock is turned.
    """
    stage = anatomy.stage(stage_name)
    head = stage_name == "head"
    if block is None:
        name, title, kind, parameters = stage_name, network_diagram.stage_title(stage_name), "", stage.parameters
        inside = [layer for layer in anatomy.layers if layer.stage == stage_name]
        leaving, state, opened = (
            network_diagram.stage_shape(anatomy, stage),
            states.of(stage_name),
            states.open(stage_name),
        )
    else:
        name, title, kind, parameters = (
            network_diagram.block_id(anatomy, block),
            network_diagram.block_title(anatomy, block),
            f"{block.kind} · {block.name}",
            block.parameters,
        )
        members = set(network_diagram.inside(anatomy, block))
        inside = [layer for layer in anatomy.layers if layer.name in members]
        leaving = (
            network_diagram.shape_words((*block.spatial, block.channels)) if block.spatial and block.channels else ""
        )
        state, opened = network_diagram.block_state(block, states), network_diagram.block_open(block, states)
    _title(title, kind, name, state, network_diagram.lock(title, state, opened, head=head), toggle)
    inner = [layer for layer in inside if layer.leaf]
    components.metrics(
        [
            Figure(
                _("Parameters"),
                number_format.count(parameters),
                _("{share} of all").format(share=number_format.percent(parameters / anatomy.total, 2)),
                exact=exact(parameters),
            ),
            Figure(_("Layers"), number_format.exact(len(inner)), _("that compute something")),
            Figure(
                _("Multiply-adds"), number_format.count(sum(layer.own_macs for layer in inside)), _("for one image")
            ),
            Figure(
                _("Activations"), number_format.size(sum(layer.activation_bytes for layer in inner)), _("for one image")
            ),
            *([Figure(_("Output"), leaving, _("height × width × channels"))] if leaving and not head else []),
        ],
        compact=True,
    )
    components.note(_("Choose one of its parts above for its own figures."))


def exact(count: int) -> str:
    """Returns a number of parameters in words."""
    return _("{n} parameters").format(n=number_format.exact(count))


def _title(title: str, kind: str, name: str, state: str, words: dict[str, Any], toggle: Callable[[str], None]) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="bl-card-title"):
        st.html(f'<div class="bl-section"><h2><bdi>{escape(title)}</bdi></h2><p>{escape(kind)}</p></div>')
        if state != "none":
            icon = ":material/lock:" if state == "frozen" else ":material/lock_open:"
            st.button(
                words["lock"] if words["free"] else _("Always learns"),
                key="bl-card-lock",
                icon=icon,
                disabled=not words["free"],
                help=words["word"],
                on_click=toggle,
                args=(name,),
            )


def _figures(anatomy: Anatomy, layer: Layer) -> list[Figure]:
    shapes = [network_diagram.map_words(shape, layer.layout) for shape in (layer.input_shape, layer.output_shape)]
    spatial = len(layer.output_shape) == 3
    found = [
        Figure(_("Input"), shapes[0], _("height × width × channels") if len(layer.input_shape) == 3 else ""),
        Figure(_("Output"), shapes[1], _("height × width × channels") if spatial else ""),
        Figure(
            _("Parameters"),
            number_format.count(layer.own_parameters),
            _("{share} of all").format(share=number_format.percent(layer.own_parameters / anatomy.total, 2))
            if layer.own_parameters
            else "",
            exact=exact(layer.own_parameters),
        ),
        Figure(
            _("Multiply-adds"),
            number_format.count(layer.own_macs),
            _("for one image"),
            explain("multiply-adds"),
            number_format.exact(layer.own_macs),
        ),
        Figure(
            _("Activation"),
            number_format.size(layer.activation_bytes),
            _("for one image, in fp32"),
            exact=_("{n} bytes").format(n=number_format.exact(layer.activation_bytes)),
        ),
        receptive(layer),
    ]
    if layer.kernel:
        found.insert(
            2,
            Figure(
                _("Kernel"),
                network_diagram.shape_words(layer.kernel),
                _window_words(layer),
                _("In pixels of its input. Without a word there is no padding, and the dilation is 1."),
            ),
        )
    if layer.calls > 1:
        found.append(Figure(_("Runs"), f"{layer.calls} ×", _("in one pass")))
    return found


def _window_words(layer: Layer) -> str:
    """Returns how a window moves, in words: the stride, and what is not as usual."""
    said = [
        (_("stride {n}"), layer.stride, 0),
        (_("padding {n}"), layer.padding, 0),
        (_("dilation {n}"), layer.dilation, 1),
    ]
    words = [
        text.format(n=side[0] if len(set(side)) == 1 else network_diagram.shape_words(side))
        for text, side, usual in said
        if side and set(side) != {usual}
    ]
    if layer.groups and layer.groups > 1:
        words.append(_("{n} groups").format(n=layer.groups))
    return ", ".join(words)


def receptive(layer: Layer) -> Figure:
    """Returns a layer's receptive field as a figure, with its jump and first centre."""
    from core.models.anatomy.records import NO_FIELD

    help_ = _("The part of the image that one value of its output depends on.")
    field = layer.receptive
    if field is None:
        return Figure(_("Receptive field"), number_format.DASH, _("no one window"), _(NO_FIELD[layer.receptive_reason]))
    pairs = [field.size, field.jump, field.start]
    size, jump, start = (" × ".join(f"{x:g}" for x in (pair[:1] if pair[0] == pair[1] else pair)) for pair in pairs)
    return Figure(
        _("Receptive field"), f"{size} px", _("jump {jump}, first centre {start}").format(jump=jump, start=start), help_
    )


def _parameters(layer: Layer) -> None:
    components.note(
        _("Its parameters, one kernel's weights and bias times the number of kernels:")
        if layer.kernel
        else _("Its parameters:")
    )
    st.code(layer.formula, language=None)


def _size(window: Window) -> None:
    rule = conv_arithmetic.formula(window)
    if rule:
        components.note(_("The side of its output, from input h, padding p, kernel k and stride s:"))
        st.latex(rule)
    else:
        components.note(
            _(
                "It pads as much as it needs, so that the side of its output is that of its input over the "
                "stride, rounded up."
            )
        )


def _slide(window: Window) -> None:
    if window.kernel > 32:
        return
    svg, width = conv_arithmetic.drawing(window)
    words = _(
        "A window of {k} × {k} at its first place gives one value of the output; dashed, its second place, {s} to the "
        "right."
    ).format(k=window.reach, s=window.stride)
    drawing.show(svg, width=width, alt=words, key="bl-card-drawing")
