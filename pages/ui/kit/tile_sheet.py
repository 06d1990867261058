"""Pictures that can be clicked: a gallery of images, and a sheet of tiles drawn as one picture.

Both are components of the browser; a click comes back as the number of what was clicked. They can be used with the
keyboard: the gallery's pictures are buttons, and in a sheet the arrow keys move and Enter chooses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import streamlit as st

from pages.ui.kit.style import ASSETS
from pages.ui.kit.tiles import Tile, data_uri

_GALLERY = """
export default ({data, parentElement, setTriggerValue}) => {
  const root = parentElement.querySelector('.bl-gallery');
  root.style.setProperty('--bl-tile', data.size + 'px');
  root.replaceChildren(...data.tiles.map((tile, index) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.title = tile.help;
    if (data.chosen !== null) button.setAttribute('aria-pressed', String(index === data.chosen));
    const image = document.createElement('img');
    image.src = tile.src;
    image.alt = tile.alt;
    if (data.pixelated) image.className = 'pixelated';
    button.append(image);
    for (const [kind, text] of [['b', tile.caption], ['span', tile.note]]) {
      if (!text) continue;
      const line = document.createElement(kind);
      line.dir = 'auto';
      line.textContent = text;
      button.append(line);
    }
    button.onclick = () => setTriggerValue('picked', index);
    return button;
  }));
}
"""

_SHEET = """
export default ({data, parentElement, setTriggerValue}) => {
  const root = parentElement.querySelector('.bl-sheet');
  const image = root.querySelector('img');
  const over = root.querySelector('.over'), chosen = root.querySelector('.chosen');
  const label = root.querySelector('output');
  root.setAttribute('aria-label', data.alt);
  image.alt = data.alt;
  if (image.src !== data.src) image.src = data.src;
  const sharpen = () => {
    image.style.imageRendering = image.clientWidth * devicePixelRatio >= data.width ? 'pixelated' : 'auto';
  };
  image.onload = sharpen;
  const watch = new ResizeObserver(sharpen);
  watch.observe(image);
  let at = data.chosen ?? 0;
  const place = (frame, index) => {
    const column = index % data.columns, row = Math.floor(index / data.columns);
    frame.style.display = 'block';
    frame.style.left = 100 * column * (data.tile[1] + data.gutter) / data.width + '%';
    frame.style.top = 100 * row * (data.tile[0] + data.gutter) / data.height + '%';
    frame.style.width = 100 * data.tile[1] / data.width + '%';
    frame.style.height = 100 * data.tile[0] / data.height + '%';
  };
  const tell = (index) => {
    place(over, index);
    label.textContent = data.label.replace('{n}', data.names ? data.names[index] : index);
    label.style.display = 'block';
    label.style.left = Math.min(parseFloat(over.style.left), 88) + '%';
    label.style.top = 'calc(' + (parseFloat(over.style.top) + parseFloat(over.style.height)) + '% + 4px)';
  };
  const quiet = () => { over.style.display = label.style.display = 'none'; };
  if (data.chosen === null) chosen.style.display = 'none'; else place(chosen, data.chosen);
  const under = (event) => {
    const box = image.getBoundingClientRect();
    const column = Math.floor((event.clientX - box.left) / box.width * data.width / (data.tile[1] + data.gutter));
    const row = Math.floor((event.clientY - box.top) / box.height * data.height / (data.tile[0] + data.gutter));
    const index = row * data.columns + column;
    return column >= 0 && column < data.columns && index >= 0 && index < data.count ? index : null;
  };
  root.onmousemove = (event) => { const index = under(event); index === null ? quiet() : tell(index); };
  root.onmouseleave = quiet;
  root.onblur = quiet;
  root.onclick = (event) => {
    const index = under(event);
    if (index !== null) { at = index; place(chosen, at); setTriggerValue('picked', index); }
  };
  root.onkeydown = (event) => {
    const step = {ArrowRight: 1, ArrowLeft: -1, ArrowDown: data.columns, ArrowUp: -data.columns}[event.key];
    if (step) {
      at = Math.min(Math.max(at + step, 0), data.count - 1);
      tell(at);
      event.preventDefault();
    } else if (event.key === 'Enter' || event.key === ' ') {
      place(chosen, at);
      setTriggerValue('picked', at);
      event.preventDefault();
    }
  };
  return () => watch.disconnect();
}
"""


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


@lru_cache(maxsize=1)
def _style() -> str:
    return (ASSETS / "gallery.css").read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def _gallery() -> Any:
    return st.components.v2.component(
        "backbone_lab_gallery", html='<div class="bl-gallery"></div>', css=_style(), js=_GALLERY
    )


@lru_cache(maxsize=1)
def _sheet() -> Any:
    html = (
        '<div class="bl-sheet" role="img" tabindex="0"><img><i class="over"></i><i class="chosen"></i>'
        "<output></output></div>"
    )
    return st.components.v2.component("backbone_lab_sheet", html=html, css=_style(), js=_SHEET)


def gallery(
    tiles: Sequence[Tile],
    *,
    key: str,
    size: int = 150,
    help: str = "",
    chosen: int | None = None,
    pixelated: bool = False,
) -> int | None:
    """Draws pictures as buttons, in even columns.

    Args:
        tiles: What to draw, in reading order.
        key: Stable key.
        size: Side of a picture, in CSS pixels.
        help: What a click does, translated; shown on hover.
        chosen: Number of the picture that is chosen now; ``None`` where none ever is.
        pixelated: Whether small pictures are enlarged without blur.

    Returns:
        The number of the picture that was just clicked, else ``None``.
    """
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
    data = {"tiles": cells, "size": size, "chosen": chosen, "pixelated": pixelated}
    return _picked(_gallery()(data=data, key=key, on_picked_change=_nothing), len(tiles))


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
    return _picked(_sheet()(data=data, key=key, on_picked_change=_nothing), drawn.count)


def _picked(result: Any, count: int) -> int | None:
    value = getattr(result, "picked", None)
    return int(value) if isinstance(value, int | float) and 0 <= value < count else None


def _nothing() -> None:
    """A component needs a callback for a value to be there before the first click."""
