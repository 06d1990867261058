"""The images that were taken for something else."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from pages.evaluate import repair
from pages.ui.comparing import answers
from pages.ui.kit import components, nav
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
_KIND = "bl-eval-kind"
_LEFT = "bl.eval.left"
"""Where a person left the mistakes for another page: run, split and image."""


@dataclass(frozen=True, slots=True)
class Place:
    """Which of the mistakes a person looked at last."""

    run: str
    split: str
    key: str


def shown_kind(judged: Evaluation) -> tuple[int, int] | None:
    """Returns true and predicted class of the mistakes that are shown; ``None`` where all are."""
    asked = str(st.session_state.get(_KIND) or "")
    pairs = (pair[:2] for pair in judged.scores.confused())
    return next((pair for pair in pairs if _name(pair) == asked), None)


def show_kind(cell: tuple[int, int]) -> None:
    """Shows the mistakes of a cell of the confusion matrix; all of them for a cell without any."""
    st.session_state[_KIND] = _name(cell)


def _name(pair: tuple[int, int]) -> str:
    return f"{pair[0]}-{pair[1]}"


def draw_mistakes(run: Run, judged: Evaluation) -> None:
    """Draws the most confident mistakes with their pictures; without any, the least sure answers."""
    wrong = judged.predictions.mistakes()
    if not wrong:
        components.section(
            _("No mistakes"),
            _n(
                "The {n} image is right. It is below.",
                "All {n} images are right. These were the least sure.",
                judged.scores.images,
            ).format(n=judged.scores.images),
        )
        rows = [int(row) for row in judged.predictions.probabilities.max(axis=1).argsort()[:PICTURES_PER_PAGE]]
        _pictures(run, judged, rows)
        return
    components.section(_("Worst mistakes"), _("The surest first. Click a picture to see where the network looked."))
    rows = _filtered(judged, wrong)
    pages = -(-len(rows) // PICTURES_PER_PAGE)
    key = f"bl-eval-page-{judged.split}-{len(rows)}"
    left = _left(run, judged, rows)
    if left is not None:
        st.session_state[key] = left // PICTURES_PER_PAGE + 1
    page = min(int(st.session_state.get(key) or 1), pages)
    first = (page - 1) * PICTURES_PER_PAGE
    reveal = None if left is None else judged.predictions.keys[rows[left]]
    _pictures(run, judged, rows[first : first + PICTURES_PER_PAGE], reveal)
    if pages > 1:
        st.pagination(pages, key=key)


def _left(run: Run, judged: Evaluation, rows: list[int]) -> int | None:
    """Returns which of the mistakes was clicked before another page was opened, once."""
    place: Place | None = st.session_state.pop(_LEFT, None)
    if place is None or (place.run, place.split) != (run.id, judged.split):
        return None
    return next((i for i, row in enumerate(rows) if judged.predictions.keys[row] == place.key), None)


def _filtered(judged: Evaluation, wrong: list[int]) -> list[int]:
    """Draws the choice of one kind of mistake, where there are several, and returns its rows."""
    counts = {_name((true, taken)): (true, taken, count) for true, taken, count in judged.scores.confused()}
    if len(counts) < 2:
        return wrong
    classes, predicted = judged.predictions.classes, judged.predictions.probabilities.argmax(axis=1)
    chosen = shown_kind(judged)
    names = list(counts)[:KINDS]
    if chosen is None:
        st.session_state[_KIND] = ""
    elif _name(chosen) not in names:
        names.append(_name(chosen))

    def label(kind: str) -> str:
        if not kind:
            return _("All {n} mistakes").format(n=len(wrong))
        true, taken, count = counts[kind]
        return _("{true} taken for {predicted} · {n}").format(true=classes[true], predicted=classes[taken], n=count)

    kind = st.selectbox(
        _("Mistakes"),
        ["", *names],
        key=_KIND,
        format_func=label,
        persist_state="session",
        label_visibility="collapsed",
        width=420,
    )
    if not kind:
        return wrong
    true, taken, _count = counts[kind]
    return [row for row in wrong if judged.predictions.labels[row] == true and predicted[row] == taken]


def _pictures(run: Run, judged: Evaluation, rows: list[int], reveal: str | None = None) -> None:
    predictions = judged.predictions
    try:
        picture_list.reopened(run)
    except InputError as error:
        components.note(translate_error(error))
        components.note(_("The figures above are kept with the run and stay true."))
        _names(judged, rows)
        return
    tiles, pictures, keys = [], [], []
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
            "share": [float(predictions.probabilities[row, predicted[row]]) for row in rows],
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
            "share": st.column_config.NumberColumn(_("Probability"), format="percent"),
        },
    )
