"""Where a network is worse: its accuracy within slices of the images, the worst first, and the mistakes in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from pages.ui.comparing import answers
from pages.ui.kit import components, form_fields, nav, page_states
from pages.ui.kit.components import Figure
from pages.ui.kit.tile_sheet import gallery
from pages.ui.kit.tiles import Tile
from pages.ui.session import caches
from pages.ui.text import number_format
from pages.ui.text.i18n import _, _n, translate_error
from pages.ui.text.number_format import percent

if TYPE_CHECKING:
    from core.evaluation.slices import Slice
    from core.runs.store import Run
    from core.workflows.data_check.picture_map import PictureMap
    from core.workflows.evaluate import Evaluation

MOST_LOOKED_AT = 3000
"""Images that the page looks at: of more the command line does."""
PICTURES = 12
SIDE = 150
_PICKED, _SLICED_BY = "bl-eval-slices", "bl-eval-sliced-by"


def draw(run: Run, judged: Evaluation) -> None:
    """Draws the slices of a judged run.

    Args:
        run: The run.
        judged: Its answers to images of its own.
    """
    components.section(
        _("Where is it worse?"),
        _("Its accuracy within parts of the images, the worst first. Tick a row to see its mistakes."),
    )
    count = len(judged.predictions.keys)
    if count > MOST_LOOKED_AT:
        components.note(
            _(
                "To look at {n} images takes long; the command line does it: python -m core evaluate {run} --slices"
            ).format(n=number_format.exact(count), run=run.id)
        )
        return
    try:
        found = _slices(run, judged)
    except InputError as error:
        page_states.broken(_("These images cannot be sliced"), translate_error(error), icon="folder_off", tone="warn")
        return
    if not found:
        components.note(_("No part of these images has five or more of them: there are too few to be sliced."))
        return
    chosen = _by(found)
    shown = [one for one in found if not chosen or one.column in chosen]
    _answer(shown, judged)
    picked = _table(shown)
    _said(shown)
    if _map(run) is None:
        nav.link(
            "data",
            _("Draw the map on Data to slice by its clusters"),
            icon=":material/scatter_plot:",
            data=run.experiment.data.source,
            view="map",
        )
    if picked is not None:
        _mistakes(run, judged, picked)


def _slices(run: Run, judged: Evaluation) -> tuple[Slice, ...]:
    from core.workflows.slices import by_columns

    chart = _map(run)
    key = (run.id, judged.split, len(judged.predictions.keys), float(judged.predictions.probabilities.sum()), id(chart))
    if caches.known("slices", key, entries=8):
        return caches.remember("slices", key, lambda: ((), chart), entries=8)[0]
    bar = st.progress(0.0, text=_("Looking at the images …"))

    def progress(done: int, total: int) -> None:
        bar.progress(done / max(total, 1), text=_("Looking at the images: {n} of {total}").format(n=done, total=total))

    def made() -> tuple[tuple[Slice, ...], PictureMap | None]:
        return by_columns(run, judged, chart=chart, roots=caches.roots(), progress=progress), chart

    try:
        return caches.remember("slices", key, made, entries=8)[0]
    finally:
        bar.empty()


def _map(run: Run) -> PictureMap | None:
    """Returns the map of the run's images, if it was drawn."""
    from core.runs.jobs import latest_job
    from core.workflows.jobs.picture_map import MapRequest, result

    try:
        request = MapRequest.of(caches.check_request(run.experiment.data))
    except InputError:
        return None
    job = latest_job(request)
    if job is None or job.state != "finished":
        return None
    return caches.remember("maps", (str(job.path),), lambda: result(job), entries=4)


def title(column: str) -> str:
    """Returns what a column is called."""
    from core.workflows.slices import TITLES

    return _(TITLES[column]) if column in TITLES else column


def _by(found: Sequence[Slice]) -> list[str]:
    """Draws the choice of columns, and returns those that were chosen; none for all."""
    columns = list(dict.fromkeys(one.column for one in sorted(found, key=lambda one: title(one.column))))
    bound = form_fields.kept("bl-sliced")
    chosen = [name for name in (bound.asked() or "").split("\n") if name in columns]
    st.session_state[_SLICED_BY] = chosen

    def remember() -> None:
        bound.choose("\n".join(st.session_state[_SLICED_BY]) or None)

    st.multiselect(
        _("Slice by"), columns, format_func=title, key=_SLICED_BY, on_change=remember, placeholder=_("All columns")
    )
    return chosen


