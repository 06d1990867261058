"""Maps side by side on one scale, and the legend that says which."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from core.data.encoding import compact
from pages.ui.explaining import drawing
from pages.ui.explaining.choice import Look
from pages.ui.kit import components
from pages.ui.kit.tiles import Tile, grid
from pages.ui.session import address
from pages.ui.text.i18n import N_, _

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from core.interpret.attribution.heatmap import Heatmap
    from core.interpret.drawing.scales import Scale

MAP_PX = 200
CHOICE = address.Bound("scale", kept="bl.heat.scale")
SAID = {
    "figures": N_(
        "One scale for all: each map counts as much as its class is probable, and the strongest place of all is the "
        "brightest."
    ),
    "pair": N_(
        "The maps of a picture share a scale: each counts as much as its class is probable, and the strongest place of "
        "all is the brightest."
    ),
    "plain": N_("One scale for all: the strongest place of all maps is the brightest."),
    "probability": N_("One scale for all: a map's strongest place is as bright as its class is probable."),
    "own": N_("Each map by itself: its own strongest place is the brightest, however improbable its class."),
    "methods": N_("Each map by itself: methods measure in units of their own, so their strengths cannot be compared."),
    "layers": N_("Each map by itself: layers have units of their own, so their strengths cannot be compared."),
}
"""What a legend says of the scale."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A map among others.

    Attributes:
        heat: The map.
        probability: How probable the network holds its class to be, 0 to 1.
        picture: What it is laid over.
        caption: What it is called.
        note: The line under that.
        alt: Text in its stead.
        tone: ``good``, ``bad`` or none: colours the frame.
        alone: Whether it asks another question than the others, and keeps its own scale.
    """

    heat: Heatmap
    probability: float
    picture: Image.Image
    caption: str
    note: str
    alt: str
    tone: str = ""
    alone: bool = False


def draw(cells: Sequence[Cell], look: Look, *, usual: Scale = "figures", meaning: str = "", size: int = MAP_PX) -> None:
    """Draws maps in a grid, and under it their scale.

    Args:
        cells: The maps, in reading order.
        look: How they are drawn.
        usual: The scale they share unless each is to be drawn by itself; ``own`` where they have none in common.
        meaning: Which row of :data:`SAID` holds for the usual scale, where it is not the one of its name.
        size: Side of a map, in CSS pixels.
    """
    scale = chosen(usual)
    grid(tiles(cells, look, scale, size), size=size)
    legend(signs(cells), look, SAID[meaning or usual if scale == usual else scale], choice=usual != "own")


def chosen(usual: Scale) -> Scale:
    """Returns the scale that maps are drawn on: the usual one unless each is to be drawn by itself."""
    return "own" if CHOICE.asked() == "own" else usual


def signs(cells: Sequence[Cell]) -> list[bool]:
    """Returns for each map whether it has a sign."""
    return [cell.heat.signed for cell in cells]


def tiles(cells: Sequence[Cell], look: Look, scale: Scale, size: int = MAP_PX) -> list[Tile]:
    """Lays each map over its picture, with all of them but those that stand alone on one scale."""
    from core.interpret.drawing.scales import OWN, levels

    common = [cell for cell in cells if not cell.alone]
    values = levels([cell.heat for cell in common], [cell.probability for cell in common], scale)
    drawn = {id(cell): level for cell, level in zip(common, values, strict=True)}
    drawn |= {id(cell): levels([cell.heat], [1.0], OWN)[0] for cell in cells if cell.alone}
    return [_tile(cell, drawn[id(cell)], look, size) for cell in cells]


def _tile(cell: Cell, level: NDArray[np.float32], look: Look, size: int) -> Tile:
    image = compact(drawing.over(cell.picture, cell.heat, look, level), 2 * size)
    note = _("no evidence for it") if cell.heat.empty else cell.note
    return Tile(image, cell.caption, note, cell.alt, cell.tone)


def legend(kinds: Iterable[bool], look: Look, text: str, *, choice: bool) -> None:
    """Draws the colours of maps without and with a sign, what their scale is, and the choice of another.

    Args:
        kinds: For each map whether it has a sign.
        look: How they are drawn.
        text: What their scale is, a row of :data:`SAID`.
        choice: Whether each can be drawn by itself instead.
    """
    for signed in sorted(set(kinds)):
        drawing.scale(look, signed=signed)
    components.note(_(text))
    if choice:
        st.toggle(
            _("Each by itself"),
            help=_("Shows where each map points even where there is next to no evidence for its class."),
            **CHOICE.widget("bl-heat-scale", (False, True), False, lambda own: "own" if own else "one"),
        )
