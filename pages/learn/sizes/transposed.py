"""How a transposed convolution paints: each cell a window, windows a stride apart, sums where they overlap."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from pages.ui.kit import components
from pages.ui.text.glossary import explain
from pages.ui.text.i18n import _

if TYPE_CHECKING:
    from core.lessons.sizes import Painted, Sized

CELLS, WIDEST = 5, 40
"""Cells of the map that are drawn at most, and places of what they paint."""


def draw(found: list[Sized]) -> None:
    """Draws the first transposed convolution of a chain; nothing where there is none."""
    from core.lessons.sizes import paint

    layer = next((layer for layer in found if layer.kind == "transposed"), None)
    if layer is None:
        return
    kernel, stride, padding = (layer.numbers[name] for name in ("kernel", "stride", "padding"))
    cells = min(CELLS, layer.given[1])
    components.section(
        _("How the transposed convolution paints"),
        _("One side of its map: each cell paints a window, the next one a stride further on; overlaps add up."),
        help=explain("transposed convolution"),
    )
    painted = paint(cells, kernel, stride, padding) if (cells - 1) * stride + kernel > 2 * padding else None
    if painted is None or painted.length > WIDEST:
        components.note(_("Its windows are too wide to be drawn."))
        return
    st.html(_drawing(painted))
    uneven = len(set(painted.counts[kernel - 1 : len(painted.counts) - kernel + 1] or painted.counts)) > 1
    said = _("{cells} cells paint ({cells} − 1) · {s} − 2 · {p} + {k} = {out} places.").format(
        cells=cells, s=stride, p=padding, k=kernel, out=len(painted.counts)
    )
    if uneven:
        said += " " + _(
            "Not every place is painted equally often: where {k} is no multiple of {s}, a checkerboard."
        ).format(k=kernel, s=stride)
    components.note(said)


def _drawing(painted: Painted) -> str:
    """Returns the windows, a row each, and under them how often each place was painted."""
    rows = "".join(
        f'<i style="grid-row:{number};grid-column:{start + 1}/{end + 1}">{number}</i>'
        for number, (start, end) in enumerate(painted.windows, start=1)
    )
    last = len(painted.windows) + 1
    places = "".join(
        f'<b class="{"" if painted.cut <= place < painted.length - painted.cut else "bl-cut"}" '
        f'style="grid-row:{last};grid-column:{place + 1}">{_count(painted, place)}</b>'
        for place in range(painted.length)
    )
    label = escape(_("Windows that the cells paint, and how often each place is painted"))
    return (
        f'<div class="bl-paint" role="img" aria-label="{label}" '
        f'style="grid-template-columns:repeat({painted.length},minmax(1rem,2.2rem))">{rows}{places}</div>'
    )


def _count(painted: Painted, place: int) -> str:
    inside = painted.cut <= place < painted.length - painted.cut
    return str(painted.counts[place - painted.cut]) if inside else "×"
