"""Grids of images with even gutters, drawn as one block of HTML: fast, and it wraps by itself."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from core.data.encoding import compact
from pages.ui.kit import components

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True, slots=True)
class Tile:
    """One picture of a grid.

    Attributes:
        image: PIL image, or an encoded PNG/JPEG/WebP file's bytes.
        caption: Under the picture: its class, mostly.
        note: A second, quieter line: a probability, or a size.
        alt: Text in the picture's stead; the caption by default.
        tone: ``""``, ``good`` or ``bad``: colours the frame.
    """

    image: Image.Image | bytes
    caption: str = ""
    note: str = ""
    alt: str = ""
    tone: str = ""


def grid(tiles: Sequence[Tile], *, size: int = 132, pixelated: bool = False, row: bool = False) -> None:
    """Draws pictures in even columns.

    Args:
        tiles: What to draw, in reading order.
        size: Side of a picture, in CSS pixels.
        pixelated: Whether small pictures are enlarged pixel by pixel, without blur.
        row: Whether they stay in one row, and become smaller where there is no room.
    """
    cells = "".join(_cell(tile, size) for tile in tiles)
    look = (" bl-pixelated" if pixelated else "") + (" bl-row" if row else "")
    sizes = f"--bl-tile:{int(size)}px;--bl-count:{len(tiles)}"
    st.html(f'<div class="bl-tiles{look}" style="{sizes}">{cells}</div>')


def data_uri(image: Image.Image | bytes, *, side: int | None = None) -> str:
    """Returns a picture as a ``data:`` address; a PIL image is encoded as PNG (or WebP where it is large)."""
    if not isinstance(image, bytes):
        image = compact(image, side)
    kind = {b"\x89P": "png", b"\xff\xd8": "jpeg", b"RI": "webp", b"GI": "gif"}.get(image[:2], "png")
    return f"data:image/{kind};base64,{base64.b64encode(image).decode()}"


def _cell(tile: Tile, size: int) -> str:
    alt = escape(tile.alt or tile.caption)
    text = f"<b>{components.phrase(tile.caption)}</b>" if tile.caption else ""
    quiet = f"<span>{components.phrase(tile.note)}</span>" if tile.note else ""
    source = data_uri(tile.image, side=size * 2)
    return (
        f'<figure class="bl-tile {f"bl-{tile.tone}" if tile.tone else ""}"><img src="{source}" alt="{alt}" '
        f'title="{escape(tile.caption)}"><figcaption>{text}{quiet}</figcaption></figure>'
    )
