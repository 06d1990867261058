"""Pictures that can be clicked: a gallery of images, and a sheet of tiles drawn as one picture.

Both are components of the browser; a click comes back as the number of what was clicked. They can be used with the
keyboard: the gallery's pictures are buttons, and in a sheet the arrow keys move and Enter chooses.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from pages.ui.kit import clicks
from pages.ui.kit.style import component
from pages.ui.kit.tiles import Tile, data_uri
from pages.ui.text.i18n import _

_SHEET = """<div class="bl-sheet" role="img" tabindex="0">
<img><i class="over"></i><i class="chosen"></i><output></output></div>"""
_TICKED = "bl.tiles.ticked."
"""When the browser sent the ticks of a part, by its key, that were taken over last."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A picture of equal tiles.

    Attributes:
        png: The picture.
        width: Its width, in pixels.
        height: Its height, in pixels.
        columns: Tiles a row.
        count: Number of tiles.
        tile: Height and width of a tile, in pixels.
        gutter: Gap between tiles, in pixels.
    """

    png: bytes
    width: int
    height: int
    columns: int
    count: int
    tile: tuple[int, int]
    gutter: int


def gallery(
    tiles: Sequence[Tile],
    *,
    key: str,
    size: int = 150,
    help: str = "",
    chosen: int | None = None,
    reveal: bool = False,
    pixelated: bool = False,
) -> int | None:
    """Draws pictures as buttons, in even columns.

    Args:
        tiles: What to draw, in reading order.
        key: Stable key.
        size: Side of a picture, in CSS pixels.
        help: What a click does, translated; shown on hover.
        chosen: Number of the picture that is chosen now; ``None`` where none ever is.
        reveal: Whether the page scrolls to the chosen picture.
        pixelated: Whether small pictures are enlarged without blur.

    Returns:
        The number of the picture that was just clicked, else ``None``.
    """
    data = {"size": size, "pixelated": pixelated, "chosen": chosen, "reveal": reveal, "ticked": None}
    return _gallery(tiles, key, help, data)


def ticked_gallery(
    tiles: Sequence[Tile],
    *,
    key: str,
    ticked: Collection[int],
    on_tick: Callable[[Collection[int]], None],
    size: int = 150,
    help: str = "",
    chosen: int | None = None,
    reveal: bool = False,
    pixelated: bool = False,
) -> int | None:
    """Draws pictures as :func:`gallery` does, each with a box to tick.

    Args:
        tiles: What to draw, in reading order.
        key: Stable key.
        ticked: Numbers of the pictures that are ticked now.
        on_tick: Is given the numbers of those that are ticked, when a box was clicked and before the page is drawn.
        size: Side of a picture, in CSS pixels.
        help: What a click on a picture does, translated; shown on hover.
        chosen: Number of the picture that is chosen now; ``None`` where none ever is.
        reveal: Whether the page scrolls to the chosen picture.
        pixelated: Whether small pictures are enlarged without blur.

    Returns:
        The number of the picture that was just clicked, else ``None``.
    """

    def take() -> None:
        event = getattr(st.session_state.get(key), "ticked", None)
        if isinstance(event, dict) and isinstance(event.get("boxes"), list):
            st.session_state[_TICKED + key] = event.get("at")
            on_tick([box for box in event["boxes"] if isinstance(box, int) and 0 <= box < len(tiles)])

    data = {
        "size": size,
        "pixelated": pixelated,
        "chosen": chosen,
        "reveal": reveal,
        "ticked": sorted(ticked),
        "taken": st.session_state.get(_TICKED + key, 0),
        "tick": _("Tick this picture"),
    }
    return _gallery(tiles, key, help, data, on_ticked_change=take)


def _gallery(
    tiles: Sequence[Tile], key: str, help: str, data: Mapping[str, Any], **changes: Callable[[], None]
) -> int | None:
    cells = [
        {
            "src": data_uri(tile.image, side=data["size"] * 2),
            "alt": tile.alt or tile.caption,
            "caption": tile.caption,
            "note": tile.note,
            "help": help,
        }
        for tile in tiles
    ]
    made = component("gallery", '<div class="bl-gallery"></div>', "gallery.js", "gallery.css")
    shown = tuple(cell["alt"] for cell in cells)
    made(data={**data, "tiles": cells}, key=key, on_picked_change=_note(key, shown, len(cells)), **changes)
    return _picked(key, shown)


def sheet(
    drawn: Sheet, *, key: str, alt: str, label: str, names: Sequence[str] | None = None, chosen: int | None = None
) -> int | None:
    """Draws a sheet; a tile shows its number on hover and can be clicked.

    Args:
        drawn: The sheet.
        key: Stable key.
        alt: Text in the picture's stead, translated.
        label: What a tile is called, translated, with ``{n}`` for its number.
        names: What stands for ``{n}`` instead, a name a tile.
        chosen: Number of the tile that is chosen now.

    Returns:
        The number of the tile that was just clicked, else ``None``.
    """
    data = {
        "src": data_uri(drawn.png),
        "width": drawn.width,
        "height": drawn.height,
        "columns": drawn.columns,
        "count": drawn.count,
        "tile": list(drawn.tile),
        "gutter": drawn.gutter,
        "alt": alt,
        "label": label,
        "chosen": chosen,
        "names": None if names is None else list(names),
    }
    made = component("sheet", _SHEET, "sheet.js", "gallery.css")
    made(data=data, key=key, on_picked_change=_note(key, alt, drawn.count))
    return _picked(key, alt)


def _note(key: str, shown: object, count: int) -> Callable[[], None]:
    """Returns what notes that one of the shown tiles was clicked."""

    def note() -> None:
        index = getattr(st.session_state.get(key), "picked", None)
        if isinstance(index, int | float) and 0 <= index < count:
            clicks.note(key, (shown, int(index)))

    return note


def _picked(key: str, shown: object) -> int | None:
    """Returns the number that was clicked, once; ``None`` where other tiles than these were clicked."""
    match clicks.take(key):
        case (known, int(index)) if known == shown:
            return index
    return None
