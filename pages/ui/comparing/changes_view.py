"""What changed between two runs: cell by cell of the confusion matrix, and picture by picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from pages.ui.comparing import answers, difference_chart
from pages.ui.kit import charts, class_cells, clicks, components, form_fields, nav
from pages.ui.kit.components import Figure
from pages.ui.kit.tile_sheet import gallery
from pages.ui.kit.tiles import Tile
from pages.ui.session.address import Bound
from pages.ui.text.i18n import N_, _, _n, translate_error
from pages.ui.text.number_format import percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.runs.store import Run
    from core.workflows.comparing.pictures import Changes

PER_PAGE = 12
SIDE = 168
CELL = Bound("cell")
"""Cell of the confusion matrix whose pictures are shown: row and column with a hyphen between them."""
KINDS = {"fixed": N_("Newly right"), "broken": N_("Newly wrong"), "both_wrong": N_("Wrong in both")}
_CHART, _PAGE, _KIND = "bl-changes-matrix", "bl-changes-page", "bl-changed"


def draw(first: Run, second: Run) -> None:
    """Draws what the second run answers differently from the first.

    Args:
        first: The run before.
        second: The run after.
    """
    try:
        found, split = answers.changes(first, second)
    except InputError as error:
        components.note(translate_error(error))
        return
    _figures(found, first, second, split)
    cell = _cell(found)
    with st.container(key="bl-wrap-changes"):
        left, right = st.columns(2, gap="large")
    with left:
        _matrix(found, cell)
    with right:
        _reading(found)
    _pictures(found, second, cell)


def _figures(found: Changes, first: Run, second: Run, split: str) -> None:
    """Draws the accuracies on the common pictures, and how many changed sides."""
    count = len(found.keys)
    judged = _("on {n} common images").format(n=count)
    components.metrics(
        [
            Figure(_("First"), percent(found.accuracy(0)), judged, exact=first.name),
            Figure(_("Second"), percent(found.accuracy(1)), judged, exact=second.name),
            Figure(_("Newly right"), str(len(found.of("fixed"))), _("wrong in the first")),
            Figure(_("Newly wrong"), str(len(found.of("broken"))), _("right in the first")),
            Figure(_("Wrong in both"), str(len(found.of("both_wrong")))),
        ]
    )
    parts = [_("Judged on their {split} images.").format(split=charts.split_label(split).lower())]
    if alone := sum(found.alone):
        parts.append(
            _n(
                "{n} image that only one of them held out is left out.",
                "{n} images that only one of them held out are left out.",
                alone,
            ).format(n=alone)
        )
    if again := len(found.relabelled()):
        parts.append(
            _n(
                "{n} image was relabelled in between: each run is judged by the label that it had.",
                "{n} images were relabelled in between: each run is judged by the labels that it had.",
                again,
            ).format(n=again)
        )
    components.note(" ".join(parts))


def _cell(found: Changes) -> tuple[int, int] | None:
    """Returns the cell that the address names, if it is one of these classes."""
    try:
        row, column = map(int, (CELL.asked() or "").split("-"))
    except ValueError:
        return None
    count = len(found.classes)
    return (row, column) if 0 <= row < count and 0 <= column < count else None


def _matrix(found: Changes, cell: tuple[int, int] | None) -> None:
    components.section(
        _("What changed, cell by cell"),
        _("Pictures of each cell in the second run less those in the first. Click one."),
    )

    def clicked() -> None:
        points = st.session_state[_CHART]["selection"]["points"]
        if points and (place := class_cells.clicked(points[0])) is not None:
            CELL.choose(f"{place[0]}-{place[1]}")
            st.session_state.pop(_PAGE, None)

    chart = difference_chart.draw(found.difference(), found.classes, marked=cell)
    charts.show(chart, key=_CHART, alt=_largest(found), selectable=clicked)


def _largest(found: Changes) -> str:
    """Says in words which cell changed most."""
    difference = found.difference()
    if not difference.any():
        return _("No cell has more or fewer pictures than before.")
    row, column = divmod(int(abs(difference).argmax()), len(found.classes))
    value = int(difference[row, column])
    if row == column:
        words = (
            _n(
                "Most changed: {true}, {n} picture more is right.",
                "Most changed: {true}, {n} pictures more are right.",
                value,
            )
            if value > 0
            else _n(
                "Most changed: {true}, {n} picture fewer is right.",
                "Most changed: {true}, {n} pictures fewer are right.",
                -value,
            )
        )
    else:
        words = (
            _n(
                "Most changed: {true} taken for {predicted}, {n} picture more.",
                "Most changed: {true} taken for {predicted}, {n} pictures more.",
                value,
            )
            if value > 0
            else _n(
                "Most changed: {true} taken for {predicted}, {n} picture fewer.",
                "Most changed: {true} taken for {predicted}, {n} pictures fewer.",
                -value,
            )
        )
    return words.format(true=found.classes[row], predicted=found.classes[column], n=abs(value))


def _reading(found: Changes) -> None:
    """Says how the chart is read, and names the classes that changed most."""
    components.section(_("Class by class"), _("Recall in the first and in the second run."))
    rows = []
    for label, name in enumerate(found.classes):
        mine = [found.truth[side] == label for side in (0, 1)]
        if all(one.any() for one in mine):
            first, second = (float(found.right(side)[mine[side]].mean()) for side in (0, 1))
            rows.append((name, first, second))
    rows.sort(key=lambda row: -abs(row[2] - row[1]))
    st.dataframe(
        {
            "name": [row[0] for row in rows],
            "first": [100 * row[1] for row in rows],
            "second": [100 * row[2] for row in rows],
            "change": [100 * (row[2] - row[1]) for row in rows],
        },
        hide_index=True,
        key="bl-changes-classes",
        height=min(36 * (len(rows) + 1) + 2, 480),
        column_config={
            "name": st.column_config.TextColumn(_("Class")),
            "first": st.column_config.NumberColumn(_("First"), format="%.1f %%"),
            "second": st.column_config.NumberColumn(_("Second"), format="%.1f %%"),
            "change": st.column_config.NumberColumn(_("Points"), format="%+.1f"),
        },
        alt=_("Recall of each class in both runs; those that changed most come first."),
    )
    components.note(
        _("Teal: more pictures on the diagonal or fewer beside it, so better. Red: the other way round, so worse.")
    )


def _pictures(found: Changes, second: Run, cell: tuple[int, int] | None) -> None:
    """Draws the pictures of a kind, or those that came into a cell or left it; a click opens one."""
    components.section(_("Picture by picture"), _("Those of which the second network is surest come first."))
    if cell is not None:
        rows = _of_cell(found, cell)
    else:
        counts = {kind: len(found.of(kind)) for kind in KINDS}
        kind = form_fields.choice(
            _("Pictures"),
            list(KINDS),
            _KIND,
            format_func=lambda name: f"{_(KINDS[name])} · {counts[name]}",
            default="fixed" if counts["fixed"] or not counts["broken"] else "broken",
            label_visibility="collapsed",
        )
        rows = found.of(kind).tolist()
    if not rows:
        components.note(_("No picture is among these."))
        return
    pages = -(-len(rows) // PER_PAGE)
    page = min(int(st.session_state.get(_PAGE) or 1), pages)
    _gallery(found, second, rows[(page - 1) * PER_PAGE : page * PER_PAGE])
    if pages > 1:
        st.pagination(pages, key=_PAGE)


def _of_cell(found: Changes, cell: tuple[int, int]) -> list[int]:
    """Says which pictures came into a cell and which left it, offers all again, and returns them."""
    came, left = (rows.tolist() for rows in found.moved(cell))
    with st.container(horizontal=True, vertical_alignment="center", key="bl-changes-cell"):
        components.note(
            _("{true} taken for {predicted}: {came} came in, {left} left it.").format(
                true=found.classes[cell[0]], predicted=found.classes[cell[1]], came=len(came), left=len(left)
            )
        )
        if clicks.button(_("All changes"), icon=":material/close:", key="bl-changes-all"):
            CELL.choose(None)
            st.rerun()
    return [*came, *left]


def _gallery(found: Changes, second: Run, rows: Sequence[int]) -> None:
    keys = [found.keys[row] for row in rows]
    try:
        images = answers.thumbnails(second, keys)
    except InputError as error:
        components.note(translate_error(error))
        components.note(", ".join(keys))
        return
    tiles, opened = [], []
    for row, key, image in zip(rows, keys, images, strict=True):
        if image is None:
            continue
        before, after = (found.classes[found.said[side][row]] for side in (0, 1))
        true = found.classes[found.truth[1][row]]
        note = _("first: {before} · is {true}").format(before=before, true=true)
        alt = _("{key}: {before} in the first run, {after} in the second, is {true}").format(
            key=key, before=before, after=after, true=true
        )
        tone = "good" if after == true else "bad"
        tiles.append(Tile(image, f"{after} · {percent(float(found.sure[1][row]))}", note, alt, tone))
        opened.append(key)
    if gone := len(rows) - len(tiles):
        components.note(
            _n("{n} picture is not there any more.", "{n} pictures are not there any more.", gone).format(n=gone)
        )
    if not tiles:
        return
    small = all(isinstance(tile.image, bytes) and tile.image.startswith(b"\x89PNG") for tile in tiles)
    picked = gallery(tiles, key="bl-changes-pictures", size=SIDE, help=_("See where it looked"), pixelated=small)
    if picked is not None:
        nav.go("heatmaps", run=second.id, image=opened[picked])
