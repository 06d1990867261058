"""Pictures that can be clicked: a gallery of images, and a sheet of tiles drawn as one picture.

Both are components of the browser; a click comes back as the number of what was clicked. They can be used with the
keyboard: the gallery's pictures are buttons, and in a sheet the arrow keys move and Enter chooses.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pages.ui.kit.style import component
from pages.ui.kit.tiles import Tile, data_uri
from pages.ui.text.i18n import _

_SHEET = """<div class="bl-sheet" role="img" tabindex="0">
<img><i class="over"></i><i class="chosen"></i><output></output></div>"""


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
    return _gallery(tiles, key, size, help, pixelated=pixelated, chosen=chosen, reveal=reveal)[0]


def ticked_gallery(
    tiles: Sequence[Tile],
    *,
    key: str,
    ticked: Collection[int],
    size: int = 150,
    help: str = "",
    chosen: int | None = None,
    reveal: bool = False,
    pixelated: bool = False,
) -> tuple[int | None, int | None]:
    """Draws pictures as :func:`gallery` does, each with a box to tick.

    Args:
        tiles: What to draw, in reading order.
        key: Stable key.
        ticked: Numbers of the pictures that are ticked now.
        size: Side of a picture, in CSS pixels.
        help: What a click on a picture does, translated; shown on hover.
        chosen: Number of the picture that is chosen now; ``None`` where none ever is.
        reveal: Whether the page scrolls to the chosen picture.
        pixelated: Whether small pictures are enlarged without blur.

    Returns:
        The number of the picture that was just clicked, and of that whose box was, else ``None``.
    """
    return _gallery(
        tiles,
        key,
        size,
        help,
        chosen=chosen,
        reveal=reveal,
        pixelated=pixelated,
        ticked=sorted(ticked),
        tick=_("Tick this picture"),
    )


def _gallery(tiles: Sequence[Tile], key: str, size: int, help: str, **more: object) -> tuple[int | None, int | None]:
    cells = [
        {
            "src": data_uri(tile.image, side=size * 2),
            "alt": tile.alt or tile.caption,
            "caption": tile.caption,
            "note": tile.note,
            "help": help,
        }
        for tile in tiles
    ]
    data = {"tiles": cells, "size": size, "chosen": None, "reveal": False, "ticked": None, **more}
    made = component("gallery", '<div class="bl-gallery"></div>', "gallery.js", "gallery.css")
    result = made(data=data, key=key, on_picked_change=_nothing, on_ticked_change=_nothing)
    return _picked(result, len(tiles)), _picked(result, len(tiles), "ticked")


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
    return _picked(made(data=data, key=key, on_picked_change=_nothing), drawn.count)


def _picked(result: object, count: int, name: str = "picked") -> int | None:
    value = getattr(result, name, None)
    return int(value) if isinstance(value, int | float) and 0 <= value < count else None


def _nothing() -> None:
    """A component needs a callback for a value to be there before the first click."""
