"""A list of layers that a person builds: added, moved and changed, and what each gives written beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from core.specs import Piece
from pages.ui.kit import style
from pages.ui.plan import layer_fields
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from core.models.architectures.layer_specs import Step

ACTIONS = {
    "up": N_("Move up"),
    "down": N_("Move down"),
    "above": N_("Insert a layer above"),
    "below": N_("Insert a layer below"),
    "copy": N_("Duplicate"),
    "remove": N_("Remove"),
}


@dataclass(slots=True)
class LayerList:
    """Layers as they stand on the screen; they may be impossible, which a spec never is.

    Attributes:
        rows: Each layer under a name that stays its own when others come and go.
        count: Names given so far.
        prefix: What the names begin with, where a page has several lists.
    """

    rows: list[tuple[str, Piece]] = field(default_factory=list)
    count: int = 0
    prefix: str = ""

    def add(self, piece: Piece, place: int | None = None) -> None:
        """Puts a layer at a place, or at the end."""
        self.count += 1
        self.rows.insert(len(self.rows) if place is None else place, (f"{self.prefix}{self.count}", piece))

    def fill(self, design: Sequence[Piece]) -> None:
        """Takes other layers instead of all."""
        self.rows = []
        for piece in design:
            self.add(piece)

    @property
    def design(self) -> tuple[Piece, ...]:
        """The layers alone."""
        return tuple(piece for _name, piece in self.rows)


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a layer's results go: what was added above it, its name, and what it gives."""

    above: DeltaGenerator
    name: DeltaGenerator
    out: DeltaGenerator


def picture(shape: tuple[int, int, int]) -> None:
    """Draws what the first layer gets."""
    style.send("builder.css")
    first, axes = _("Image"), _("channels × height × width")
    st.html(
        f'<div class="bl-piece-fixed"><span class="bl-piece-name">{escape(first)}</span>'
        f"<b><bdi>{layer_fields.shape(shape)}</bdi></b><em>{escape(axes)}</em></div>"
    )


def fields(layers: LayerList) -> list[Slot]:
    """Draws the rows and takes over what is set in them; what they give is drawn by :func:`results`."""
    slots = []
    for place, (number, piece) in enumerate(layers.rows):
        above = st.container(gap=None)
        with st.container(key=f"bl-layer-{number}", horizontal=True, vertical_alignment="bottom"):
            name = st.container(width=78)
            with st.container(horizontal=True, vertical_alignment="bottom", gap="xsmall", width=510):
                layers.rows[place] = (number, layer_fields.settings(number, piece))
            slots.append(Slot(above, name, st.container(width=290)))
            _menu(layers, number, place)
    return slots


def results(slots: Sequence[Slot], steps: Sequence[Step]) -> None:
    """Draws what each layer gives, or why it cannot be; what is added at the end is drawn where this is called.

    Args:
        slots: Those of all rows, in order.
        steps: What the layers make of the picture, up to the first that is impossible.
    """
    most = max(step.parameters for step in steps)
    below = st.container(gap=None)
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        if step.index is None:
            before = following.index if following else None
            (below if before is None else slots[before].above).html(layer_fields.added(step, most))
        else:
            slots[step.index].out.html(layer_fields.result(step, most))
    names = {step.index: step.name for step in steps}
    for place, slot in enumerate(slots):
        slot.name.html(f'<span class="bl-piece-name">{escape(names.get(place, number_format.DASH))}</span>')


def _menu(layers: LayerList, number: str, place: int) -> None:
    key = f"bl-piece-{number}-menu"
    offered = [name for name in ACTIONS if not (name == "up" and place == 0)]
    if place == len(layers.rows) - 1:
        offered.remove("down")

    def act() -> None:
        action = st.session_state[key]
        here = next(i for i, (other, _piece) in enumerate(layers.rows) if other == number)
        row = layers.rows[here]
        if action in ("up", "down"):
            layers.rows.insert(here + (1 if action == "down" else -1), layers.rows.pop(here))
        elif action in ("above", "below"):
            layers.add(Piece("relu"), here + (action == "below"))
        elif action == "copy":
            layers.add(row[1], here + 1)
        elif action == "remove":
            del layers.rows[here]

    st.menu_button(
        _("Change"),
        offered,
        key=key,
        on_click=act,
        format_func=lambda name: _(ACTIONS[name]),
        type="tertiary",
        icon=":material/more_vert:",
    )


def add(layers: LayerList, quick: Sequence[str]) -> None:
    """Draws what puts another layer at the end.

    Args:
        layers: The list.
        quick: Kinds that have a button of their own.
    """
    rare = f"bl-build-rare{layers.prefix}"

    def one(kind: str) -> None:
        layers.add(layer_fields.usual(kind))

    def another() -> None:
        layers.add(layer_fields.usual(st.session_state[rare]))

    with st.container(key=f"bl-build-add{layers.prefix}", horizontal=True, gap="small"):
        for kind in quick:
            st.button(
                _(layer_fields.LAYER_KINDS[kind]),
                key=f"bl-build-add-{layers.prefix}{kind}",
                icon=":material/add:",
                on_click=one,
                args=(kind,),
            )
        st.menu_button(
            _("Other layers"),
            [kind for kind in layer_fields.LAYER_KINDS if kind not in quick],
            key=rare,
            format_func=lambda kind: _(layer_fields.LAYER_KINDS[kind]),
            on_click=another,
        )
