"""The pictures with what the network says of each: a grid, heatmaps on wish, and one picture closer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from core.data.encoding import compact
from core.errors import InputError
from pages.ui.explaining import testing, trust_word
from pages.ui.explaining.testing import Testable
from pages.ui.kit import clicks, components, form_fields, nav
from pages.ui.kit.tile_sheet import gallery
from pages.ui.kit.tiles import Tile
from pages.ui.selection import own_pictures
from pages.ui.selection.network_picker import Target
from pages.ui.session import caches, choices
from pages.ui.session.choices import ImageChoice
from pages.ui.text import number_format
from pages.ui.text.i18n import _, translate_error

if TYPE_CHECKING:
    from PIL import Image
    from streamlit.delta_generator import DeltaGenerator

    from core.interpret.attribution.heatmap import Heatmap
    from core.workflows.new_images.answers import Answers
    from core.workflows.new_images.lots import Lot

PER_PAGE = 12
TILE = 190
METHOD = "grad-cam"
_MAPS, _OPEN = "bl-try-maps", "bl.try.open"


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """A picture as the network sees it, and where the network looks in it.

    Attributes:
        sha256: Digest of the file.
        picture: What the network sees.
        heat: Where it looks; ``None`` where that cannot be drawn.
        error: Why not.
    """

    sha256: str
    picture: Image.Image
    heat: Heatmap | None = None
    error: InputError | None = None


def switch() -> None:
    """Draws the switch that lays heatmaps over the pictures."""
    st.toggle(
        _("Heatmaps"),
        help=_("Grad-CAM: where the evidence for the class lies that the network named."),
        **form_fields.flag(_MAPS),
    )


def draw(target: Target, lot: Lot, found: Answers, rows: Sequence[int], limit: float, place: DeltaGenerator) -> None:
    """Draws some rows of the answers, a page at a time.

    Args:
        target: The network.
        lot: The pictures.
        found: What it says of them.
        rows: Which are shown, in this order.
        limit: Below which it abstains.
        place: Where the test of heatmaps is offered.
    """
    maps = bool(st.session_state.get(_MAPS))
    pages = -(-len(rows) // PER_PAGE)
    key = f"bl-try-page-{lot.id}-{len(rows)}"
    page = min(int(st.session_state.get(key) or 1), pages)
    shown = list(rows[(page - 1) * PER_PAGE : page * PER_PAGE])
    with st.spinner(_("Drawing the heatmaps …") if maps else _("Reading the pictures …"), show_time=True):
        looked = {row: _looked(target, lot, found, row, maps=maps) for row in shown}
    if maps:
        with place:
            tests = [one for seen in looked.values() if (one := _testable(target, seen)) is not None]
            testing.offer(tests, _("Test these heatmaps"), key="bl-try-test")
    tiles = [_tile(target, found, row, looked[row], limit) for row in shown]
    kept = st.session_state.get(_OPEN)
    chosen = shown.index(kept[1]) if kept and kept[0] == lot.id and kept[1] in shown else None
    clicked = gallery(tiles, key="bl-try-grid", size=TILE, help=_("See it closer"), chosen=chosen)
    if clicked is not None and (lot.id, shown[clicked]) != kept:
        st.session_state[_OPEN] = (lot.id, shown[clicked])
        st.rerun()
    if pages > 1:
        st.pagination(pages, key=key)
    if chosen is not None:
        _closer(target, lot, found, shown[chosen])


def _looked(target: Target, lot: Lot, found: Answers, row: int, *, maps: bool) -> Looked:
    """Returns a picture as the network sees it, with its heatmap where that is wanted; made once."""
    name = found.keys[row]
    key = (*target.key, lot.id, name, maps)

    def make() -> Looked:
        from core.data.images import fit, open_image, to_tensor
        from core.interpret.attribution.explain import explain

        network = target.network()
        data = (lot.path / name).read_bytes()
        choice = ImageChoice("upload", name, data)
        picture = fit(open_image(data, name=name), network.preprocessing)
        if not maps:
            return Looked(choice.sha256, picture)
        try:
            x = to_tensor(picture, network.preprocessing, fitted=True)
            heat = explain(network, x, METHOD, target=int(found.predicted[row])).heatmap
        except InputError as error:
            return Looked(choice.sha256, picture, error=error)
        return Looked(choice.sha256, picture, heat)

    return caches.remember("tried-pictures", key, make, entries=8 * PER_PAGE)


def _testable(target: Target, seen: Looked) -> Testable | None:
    """Returns a picture's heatmap for testing; ``None`` where it has none, or an empty one."""
    if seen.heat is None or seen.heat.empty:
        return None
    return Testable((*target.key, seen.sha256), target.network(), seen.picture, seen.heat)


