"""A chain of layers, typed or taken from the notes: every size and every count with its formula."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from pages.learn.sizes import families, transposed
from pages.ui.kit import components, form_fields
from pages.ui.kit.components import Figure
from pages.ui.kit.page_states import broken, guarded
from pages.ui.session import address
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _, translate_error

if TYPE_CHECKING:
    from core.lessons.sizes import Sized

PARTS = {"chain": N_("A chain of layers"), "families": N_("VGG and ResNet")}
PRESET = address.Bound("start", kept="bl.learn.chain.start")
LAYERS = address.Bound("layers", kept="bl.learn.chain.layers")
INPUT = address.Bound("input", kept="bl.learn.chain.input")
FIRST = "stride"
_TEXT, _INPUT, _CHOSEN = "bl-learn-layers", "bl-learn-input-shape", "bl-learn-chain"


def draw() -> None:
    """Draws it; a change of it draws nothing else of the page anew."""
    families.early()
    st.fragment(_bench)()


@guarded
def _bench() -> None:
    part = form_fields.choice(_("Part"), PARTS, "bl-learn-sizes", default="chain", label_visibility="collapsed")
    if part == "families":
        families.draw()
    else:
        _chain()


def _chain() -> None:
    from core.lessons.sizes import CHAINS, follow, read_chain

    with st.container(key="bl-wrap-learn-chain"):
        left, right = st.columns([1, 2.1], gap="large")
    with left:
        shape, text = _fields()
    try:
        found = follow(shape, read_chain(text))
    except InputError as error:
        with right:
            broken(_("This chain does not hold"), translate_error(error), icon="report", tone="warn")
        return
    with right:
        _drawing(shape, found)
        _wanted(found)
        total = sum(layer.parameters for layer in found)
        components.metrics(
            [
                Figure(
                    _("Out"),
                    _shape(found[-1].shape),
                    _("of {given} in, {n} values").format(given=_shape(shape), n=number_format.exact(math.prod(shape))),
                ),
                Figure(_("Parameters"), number_format.exact(total), _("all layers together")),
            ],
            compact=True,
        )
        if PRESET.among(CHAINS, FIRST) == "autoencoder" and found[-1].shape[-1:] != shape[-1:]:
            components.note(
                _("The slip of the notes: {n} px come back as {m}: the transposed layers overshoot.").format(
                    n=shape[1], m=found[-1].shape[-1]
                )
            )
    transposed.draw(found)
    _table(found)


def _fields() -> tuple[tuple[int, int, int], str]:
    """Draws what the chain consists of; returns the picture's shape and the layers."""
    from core.lessons.sizes import CHAINS, KINDS

    name = PRESET.among(CHAINS, FIRST)
    _title, usual, layers = CHAINS[name]
    st.session_state[_CHOSEN] = name

    def taken() -> None:
        PRESET.choose(st.session_state[_CHOSEN])
        for kept, key in ((LAYERS, _TEXT), (INPUT, _INPUT)):
            kept.choose(None)
            st.session_state.pop(key, None)

    st.selectbox(_("Example"), list(CHAINS), format_func=lambda key: _(CHAINS[key][0]), key=_CHOSEN, on_change=taken)
    given = st.text_input(
        _("Picture: channels, height, width"),
        **INPUT.entry(_INPUT, " ".join(map(str, usual)), lambda value: value[:40]),
    )
    words = "; ".join(" ".join((kind, *numbers)) for kind, (_name, numbers) in KINDS.items())
    text = st.text_area(
        _("Layers, one a line"),
        height=230,
        help=_("A word and its numbers: {words}. Stride, padding and dilation may be left out.").format(words=words),
        **LAYERS.entry(_TEXT, layers, lambda value: value[:2000]),
    )
    return _read_shape(str(given), usual), str(text)


def _read_shape(text: str, usual: tuple[int, int, int]) -> tuple[int, int, int]:
    parts = text.replace("×", " ").replace("x", " ").replace(",", " ").split()
    numbers = [int(part[:6]) for part in parts if part.isdecimal()]
    if len(parts) == 3 and len(numbers) == 3 and all(1 <= number <= 4096 for number in numbers):
        return numbers[0], numbers[1], numbers[2]
    components.note(
        _("“{text}” is no shape: three numbers from 1 to 4096. {usual} is taken.").format(
            text=text[:40], usual=_shape(usual)
        )
    )
    return usual


def _shape(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))


def _drawing(shape: tuple[int, int, int], found: list[Sized]) -> None:
    """Draws a box for each map: as high as it is, as thick as it has channels."""
    tallest = max(side[1] for side in (shape, *(layer.shape for layer in found)) if len(side) == 3)
    boxes = "".join(
        _box(side, tallest, label)
        for side, label in ((shape, _("Picture")), *((layer.shape, _kind(layer)) for layer in found))
    )
    st.html(f'<div class="bl-chain">{boxes}</div>')


def _box(shape: tuple[int, ...], tallest: int, label: str) -> str:
    if len(shape) == 3:
        high = max(6, round(120 * shape[1] / tallest))
        wide = max(4, round(6 * math.log2(shape[0] + 1)))
        tone = ""
    else:
        high, wide, tone = max(6, min(120, round(16 * math.log10(shape[0] + 1)))), 6, ' class="bl-flat"'
    return (
        f'<figure><i{tone} style="block-size:{high}px;inline-size:{wide}px"></i>'
        f"<figcaption><b>{escape(label)}</b><bdi>{_shape(shape)}</bdi></figcaption></figure>"
    )


def _kind(layer: Sized) -> str:
    from core.lessons.sizes import KINDS

    return _(KINDS[layer.kind][0])


def _wanted(found: list[Sized]) -> None:
    """Draws the size to be reached, and whether it is."""
    wanted = st.text_input(
        _("A size to reach"),
        help=_("Such as 32 × 7 × 7: change the layers until the last one has it."),
        placeholder="32 7 7",
        width=220,
        **form_fields.words("bl-learn-wanted"),
    )
    parts = str(wanted or "").replace("×", " ").replace("x", " ").replace(",", " ").split()
    if not parts:
        return
    if not all(part.isdecimal() for part in parts):
        components.note(_("A size is numbers: channels, height and width, or how many values."))
        return
    aim = tuple(int(part[:6]) for part in parts)
    if aim == found[-1].shape:
        components.note(_("Reached: the last layer gives {shape}.").format(shape=_shape(aim)))
        return
    components.note(
        _("Not yet: the last layer gives {shape}, and {aim} is wanted.").format(
            shape=_shape(found[-1].shape), aim=_shape(aim)
        )
    )


def _table(found: list[Sized]) -> None:
    components.section(_("Layer by layer"))
    for number, layer in enumerate(found, start=1):
        with st.container(key=f"bl-learn-layer-{number}", horizontal=True, vertical_alignment="center", gap="large"):
            st.html(
                f'<p class="bl-chain-line"><b>{number} · {escape(_kind(layer))}</b><bdi>{_shape(layer.given)} → '
                f"{_shape(layer.shape)}</bdi><span>{escape(_parameters(layer))}</span></p>",
                width=330,
            )
            for formula in (layer.size_formula, layer.parameter_formula):
                if formula:
                    st.latex(formula, width="content")


def _parameters(layer: Sized) -> str:
    if not layer.parameters:
        return _("no parameters")
    return _("{n} parameters, weights {shape}").format(
        n=number_format.exact(layer.parameters), shape=_shape(layer.weight)
    )
