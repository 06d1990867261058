"""The images that were taken for something else, or those of any cell of the confusion matrix."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from pages.evaluate import repair, why
from pages.ui.comparing import answers
from pages.ui.kit import components, form_fields, nav
from pages.ui.kit.tile_sheet import ticked_gallery
from pages.ui.kit.tiles import Tile
from pages.ui.selection import picture_list
from pages.ui.text import number_format
from pages.ui.text.i18n import _, _n, translate_error

if TYPE_CHECKING:
    from core.runs.store import Run
    from core.workflows.evaluate import Evaluation

PICTURES_PER_PAGE = 12
KINDS = 30
"""Most kinds of mistakes in the list; a click on the confusion matrix shows any."""
_KIND, _WHY = "bl-eval-kind", "bl-eval-why"
KIND, PAGE = form_fields.kept(_KIND), form_fields.kept("bl-eval-page")
"""The cell of the confusion matrix whose pictures are shown, as row and column with a hyphen, and the page of them."""
_LEFT = "bl.eval.left"
"""Where a person left the mistakes for another page: run, split and image."""


@dataclass(frozen=True, slots=True)
class Place:
    """Which of the mistakes a person looked at last."""

    run: str
    split: str
    key: str


def shown_kind(judged: Evaluation) -> tuple[int, int] | None:
    """Returns the cell of the confusion matrix whose pictures are shown; ``None`` where all mistakes are."""
    try:
        true, taken = map(int, (KIND.asked() or "").split("-"))
    except ValueError:
        return None
    count = len(judged.predictions.classes)
    return (true, taken) if 0 <= true < count and 0 <= taken < count else None


def show_kind(cell: tuple[int, int]) -> None:
    """Shows the pictures of a cell of the confusion matrix, and why they were called so."""
    if KIND.asked() != _name(cell):
        PAGE.choose(None)
    KIND.choose(_name(cell))
    form_fields.kept(_WHY).choose("True")


def _show_all() -> None:
    KIND.choose(None)
    PAGE.choose(None)


def _name(pair: tuple[int, int]) -> str:
    return f"{pair[0]}-{pair[1]}"


def draw_mistakes(run: Run, judged: Evaluation) -> None:
    """Draws the pictures of a chosen cell, else the most confident mistakes; without any, the least sure answers."""
    cell, wrong = shown_kind(judged), judged.predictions.mistakes()
    _heading(judged, cell, wrong)
    rows = _rows(judged, cell, wrong)
    opened = _choices(run, judged, cell, wrong)
    if not rows:
        components.note(_("No picture is in this cell."))
        return
    pages = -(-len(rows) // PICTURES_PER_PAGE)
    left = _left(run, judged, rows)
    if left is not None:
        PAGE.choose(str(left // PICTURES_PER_PAGE + 1) if left >= PICTURES_PER_PAGE else None)
    page = PAGE.among(range(1, pages + 1), 1)
    shown = rows[(page - 1) * PICTURES_PER_PAGE : page * PICTURES_PER_PAGE]
    reveal = None if left is None else judged.predictions.keys[rows[left]]
    there = _pictures(run, judged, shown, reveal)
    if pages > 1:
        _turn(f"bl-eval-page-{judged.split}-{len(rows)}", pages, page)
    if there and opened:
        why.draw(run, judged, there)


def _turn(key: str, pages: int, page: int) -> None:
    """Draws the choice of a page, which the address has."""
    if st.session_state.get(key, page) != page:
        st.session_state[key] = page

    def turned() -> None:
        asked = st.session_state[key]
        PAGE.choose(str(asked) if asked > 1 else None)

    st.pagination(pages, default=page, key=key, on_change=turned)


def _heading(judged: Evaluation, cell: tuple[int, int] | None, wrong: list[int]) -> None:
    """Says which pictures are shown, and in which order."""
    if cell is not None:
        right = cell[0] == cell[1]
        order = _("The least sure first.") if right else _("The surest first.")
        text = _("Click a picture to see where the network looked.")
        components.section(_called(judged, cell), f"{order} {text}")
    elif wrong:
        components.section(_("Worst mistakes"), _("The surest first. Click a picture to see where the network looked."))
    else:
        components.section(
            _("No mistakes"),
            _n(
                "The {n} image is right. It is below.",
                "All {n} images are right. These were the least sure.",
                judged.scores.images,
            ).format(n=judged.scores.images),
        )


def _called(judged: Evaluation, cell: tuple[int, int]) -> str:
    """Returns what a cell is called, with the number of its pictures."""
    classes, count = judged.predictions.classes, int(judged.scores.confusion[cell])
    text = _("{true} taken for {predicted} · {n}") if cell[0] != cell[1] else _("{true}, right · {n}")
    return text.format(true=classes[cell[0]], predicted=classes[cell[1]], n=count)


def _rows(judged: Evaluation, cell: tuple[int, int] | None, wrong: list[int]) -> list[int]:
    """Returns the pictures of a cell, else all mistakes, the surest first; of right answers the least sure first."""
    predictions = judged.predictions
    least = [int(row) for row in predictions.probabilities.max(axis=1).argsort(kind="stable")]
    if cell is None:
        return wrong or least[:PICTURES_PER_PAGE]
    predicted = predictions.probabilities.argmax(axis=1)
    order = least if cell[0] == cell[1] else wrong
    return [row for row in order if (int(predictions.labels[row]), int(predicted[row])) == cell]


def _choices(run: Run, judged: Evaluation, cell: tuple[int, int] | None, wrong: list[int]) -> bool:
    """Draws the choice of one kind of mistake, where there are several, and whether to see why; returns the latter."""
    names = [_name(pair[:2]) for pair in judged.scores.confused()]
    offered = names[:KINDS]
    if cell is not None and _name(cell) not in offered:
        offered.append(_name(cell))

    def label(kind: str) -> str:
        if not kind:
            return _("All {n} mistakes").format(n=len(wrong))
        true, taken = map(int, kind.split("-"))
        return _called(judged, (true, taken))

    with st.container(horizontal=True, vertical_alignment="center", key="bl-eval-kinds"):
        if len(names) > 1:
            st.selectbox(
                _("Mistakes"),
                ["", *offered],
                format_func=label,
                label_visibility="collapsed",
                width=420,
                **KIND.widget(_KIND, ["", *offered], "", then=lambda: PAGE.choose(None)),
            )
        elif cell is not None:
            st.button(
                label("") if wrong else _("All pictures"),
                icon=":material/close:",
                key="bl-eval-all",
                on_click=_show_all,
            )
        return bool(
            st.toggle(
                _("Why it said so"),
                disabled=not run.has_weights,
                help=_("Heatmaps for the class that it named and for the true one, and the nearest training images."),
                **form_fields.flag(_WHY),
            )
        )


def _left(run: Run, judged: Evaluation, rows: list[int]) -> int | None:
    """Returns which of the mistakes was clicked before another page was opened, once."""
    place: Place | None = st.session_state.pop(_LEFT, None)
    if place is None or (place.run, place.split) != (run.id, judged.split):
        return None
    return next((i for i, row in enumerate(rows) if judged.predictions.keys[row] == place.key), None)


def _pictures(run: Run, judged: Evaluation, rows: list[int], reveal: str | None = None) -> list[int]:
    """Draws some pictures; returns which of them are there."""
    predictions = judged.predictions
    try:
        picture_list.reopened(run)
    except InputError as error:
        components.note(translate_error(error))
        components.note(_("The figures above are kept with the run and stay true."))
        _names(judged, rows)
        return []
    tiles, pictures, keys, there = [], [], [], []
    for row in rows:
        key = predictions.keys[row]
        image = answers.thumbnail(run, key)
        if image is None:
            continue
        predicted = int(predictions.probabilities[row].argmax())
        share = number_format.percent(float(predictions.probabilities[row, predicted]))
        true, called = predictions.classes[predictions.labels[row]], predictions.classes[predicted]
        quiet = _("right") if true == called else _("is {name}").format(name=true)
        alt = _("{true}, called {predicted} with {share}: {key}").format(
            true=true, predicted=called, share=share, key=key
        )
        tiles.append(Tile(image, f"{called} · {share}", quiet, alt))
        pictures.append(image)
        keys.append(key)
        there.append(row)
    small = all(image.startswith(b"\x89PNG") for image in pictures)  # only small pictures are encoded so
    picked, above = None, st.container()
    if tiles:
        at = keys.index(reveal) if reveal in keys else None

        def tick(boxes: Collection[int]) -> None:
            repair.ticked(run).difference_update(keys)
            repair.ticked(run).update(keys[box] for box in boxes)

        picked = ticked_gallery(
            tiles,
            key="bl-eval-mistakes",
            ticked=[number for number, key in enumerate(keys) if key in repair.ticked(run)],
            on_tick=tick,
            size=168,
            help=_("See where it looked"),
            chosen=at,
            reveal=at is not None,
            pixelated=small,
        )
        named = predictions.probabilities.argmax(axis=1)
        said = {predictions.keys[row]: predictions.classes[named[row]] for row in rows}
        with above:
            repair.draw(run, predictions.classes, said)
    if gone := len(rows) - len(tiles):
        components.note(
            _n("{n} picture is not there any more.", "{n} pictures are not there any more.", gone).format(n=gone)
        )
    if picked is not None:
        st.session_state[_LEFT] = Place(run.id, judged.split, keys[picked])
        nav.go("heatmaps", run=run.id, image=keys[picked])
    return there


def _names(judged: Evaluation, rows: list[int]) -> None:
    """Lists mistakes by name, where the pictures have gone."""
    import pandas as pd

    predictions = judged.predictions
    predicted = predictions.probabilities.argmax(axis=1)
    table = pd.DataFrame(
        {
            "key": [predictions.keys[row] for row in rows],
            "true": [predictions.classes[predictions.labels[row]] for row in rows],
            "predicted": [predictions.classes[predicted[row]] for row in rows],
            "share": [100 * float(predictions.probabilities[row, predicted[row]]) for row in rows],
        }
    )
    st.dataframe(
        table,
        hide_index=True,
        key="bl-eval-names",
        column_config={
            "key": _("Picture"),
            "true": _("Is"),
            "predicted": _("Taken for"),
            "share": st.column_config.NumberColumn(_("Probability"), format="%.1f %%"),
        },
    )
