"""The table of all runs: a row a run, or a series; what tells runs apart is seen without scrolling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError, RunMissing
from core.runs.status import LIVE
from pages.runs import columns, filters, together
from pages.runs.rows import Row, rows_of
from pages.ui.kit import components
from pages.ui.kit.page_states import guarded
from pages.ui.session import caches, choices, run_list
from pages.ui.text import number_format
from pages.ui.text.i18n import _, _n

if TYPE_CHECKING:
    from core.runs.store import Run
    from core.specs import Experiment

LISTED = 5
"""Most runs of which it is said what cannot be read."""
ROW_PX, TALLEST_PX = 38, 460


@guarded
def draw(was_alive: bool) -> None:
    """Draws the table, and chooses the run whose row is ticked; as a fragment it renews itself."""
    entries = run_list.entries()
    if was_alive and not any(entry.status.state in LIVE for entry in entries):
        st.rerun()
    rows = rows_of(entries)
    if not rows:
        return
    wanted, more = filters.draw(rows)
    shown = [row for row in rows if filters.holds(row, wanted)]
    place = st.container()
    if not shown:
        components.note(_("No run is like that. Take a filter away."))
        return
    picked = _table(shown, more)
    _said(_runs(shown), _runs(rows), shown)
    with place:
        together.draw([row for row in shown if set(row.ids) & set(picked)])
    if len(picked) == 1 and choices.run_id() not in next(row.ids for row in shown if picked[0] in row.ids):
        choices.choose_run(picked[0])
        st.rerun()


def _table(shown: Sequence[Row], more: Sequence[str]) -> list[str]:
    """Draws the rows, and returns the ids of those that are ticked."""
    import pandas as pd

    config = columns.config(shown, more)
    data = {name: [getattr(row, name) for row in shown] for name in config if name in columns.OF_ROWS}
    data |= {name: [row.setting(name) for row in shown] for name in config if name not in columns.OF_ROWS}
    ids = [row.ids[0] for row in shown]
    event = st.dataframe(
        pd.DataFrame({name: data[name] for name in config}, index=ids),
        hide_index=True,
        key=f"bl-runs-{hash(tuple(ids))}",  # what is ticked is known by its place: other rows, another table
        on_select="rerun",
        selection_mode="multi-row",
        height=min(ROW_PX * (len(shown) + 1) + 2, TALLEST_PX),
        row_height=ROW_PX,
        placeholder=number_format.DASH,
        alt=_("Table of all runs with state, accuracies, recipe, augmentation, backbone and when they were started."),
        column_config=config,
    )
    return [ids[place] for place in event["selection"]["rows"] if place < len(ids)]


def _runs(rows: Sequence[Row]) -> int:
    """Returns how many runs rows stand for: that of a series or a study for all of its own."""
    return sum(len(row.ids) for row in rows)


def _said(count: int, total: int, shown: Sequence[Row]) -> None:
    """Says how many runs there are, what a tick does, and what cannot be read."""
    text = _n(
        "{n} run. Tick its row to open it below.",
        "{n} runs, the newest first. Tick one to open it below, several to compare, tag or put away.",
        count,
    ).format(n=count)
    if count < total:
        text += " " + _n("{n} is filtered out.", "{n} are filtered out.", total - count).format(n=total - count)
    components.note(text)
    for row in [row for row in shown if row.fault][:LISTED]:
        components.note(f"{row.name}: {row.fault}")


def experiment(run: Run) -> tuple[Experiment | None, InputError | None]:
    """Returns what a run does, or why that cannot be read.

    Raises:
        RunMissing: It went away.
    """
    try:
        return caches.experiment(run), None
    except RunMissing:
        raise
    except InputError as error:
        return None, error
