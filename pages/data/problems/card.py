"""A finding as a card: its pictures, how many there are, why it matters, and what can be done about it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from core.specs import SPLITS, DataSpec
from core.workflows.data_check.findings import Action, Finding, Unit
from pages.data.problems import one_by_one, repairs
from pages.data.samples import places, show_whole
from pages.ui.kit import charts, clicks, components
from pages.ui.kit.page_states import guarded
from pages.ui.kit.tile_sheet import ticked_gallery
from pages.ui.kit.tiles import Tile
from pages.ui.session import caches
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _, _n

if TYPE_CHECKING:
    from core.data.dataset import Dataset
    from core.workflows.data_check.report import Check

GRAVE_PAGE, PAGE = 12, 18
"""Pictures of a card that are shown at once, at most: of what is grave, of the rest."""
ACTIONS: dict[Action, tuple[str, str, str]] = {
    "gather": (N_("Move to training"), "drive_file_move", N_("All copies of each picture go to training.")),
    "exclude_strays": (N_("Leave out of the others"), "block", N_("Copies stay in training only.")),
    "exclude_extra": (N_("Leave out all but one"), "block", N_("Of each group of copies, one stays.")),
    "exclude": (N_("Leave out"), "block", N_("They are no part of the images any more; the files stay.")),
    "relabel": (N_("Relabel"), "sell", N_("They get another class; the files stay.")),
    "suggest": (N_("Relabel as suggested"), "sell", N_("Each gets the class that it looks like; the files stay.")),
    "keep": (N_("Keep"), "check", N_("It is no problem: it is not named again.")),
}
"""What each action is called, its symbol, and what it does."""


def draw(spec: DataSpec, dataset: Dataset, found: Check, finding: Finding) -> None:
    """Draws a card; what is grave lies open, the rest opens on a click."""
    kind = finding.kind
    count = number_format.exact(len(finding.units))
    icon = ":material/error:" if kind.tone == "bad" else ":material/info:"
    with st.expander(
        f"{_(kind.title)} ({count})",
        key=f"bl-finding-{kind.id}",
        icon=icon,
        expanded=kind.tone == "bad",
        on_change="rerun",
    ) as card:
        if card.open:
            inside(spec, dataset, found, finding)


def inside(spec: DataSpec, dataset: Dataset, found: Check | None, finding: Finding) -> None:
    """Draws the pictures of a finding and what can be done about them.

    Args:
        spec: The chosen data.
        dataset: Its images, divided.
        found: What the check found; ``None`` where what is drawn comes from elsewhere.
        finding: What is drawn.
    """
    st.fragment(_inside)(spec, dataset, found, finding)


@guarded
def _inside(spec: DataSpec, dataset: Dataset, found: Check | None, finding: Finding) -> None:
    kind = finding.kind
    st.html(f'<p class="bl-note">{escape(_(kind.why))}</p>')
    key = f"bl-finding-{kind.id}"
    shown = _page(finding, f"{key}-page")
    if kind.id == "unreadable" and found is not None:
        _unreadable(found, shown)
    else:
        _pictures(spec, dataset, finding, shown, key)
    _buttons(spec, dataset, finding, key)
    if finding.settled:
        text = _n("{n} more was kept.", "{n} more were kept.", finding.settled)
        components.note(text.format(n=number_format.exact(finding.settled)))


def _page(finding: Finding, key: str) -> list[Unit]:
    """Returns the findings of the page that is looked at, as many as their pictures fit."""
    most = GRAVE_PAGE if finding.kind.tone == "bad" else PAGE
    pages: list[list[Unit]] = [[]]
    room = most
    for unit in finding.units:
        if pages[-1] and len(unit.keys) > room:
            pages.append([])
            room = most
        pages[-1].append(unit)
        room -= len(unit.keys)
    if len(pages) == 1:
        return pages[0]
    number = min(int(st.session_state.get(key) or 1), len(pages))
    st.session_state[key] = number
    return pages[st.pagination(len(pages), key=key) - 1]


def _unreadable(found: Check, shown: Sequence[Unit]) -> None:
    import pandas as pd

    from pages.ui.text.i18n import translate_error

    why = {bad.key: translate_error(bad.error) if bad.error else bad.reason for bad in found.unreadable}
    keys = [unit.keys[0] for unit in shown]
    rows = {_("File"): keys, _("Why"): [why[key] for key in keys]}
    st.dataframe(pd.DataFrame(rows), hide_index=True, key="bl-unreadable", alt=_("Files that cannot be read"))


def _pictures(spec: DataSpec, dataset: Dataset, finding: Finding, shown: Sequence[Unit], key: str) -> None:
    """Draws the pictures, those of one group side by side, each with a box to tick."""
    most = 2 * PAGE  # of a group without end
    place = places(dataset)

    def split(picture: str) -> int:  # what learns comes first
        return ("", *SPLITS).index(dataset.items[place[picture]].split)

    rows = [(unit, picture) for unit in shown for picture in sorted(unit.keys, key=split)][:most]
    at = [place[picture] for _unit, picture in rows]
    tiles, names = [], []
    for (unit, picture), position, image in zip(rows, at, caches.thumbnails(spec, at), strict=True):
        if image is not None:
            tiles.append(_tile(dataset, position, unit, image, number=_number(finding, unit)))
            names.append(picture)
    ticked: set[str] = st.session_state.setdefault(f"{repairs.TICKED}{finding.kind.id}", set())

    def tick(boxes: Collection[int]) -> None:
        chosen = {names[box] for box in boxes}
        st.session_state[f"{repairs.TICKED}{finding.kind.id}"] = ticked - set(names) | chosen

    opened = ticked_gallery(
        tiles,
        key=f"{key}-pictures",
        ticked=[number for number, name in enumerate(names) if name in ticked],
        on_tick=tick,
        size=132,
        help=_("See the whole picture"),
        pixelated=True,
    )
    hidden = sum(len(unit.keys) for unit in shown) - len(rows)
    if hidden > 0:
        components.note(_("{n} more copies of these are not shown.").format(n=number_format.exact(hidden)))
    if opened is not None:
        show_whole(spec, dataset, place[names[opened]])


def _number(finding: Finding, unit: Unit) -> str:
    """Returns the number of a group of copies, by which those that belong together are seen."""
    return f"{finding.units.index(unit) + 1} · " if len(unit.keys) > 1 else ""


def _tile(dataset: Dataset, position: int, unit: Unit, image: bytes, number: str) -> Tile:
    item = dataset.items[position]
    words = [dataset.class_of(position), *([charts.split_label(item.split)] if item.split else [])]
    caption = number + " · ".join(words)
    if unit.suggested:
        caption = _("{label}, or {suggested}?").format(label=words[0], suggested=unit.suggested)
    return Tile(image, caption, item.key, alt=item.key)


# --- what can be done ------------------------------------------------------------------------------------------------


def _buttons(spec: DataSpec, dataset: Dataset, finding: Finding, key: str) -> None:
    kind = finding.kind
    known = {name for unit in finding.units for name in unit.keys}
    ticked = sorted(st.session_state.get(f"{repairs.TICKED}{kind.id}", set()) & known)
    whole = _n("{n} picture is ticked.", "{n} pictures are ticked.", len(ticked)).format(n=len(ticked))
    hint = whole if ticked else _("Tick pictures to act on those only.")
    with st.container(horizontal=True, vertical_alignment="center", key=f"{key}-buttons"):
        for number, action in enumerate(kind.actions):
            label, icon, what = ACTIONS[action]
            disabled = action in kind.ticked and not ticked
            symbol, first = f":material/{icon}:", number == 0 and kind.id == "leaks"
            if action == "relabel":
                with st.popover(_(label), icon=symbol, help=_(what), disabled=disabled):
                    _relabel(spec, dataset, finding, ticked, key)
            elif clicks.button(
                _(label),
                key=f"{key}-{action}",
                type="primary" if first else "secondary",
                icon=symbol,
                help=_(what),
                disabled=disabled,
            ):
                repairs.act(spec, dataset, finding, action, ticked)
        if kind.id == "suspects":
            one_by_one.button()
        st.caption(hint, width="content")


def _relabel(spec: DataSpec, dataset: Dataset, finding: Finding, ticked: Sequence[str], key: str) -> None:
    label = st.selectbox(_("Class"), dataset.classes, key=f"{key}-class")
    if clicks.button(_("Relabel"), key=f"{key}-relabel", icon=":material/sell:", disabled=not ticked) and label:
        repairs.act(spec, dataset, finding, "relabel", ticked, label)
