"""A map of few cells that can be clicked, its cells enlarged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.data.encoding import png
from pages.ui.kit.tile_sheet import Sheet, sheet
from pages.ui.session.address import Bound
from pages.ui.text.i18n import _

if TYPE_CHECKING:
    from torch import Tensor


def place(bound: Bound, rows: int, columns: int, *, usual: tuple[int, int]) -> tuple[int, int]:
    """Returns the row and column that are chosen; the usual ones where none fit."""
    first, _dot, second = (bound.asked() or "").partition(".")
    if first.isdecimal() and second.isdecimal() and int(first[:6]) < rows and int(second[:6]) < columns:
        return int(first), int(second)
    return usual


def picture(values: Tensor, side_px: int) -> bytes:
    """Returns a map, HxW, as a picture around zero, enlarged by a whole factor."""
    from core.interpret.drawing.tile_sheets import tile

    zoom = max(1, round(side_px / max(values.shape)))
    return png(tile(values[None], tile_px=zoom * max(values.shape), colormap="blue-red", scale="layer"))


def draw(
    drawn: bytes, shape: tuple[int, int], bound: Bound, chosen: tuple[int, int], *, key: str, alt: str, side_px: int
) -> bool:
    """Draws the map; a click chooses a cell.

    Args:
        drawn: What :func:`picture` made.
        shape: Rows and columns.
        bound: What keeps the choice.
        chosen: The chosen row and column.
        key: Stable key.
        alt: What it shows, translated.
        side_px: Side of the longer edge, as for :func:`picture`.

    Returns:
        Whether another cell was just chosen, so that what is drawn from it is to be drawn anew.
    """
    rows, columns = shape
    zoom = max(1, round(side_px / max(shape)))
    names = [f"{index // columns}, {index % columns}" for index in range(rows * columns)]
    at = chosen[0] * columns + chosen[1]
    tiles = Sheet(drawn, zoom * columns, zoom * rows, columns, rows * columns, (zoom, zoom), 0)
    picked = sheet(tiles, key=key, alt=alt, label=_("Row, column {n}"), names=names, chosen=at)
    if picked is None or picked == at:
        return False
    bound.choose(f"{picked // columns}.{picked % columns}")
    return True
