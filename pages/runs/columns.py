"""The columns of the table of runs: those that are always there, and any that a person adds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from pages.ui.text import glossary
from pages.ui.text.i18n import _

if TYPE_CHECKING:
    from streamlit.elements.lib.column_types import ColumnConfig

    from pages.runs.rows import Row

OF_ROWS = (
    "name",
    "state",
    "test",
    "validation",
    "leaky",
    "curve",
    "recipe",
    "augmentation",
    "backbone",
    "started",
    "tags",
    "group",
    "note",
    "data",
    "learned",
    "duration",
)
"""Columns that are fields of a row; all others are settings."""
_WHERE_ANY = ("leaky", "tags", "group", "note")
"""Columns that are left out where no row has anything in them."""


def config(rows: Sequence[Row], more: Sequence[str]) -> dict[str, ColumnConfig]:
    """Returns the columns in order: what was added comes right after the results.

    Args:
        rows: What is shown.
        more: Settings that are columns of their own.
    """
    known = _known(rows)
    kept = [name for name in OF_ROWS if name not in _WHERE_ANY or any(getattr(row, name) for row in rows)]
    added = {name: st.column_config.TextColumn(name, width="small") for name in more}
    place = kept.index("curve")
    return {**{name: known[name] for name in kept[:place]}, **added, **{name: known[name] for name in kept[place:]}}


def _known(rows: Sequence[Row]) -> dict[str, ColumnConfig]:
    kind = st.column_config
    lowest = min((value for row in rows for value in row.curve), default=0.0)
    return {
        "name": kind.TextColumn(_("Run"), width=215),
        "state": kind.TextColumn(_("State"), width=85),
        "test": kind.NumberColumn(_("Test"), width=68, format="%.1f %%", help=_("Test accuracy.")),
        "validation": kind.NumberColumn(
            _("Validation"), width=82, format="%.1f %%", help=_("Best validation accuracy.")
        ),
        "leaky": kind.TextColumn(
            _("Leak"),
            width=70,
            help=_("Leaky: copies of the same picture stand in more than one split, so the accuracy flatters the run."),
        ),
        "curve": kind.LineChartColumn(
            _("Curve"),
            width=76,
            y_min=lowest,
            y_max=1 + (1 - lowest) / 8,  # the best ones do not lie on the line between two rows
            help=_("Validation accuracy by epoch; all on one scale, which begins at the lowest value of all."),
        ),
        "recipe": kind.TextColumn(_("Recipe"), width=110),
        "augmentation": kind.TextColumn(_("Augmentation"), width=98, help=glossary.explain("augmentation")),
        "backbone": kind.TextColumn(_("Backbone"), width=125),
        "started": kind.DatetimeColumn(_("Started"), width=110, format="D MMM, HH:mm"),
        "tags": kind.ListColumn(_("Tags"), width=130),
        "group": kind.TextColumn(_("Group"), width=100),
        "note": kind.TextColumn(_("Note"), width=160),
        "data": kind.TextColumn(_("Data"), width=110),
        "learned": kind.TextColumn(_("Learned"), width=75, help=_("Parameters that learned in the kept weights.")),
        "duration": kind.TextColumn(_("Time"), width=85),
    }
