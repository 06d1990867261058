"""Images of the data, some of each class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from core.specs import DataSpec
from pages.ui.kit import charts, components, form_fields, tiles
from pages.ui.kit.page_states import busy
from pages.ui.session import caches
from pages.ui.text.i18n import _

if TYPE_CHECKING:
    from core.data.dataset import Dataset

_PAGE = "bl.sample.page"


def draw_samples(spec: DataSpec, dataset: Dataset) -> None:
    """Draws some images of each class, a page at a time."""
    components.section(_("A look at the images"))
    counts = dataset.counts()
    present = list(counts)
    with st.container(horizontal=True, vertical_alignment="bottom", key="bl-sample-controls"):
        split = form_fields.choice(
            _("From"), present, "bl-sample-split", format_func=charts.split_label, default=present[0]
        )
        size = st.slider(_("Tile size"), 64, 224, 112, step=16, key="bl-tile-size", persist_state="session", width=180)
        if st.button(_("Show others"), icon=":material/shuffle:", key="bl-sample-next"):
            st.session_state[_PAGE] = st.session_state.get(_PAGE, 0) + 1
    positions = _pick(dataset, split if split in present else present[0], st.session_state.get(_PAGE, 0))
    if not caches.thumbnails_known(spec, positions):
        with busy(_("Loading the pictures …"), 260):
            pictures = caches.thumbnails(spec, positions)
    else:
        pictures = caches.thumbnails(spec, positions)
    shown = [
        tiles.Tile(
            picture,
            dataset.classes[dataset.items[i].label],
            alt=_("Picture of class {name}").format(name=dataset.classes[dataset.items[i].label]),
        )
        for i, picture in zip(positions, pictures, strict=True)
        if picture is not None
    ]
    tiles.grid(shown, size=size, pixelated=True)
    components.note(_("{n} pictures, one class after the other, as they are in the data.").format(n=len(shown)))


def _pick(dataset: Any, split: str, page: int, count: int = 20) -> list[int]:
    """Returns positions of images, the classes taking turns."""
    by_class: dict[int, list[int]] = {}
    for position in dataset.positions(split):
        by_class.setdefault(dataset.items[position].label, []).append(position)
    each = max(1, count // max(1, len(by_class)))
    picked = []
    for positions in list(by_class.values())[:count]:
        start = page * each % len(positions)
        picked += (positions[start:] + positions[:start])[:each]
    return picked
