"""Which runs the table shows, and which settings are columns of it: both stand in the address."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from pages.runs.rows import Row, settings
from pages.ui.kit import form_fields
from pages.ui.session.address import Bound
from pages.ui.text.i18n import N_, _

SAMPLED = 60
"""Runs whose settings are offered as columns: the newest, since reading those of hundreds takes a while."""
_BETWEEN = "\n"
"""Between values in the address: what no name of a tag, folder or setting has in it."""


@dataclass(frozen=True, slots=True)
class Facet:
    """Something that runs can be filtered by.

    Attributes:
        title: What it is called, marked for translation.
        of: Its values in a row.
    """

    title: str
    of: Callable[[Row], Sequence[str]]


FACETS: Mapping[str, Facet] = {
    "state": Facet(N_("State"), lambda row: (row.state,)),
    "tag": Facet(N_("Tags"), lambda row: row.tags),
    "group": Facet(N_("Group"), lambda row: (row.group,) if row.group else ()),
    "data": Facet(N_("Data"), lambda row: (row.data,)),
    "backbone": Facet(N_("Backbone"), lambda row: (row.backbone,)),
    "recipe": Facet(N_("Recipe"), lambda row: (row.recipe,)),
    "augmentation": Facet(N_("Augmentation"), lambda row: (row.augmentation,)),
}


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows are shown.

    Attributes:
        text: What a row's name, tags, note, group, data or backbone contains, in any case.
        facets: Of each facet the values that are wanted; none for any.
        archived: Whether those that were put away are shown, too.
    """

    text: str
    facets: Mapping[str, frozenset[str]]
    archived: bool


def holds(row: Row, wanted: Filter) -> bool:
    """Whether a row is shown."""
    if row.archived and not wanted.archived:
        return False
    if any(values and not values.intersection(FACETS[name].of(row)) for name, values in wanted.facets.items()):
        return False
    told = " ".join((row.name, *row.tags, row.note, row.group, row.data, row.backbone)).casefold()
    return all(word in told for word in wanted.text.casefold().split())


def draw(rows: Sequence[Row]) -> tuple[Filter, list[str]]:
    """Draws the filters and the choice of columns, and returns both.

    Args:
        rows: All rows.
    """
    with st.container(horizontal=True, vertical_alignment="bottom", key="bl-runs-filters"):
        text = st.text_input(
            _("Find runs"),
            placeholder=_("Name, tag, note, data …"),
            icon=":material/search:",
            width=300,
            label_visibility="collapsed",
            **form_fields.words("bl-find"),
        )
        facets = _facets(rows)
        with st.popover(_("Columns"), icon=":material/view_column:", key="bl-runs-columns"):
            more = _several("column", _("Settings as columns"), _settings(rows))
        away = sum(row.archived for row in rows)
        archived = bool(away) and st.toggle(
            _("Archive · {n}").format(n=away),
            help=_("Shows the runs that were put away, too."),
            **form_fields.flag("bl-archive"),
        )
    return Filter(str(text or ""), facets, bool(archived)), more


def _facets(rows: Sequence[Row]) -> dict[str, frozenset[str]]:
    offered = {
        name: list(dict.fromkeys(value for row in rows for value in facet.of(row))) for name, facet in FACETS.items()
    }
    active = sum(bool(_asked(name)) for name in FACETS)
    label = _("Filter · {n}").format(n=active) if active else _("Filter")
    with st.popover(label, icon=":material/filter_list:", key="bl-runs-filter"):
        return {
            name: frozenset(_several(name, _(FACETS[name].title), sorted(values)))
            for name, values in offered.items()
            if len(values) > 1 or _asked(name)
        }


def _settings(rows: Sequence[Row]) -> list[str]:
    """Returns what the settings of the newest runs are called."""
    return list(dict.fromkeys(name for row in rows[:SAMPLED] for name in settings(row.experiment)))


def _bound(name: str) -> Bound:
    return Bound(f"by-{name}", kept=f"bl.runs.by.{name}")


def _asked(name: str) -> list[str]:
    return [value for value in (_bound(name).asked() or "").split(_BETWEEN) if value]


def _several(name: str, label: str, offered: Sequence[str]) -> list[str]:
    """Draws a choice of any number, kept in the address, and returns it."""
    key, bound = f"bl-runs-by-{name}", _bound(name)
    chosen = [value for value in _asked(name) if value in offered]
    st.session_state[key] = chosen

    def remember() -> None:
        bound.choose(_BETWEEN.join(st.session_state[key]) or None)

    st.multiselect(label, offered, key=key, on_change=remember)
    return chosen