def _answer(shown: Sequence[Slice], judged: Evaluation) -> None:
    """Draws the worst slice beside the whole."""
    worst = shown[0]
    low, high = worst.interval
    components.metrics(
        [
            Figure(
                _("All images"),
                percent(judged.scores.accuracy),
                _n("{n} image", "{n} images", judged.scores.images).format(n=judged.scores.images),
            ),
            Figure(
                _("Worst slice"),
                percent(worst.accuracy),
                _("{column}: {value}").format(column=title(worst.column), value=worst.value),
            ),
            Figure(
                _("Its 95 %\u00a0interval"),
                _("{low} to {high}").format(low=percent(low), high=percent(high)),
                _n("{n} image", "{n} images", worst.images).format(n=worst.images),
            ),
            Figure(
                _("Worse by more than chance"),
                number_format.exact(sum(one.worse for one in shown)),
                _("of {n} slices, after Holm").format(n=len(shown)),
            ),
        ]
    )


def _table(shown: Sequence[Slice]) -> Slice | None:
    """Draws a row a slice, and returns the one that is ticked."""
    event = st.dataframe(
        {
            "column": [title(one.column) for one in shown],
            "value": [one.value for one in shown],
            "accuracy": [100 * one.accuracy for one in shown],
            "images": [one.images for one in shown],
            "interval": [
                _("{low} to {high} %").format(low=f"{100 * one.interval[0]:.1f}", high=f"{100 * one.interval[1]:.1f}")
                for one in shown
            ],
            "rest": [100 * one.rest for one in shown],
            "verdict": [_("worse") if one.worse else "" for one in shown],
        },
        hide_index=True,
        key=_PICKED,
        on_select="rerun",
        selection_mode="single-row",
        height=min(36 * (len(shown) + 1) + 2, 440),
        column_config={
            "column": st.column_config.TextColumn(_("Column")),
            "value": st.column_config.TextColumn(_("Slice"), width=110),
            "images": st.column_config.NumberColumn(_("Images"), width=80),
            "accuracy": st.column_config.ProgressColumn(
                _("Accuracy"), format="%.1f %%", min_value=0.0, max_value=100.0, width="small"
            ),
            "interval": st.column_config.TextColumn(_("95 %\u00a0interval")),
            "rest": st.column_config.NumberColumn(_("The rest"), format="%.1f %%"),
            "verdict": st.column_config.TextColumn(
                _("By more than chance"), help=_("Worse than all other images, after Holm over all slices.")
            ),
        },
        alt=_("Slices of the images with their accuracy and its interval, the worst first."),
    )
    rows = event["selection"]["rows"]
    return shown[rows[0]] if rows and rows[0] < len(shown) else None


def _said(shown: Sequence[Slice]) -> None:
    """Says how far intervals and verdicts hold."""
    components.note(
        _n(
            "{n} slice. Its interval holds by itself.",
            "{n} slices. Each interval holds by itself: of so many, about one in twenty misses. What is called worse "
            "is so for all slices together (Holm).",
            len(shown),
        ).format(n=len(shown))
    )


def _mistakes(run: Run, judged: Evaluation, one: Slice) -> None:
    """Draws the mistakes within a slice, the surest first; a click opens one."""
    predictions = judged.predictions
    inside = set(one.rows.tolist())
    rows = [row for row in predictions.mistakes() if row in inside]
    components.section(
        _("{column}: {value}").format(column=title(one.column), value=one.value),
        _n("{n} mistake, the surest first.", "{n} mistakes, the surest first.", len(rows)).format(n=len(rows)),
    )
    tiles, keys = [], []
    for row in rows[:PICTURES]:
        key = predictions.keys[row]
        image = answers.thumbnail(run, key)
        if image is None:
            continue
        said = int(predictions.probabilities[row].argmax())
        share = percent(float(predictions.probabilities[row, said]))
        true = predictions.classes[predictions.labels[row]]
        tiles.append(Tile(image, f"{predictions.classes[said]} · {share}", _("is {name}").format(name=true), key))
        keys.append(key)
    if not tiles:
        return
    small = all(isinstance(tile.image, bytes) and tile.image.startswith(b"\x89PNG") for tile in tiles)
    picked = gallery(tiles, key="bl-eval-slice-pictures", size=SIDE, help=_("See where it looked"), pixelated=small)
    if picked is not None:
        nav.go("heatmaps", run=run.id, image=keys[picked])
