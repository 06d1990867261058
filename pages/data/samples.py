"""Images of the data, some of each class, and one of them whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from core.specs import DataSpec
from pages.ui.kit import charts, components, form_fields
from pages.ui.kit.page_states import busy
from pages.ui.kit.tile_sheet import gallery
from pages.ui.kit.tiles import Tile
from pages.ui.session import caches
from pages.ui.session.address import Bound
from pages.ui.text.i18n import _

if TYPE_CHECKING:
    from core.data.dataset import Dataset

OTHERS = Bound("others")
"""How often other images were asked for."""
_MOST, _TURNS = 20, 999
_WHOLE_PX = 1200


def draw_samples(spec: DataSpec, dataset: Dataset) -> None:
    """Draws some images of each class, a page at a time."""
    components.section(_("A look at the images"))
    counts = dataset.counts()
    present = list(counts)
    with st.container(horizontal=True, vertical_alignment="bottom", key="bl-sample-controls"):
        split = form_fields.choice(
            _("From"), present, "bl-sample-split", format_func=charts.split_label, default=present[0]
        )
        bound = form_fields.number("bl-tile-size", 112, 64, 224)
        size = st.slider(_("Tile size"), 64, 224, step=16, width=180, **bound)
        turns = _turns()
        st.button(
            _("Show others"),
            icon=":material/shuffle:",
            key="bl-sample-next",
            on_click=lambda: OTHERS.choose(str((turns + 1) % _TURNS)),
        )
    positions = _pick(dataset, split, turns)
    shown = [(place, picture) for place, picture in zip(positions, _loaded(spec, positions), strict=True) if picture]
    tiles = [
        Tile(picture, dataset.class_of(place), alt=_("Picture of class {name}").format(name=dataset.class_of(place)))
        for place, picture in shown
    ]
    picked = gallery(tiles, key="bl-samples", size=size, help=_("See the whole picture"), pixelated=True)
    components.note(
        _("{n} pictures, one class after the other, cut to squares here. A click shows the whole picture.").format(
            n=len(shown)
        )
    )
    if picked is not None:
        show_whole(spec, dataset, shown[picked][0])


def show_whole(spec: DataSpec, dataset: Dataset, position: int) -> None:
    """Opens one picture, uncut, with what is known of it."""
    item = dataset.items[position]

    @st.dialog(_("The whole picture"), width="large")
    def opened() -> None:
        (picture,) = caches.thumbnails(spec, (position,), _WHOLE_PX)
        if picture is None:
            components.note(_("It cannot be read any more."))
            return
        facts = [dataset.class_of(position), charts.split_label(item.split), item.key]
        st.image(picture, width="content")
        components.note(" · ".join(facts))

    opened()


def places(dataset: Dataset) -> dict[str, int]:
    """Returns the position of every picture by its key."""
    key = (dataset.name, hash(dataset.items))
    found: dict[str, int] = caches.remember(
        "data-places", key, lambda: {item.key: number for number, item in enumerate(dataset.items)}
    )
    return found


def _turns() -> int:
    asked = OTHERS.asked() or ""
    return int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 4 else 0


def _loaded(spec: DataSpec, positions: list[int]) -> list[bytes | None]:
    if caches.thumbnails_known(spec, positions):
        return caches.thumbnails(spec, positions)
    with busy(_("Loading the pictures …"), 260):
        return caches.thumbnails(spec, positions)


def _pick(dataset: Dataset, split: str, page: int) -> list[int]:
    """Returns positions of images, the classes taking turns."""
    by_class: dict[int, list[int]] = {}
    for position in dataset.positions(split):
        by_class.setdefault(dataset.items[position].label, []).append(position)
    each = max(1, _MOST // max(1, len(by_class)))
    picked = []
    for positions in list(by_class.values())[:_MOST]:
        start = page * each % len(positions)
        picked += (positions[start:] + positions[:start])[:each]
    return picked
