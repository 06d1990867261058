"""Which runs are compared: 2 to 20 of them, kept in the address; and which two are laid side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import streamlit as st

from core.workflows.comparing.curves import MOST_RUNS
from pages.ui.session.address import Bound
from pages.ui.text.i18n import _

if TYPE_CHECKING:
    from core.runs.store import Run

RUNS = Bound("runs", kept="bl.compare.runs")
"""Ids of the compared runs, with commas between them."""
FIRST, SECOND = Bound("first", kept="bl.compare.first"), Bound("second", kept="bl.compare.second")
USUAL = 5
"""Runs that are compared where nobody chose any: the newest."""
_RUNS = "bl-compare-runs"


def several(runs: Sequence[Run], labels: Mapping[str, str]) -> list[Run]:
    """Draws the choice of runs, and returns them in the order in which they were chosen.

    Args:
        runs: All runs that can be compared, the newest first.
        labels: What each is called.
    """
    by_id = {run.id: run for run in runs}
    asked = RUNS.asked()
    if asked is None:
        chosen = [run.id for run in runs[:USUAL]]
    else:
        chosen = [name for name in dict.fromkeys(asked.split(",")) if name in by_id][:MOST_RUNS]
        RUNS.choose(",".join(chosen) or None)
    st.session_state[_RUNS] = chosen

    def remember() -> None:
        RUNS.choose(",".join(st.session_state[_RUNS]) or None)

    st.multiselect(
        _("Runs"),
        list(by_id),
        format_func=lambda name: labels[name],
        key=_RUNS,
        on_change=remember,
        max_selections=MOST_RUNS,
        placeholder=_("Choose 2 to 20 runs"),
    )
    return [by_id[name] for name in chosen]


def two(runs: Sequence[Run], labels: Mapping[str, str]) -> tuple[Run, Run]:
    """Draws the choice of two of the runs, and returns them.

    Args:
        runs: The compared runs, at least two.
        labels: What each is called.
    """
    by_id = {run.id: run for run in runs}
    names = list(by_id)
    left, right = st.columns(2, gap="medium")
    first = left.selectbox(
        _("First"), names, format_func=labels.__getitem__, **FIRST.widget("bl-compare-first", names, runs[0].id)
    )
    others = [name for name in names if name != first]
    second = right.selectbox(
        _("Second"), others, format_func=labels.__getitem__, **SECOND.widget("bl-compare-second", others, others[0])
    )
    return by_id[str(first)], by_id[str(second)]
