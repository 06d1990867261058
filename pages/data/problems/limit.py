"""From where on pictures count as copies: the limit, what it finds in these pictures, and the pairs nearest to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from core.specs import DataSpec
from core.workflows.data_check.report import LOOSEST, STRICTEST
from pages.data.samples import places, show_whole
from pages.ui.kit import components, form_fields
from pages.ui.kit.tile_sheet import gallery
from pages.ui.kit.tiles import Tile
from pages.ui.session import caches
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _

if TYPE_CHECKING:
    from core.data.dataset import Dataset
    from core.workflows.data_check.report import Check, Link

KEY = "bl-copy-limit"
PAIRS = 3
"""Pairs that are shown on either side of the limit."""
PLANTED = {
    "brighter": N_("made brighter"),
    "mirrored": N_("mirrored"),
    "rotated by 10 degrees": N_("rotated by 10 degrees"),
    "cropped by 10 %": N_("cropped by 10 %"),
    "shifted by 10 %": N_("shifted by 10 %"),
    "with a border": N_("with a border"),
}
"""Kinds of planted copies, and how they are said."""


def chosen() -> float:
    """Returns the limit: 0 is what was measured on the pictures."""
    asked = form_fields.kept(KEY).asked()
    try:
        return min(STRICTEST, max(LOOSEST, float(asked or 0.0)))
    except ValueError:  # the slider says so
        return 0.0


def draw(spec: DataSpec, dataset: Dataset, found: Check) -> None:
    """Draws the limit, where there are pairs to tell apart; the pairs stand beside it.

    Args:
        spec: The chosen data.
        dataset: Its images, divided.
        found: The check with this limit.
    """
    if not found.links and not found.planted:
        return
    components.section(_("How alike copies must be"))
    with st.container(key="bl-wrap-limit"):
        left, right = st.columns([1, 1.6], gap="large")
    with left:
        bound = form_fields.number(KEY, 0.0, LOOSEST, STRICTEST)
        st.slider(
            _("Limit"),
            LOOSEST,
            STRICTEST,
            step=0.05,
            format="%.2f",
            help=_(
                "0 is the limit measured on your pictures: above what pictures with nothing in common share by nature. "
                "1 would be equality; below 0 more pairs count as copies, and more of them are none."
            ),
            **bound,
        )
        _recall(found)
    with right:
        above = [link for link in found.links if link.margin >= found.limit][-PAIRS:]
        below = [link for link in found.links if link.margin < found.limit][:PAIRS]
        _pairs(spec, dataset, above, _("Just above it: copies"), "above")
        _pairs(spec, dataset, below, _("Just below it: no copies"), "below")


def _recall(found: Check) -> None:
    rows = sorted(found.recall.items(), key=lambda row: row[1])
    if not rows:
        components.note(_("How many copies it finds is measured when the network looks, too."))
        return
    kind, share = rows[0]
    text = _("Of copies planted among your pictures, it finds {share} of those {kind}, and no fewer of other kinds.")
    if share == 1:
        text = _("It finds every copy that was planted among your pictures, of each of these kinds.")
    components.note(text.format(share=number_format.percent(share), kind=_(PLANTED.get(kind, kind))))
    components.probabilities([(_(PLANTED.get(name, name)), part) for name, part in rows])


def _pairs(spec: DataSpec, dataset: Dataset, links: Sequence[Link], title: str, name: str) -> None:
    """Draws pairs of pictures, those of a pair side by side."""
    st.html(f"<h3>{title}</h3>")
    if not links:
        components.note(_("There is no such pair."))
        return
    place = places(dataset)
    at = [place[key] for link in links for key in (link.first, link.second)]
    tiles, shown = [], []
    for number, (position, image) in enumerate(zip(at, caches.thumbnails(spec, at), strict=True)):
        if image is not None:
            key = dataset.items[position].key
            caption = f"{number // 2 + 1} · {dataset.class_of(position)}"
            tiles.append(Tile(image, caption, key, alt=key))
            shown.append(position)
    picked = gallery(tiles, key=f"bl-limit-{name}", size=80, help=_("See the whole picture"), pixelated=True)
    if picked is not None:
        show_whole(spec, dataset, shown[picked])
