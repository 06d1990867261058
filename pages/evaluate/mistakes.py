"""The images that were taken for something else."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.data.encoding import compact
from core.errors import InputError
from pages.ui.kit import components, nav
from pages.ui.kit.tile_sheet import gallery
from pages.ui.kit.tiles import Tile
from pages.ui.selection import image_picker
from pages.ui.session import caches
from pages.ui.text import number_format
from pages.ui.text.i18n import _, _n, translate_error

PICTURES_PER_PAGE = 12
PICTURE_PX = 320
_KIND = "bl-eval-kind"


def draw_mistakes(run: Any, judged: Any) -> None:
    """Draws the most confident mistakes with their pictures; without any, the least sure answers."""
    wrong = judged.predictions.mistakes()
    if not wrong:
        components.section(
            _("No mistakes"), _("All {n} images are right. These were the least sure.").format(n=judged.scores.images)
        )
        rows = [int(row) for row in judged.predictions.probabilities.max(axis=1).argsort()[:PICTURES_PER_PAGE]]
        _pictures(run, judged, rows)
        return
    components.section(_("Worst mistakes"), _("The surest first. Click a picture to see where the network looked."))
    rows = _filtered(judged, wrong)
    pages = -(-len(rows) // PICTURES_PER_PAGE)
    key = f"bl-eval-page-{judged.split}-{len(rows)}"
    page = min(int(st.session_state.get(key) or 1), pages)
    _pictures(run, judged, rows[(page - 1) * PICTURES_PER_PAGE : page * PICTURES_PER_PAGE])
    if pages > 1:
        st.pagination(pages, key=key)


def _filtered(judged: Any, wrong: list[int]) -> list[int]:
    """Draws the choice of one kind of mistake, where there are several, and returns its rows."""
    pairs = judged.scores.confused()[:30]
    if len(pairs) < 2:
        return wrong
    classes, said = judged.predictions.classes, judged.predictions.probabilities.argmax(axis=1)
    names = {f"{true}-{taken}": (true, taken, count) for true, taken, count in pairs}
    if st.session_state.get(_KIND) not in ("", *names):
        st.session_state[_KIND] = ""

    def label(kind: str) -> str:
        if not kind:
            return _("All {n} mistakes").format(n=len(wrong))
        true, taken, count = names[kind]
        return _("{true} taken for {said} · {n}").format(true=classes[true], said=classes[taken], n=count)

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
    true, taken, _count = names[kind]
    return [row for row in wrong if judged.predictions.labels[row] == true and said[row] == taken]


def _pictures(run: Any, judged: Any, rows: list[int]) -> None:
    predictions = judged.predictions
    try:
        dataset = image_picker.reopened(run)
    except InputError as error:
        components.note(translate_error(error))
        components.note(_("The figures above are kept with the run and stay true."))
        _names(judged, rows)
        return
    place = caches.remember(
        "places", (run.id,), lambda: {item.key: index for index, item in enumerate(dataset.items)}, entries=4
    )
    tiles, pictures, keys, gone = [], [], [], 0
    for row in rows:
        key = predictions.keys[row]
        image = _thumbnail(run, dataset, place, key)
        if image is None:
            gone += 1
            continue
        said = int(predictions.probabilities[row].argmax())
        share = number_format.percent(float(predictions.probabilities[row, said]))
        true, called = predictions.classes[predictions.labels[row]], predictions.classes[said]
        quiet = _("right") if true == called else _("is {name}").format(name=true)
        alt = _("{true}, called {said} with {share}: {key}").format(true=true, said=called, share=share, key=key)
        tiles.append(Tile(image, f"{called} · {share}", quiet, alt))
        pictures.append(image)
        keys.append(key)
    small = all(image.startswith(b"\x89PNG") for image in pictures)  # only small pictures are encoded so
    picked = None
    if tiles:
        help_ = _("See where it looked")
        picked = gallery(tiles, key="bl-eval-mistakes", size=168, help=help_, pixelated=small)
    if gone:
        components.note(
            _n("{n} picture is not there any more.", "{n} pictures are not there any more.", gone).format(n=gone)
        )
    if picked is not None:
        nav.go("heatmaps", run=run.id, image=keys[picked])


def _thumbnail(run: Any, dataset: Any, place: dict[str, int], key: str) -> bytes | None:
    if key not in place:
        return None
    try:
        return caches.remember(
            "mistakes", (run.id, key), lambda: compact(dataset.load(place[key]), PICTURE_PX), entries=256
        )
    except InputError:
        return None


def _names(judged: Any, rows: list[int]) -> None:
    """Lists mistakes by name, where the pictures have gone."""
    import pandas as pd

    predictions = judged.predictions
    said = predictions.probabilities.argmax(axis=1)
    table = pd.DataFrame(
        {
            "key": [predictions.keys[row] for row in rows],
            "true": [predictions.classes[predictions.labels[row]] for row in rows],
            "said": [predictions.classes[said[row]] for row in rows],
            "share": [float(predictions.probabilities[row, said[row]]) for row in rows],
        }
    )
    st.dataframe(
        table,
        hide_index=True,
        key="bl-eval-names",
        column_config={
            "key": _("Picture"),
            "true": _("Is"),
            "said": _("Taken for"),
            "share": st.column_config.NumberColumn(_("Probability"), format="percent"),
        },
    )