def _word(target: Target, seen: Looked) -> str:
    """Returns the word of trust of a map that was tested; empty otherwise."""
    one = _testable(target, seen)
    found = None if one is None else testing.verdict_of(one)
    return "" if found is None else _(trust_word.WORDS[found.word][0])


def _shows(seen: Looked) -> bool:
    return seen.heat is not None and not seen.heat.empty


def _drawn(seen: Looked) -> bytes:
    from core.interpret.drawing.overlay import draw_heatmap

    image = seen.picture if not _shows(seen) else draw_heatmap(seen.picture, seen.heat)  # type: ignore[arg-type]
    return compact(image, 2 * TILE)


def _tile(target: Target, found: Answers, row: int, seen: Looked, limit: float) -> Tile:
    top = found.top(row, 3)
    share = [f"{name} {number_format.percent(value, 0)}" for name, value in top]
    unsure = bool(found.confidence[row] < limit)
    caption = _("I don't know") if unsure else share[0]
    parts = [", ".join(share if unsure else share[1:])]
    if found.labels[row] >= 0:
        true = found.classes[found.labels[row]]
        parts.insert(0, _("right") if true == top[0][0] else _("is {name}").format(name=true))
    if seen.heat is not None and seen.heat.empty:
        parts.append(_("no evidence for it"))
    elif word := _word(target, seen):
        parts.append(_("heatmap: {word}").format(word=word.lower()))
    alt = _("{name}: {answer}").format(name=found.keys[row], answer=", ".join(share))
    return Tile(_drawn(seen), caption, " · ".join(part for part in parts if part), alt)


def _closer(target: Target, lot: Lot, found: Answers, row: int) -> None:
    """Draws one picture closer: what the network sees, where it looks, and the most probable classes."""
    from core.data.encoding import webp

    name = found.keys[row]
    components.section(name)
    seen = _looked(target, lot, found, row, maps=True)
    with st.container(key="bl-wrap-try"):
        left, middle, right = st.columns([1, 1, 1.2], gap="medium")
    left.image(webp(seen.picture), caption=_("What the network sees"))
    if seen.error is not None:
        with middle:
            components.note(translate_error(seen.error))
    elif _shows(seen):
        from core.interpret.drawing.overlay import draw_heatmap

        assert seen.heat is not None
        middle.image(
            webp(draw_heatmap(seen.picture, seen.heat)),
            caption=_("Evidence for {name} (Grad-CAM)").format(name=found.classes[found.predicted[row]]),
        )
    else:
        with middle:
            components.note(_("There is no evidence for this class in the last layer, so the map is empty."))
    with right:
        components.probabilities(found.top(row, 5), marked=found.classes[found.predicted[row]])
        if clicks.button(
            _("Look closer in Heatmaps"), icon=":material/local_fire_department:", key="bl-try-look-closer"
        ):
            choice = ImageChoice("upload", name, (lot.path / name).read_bytes())
            own_pictures.keep(choice)
            choices.set_image(choice)
            nav.go("heatmaps", run=target.trained.id)
