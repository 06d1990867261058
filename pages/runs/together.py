"""What can be done with several ticked runs, and what stands beside one: tags, group, note, archive."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from core.runs.listing.annotations import Annotations, annotate, read_annotations
from core.runs.store import RunStore
from core.workflows.comparing.curves import MOST_RUNS
from pages.ui.kit import clicks, nav, one_shot_button
from pages.ui.text.i18n import _, _n

if TYPE_CHECKING:
    from core.runs.store import Run
    from pages.runs.rows import Row

_TAG, _GROUP = "bl-runs-tag", "bl-runs-group"
_ONE_TAGS, _ONE_GROUP, _ONE_NOTE = "bl-one-tags", "bl-one-group", "bl-one-note"


def draw(rows: Sequence[Row]) -> None:
    """Draws what can be done with ticked rows.

    Args:
        rows: The ticked rows; a series counts as all its runs.
    """
    ids = [name for row in rows for name in row.ids]
    if len(ids) < 2:
        return
    with st.container(horizontal=True, vertical_alignment="center", key="bl-runs-together"):
        if clicks.button(
            _("Compare {n} runs").format(n=min(len(ids), MOST_RUNS)),
            type="primary",
            icon=":material/compare_arrows:",
            key="bl-runs-compare",
            help=_("At most {n} are drawn together.").format(n=MOST_RUNS) if len(ids) > MOST_RUNS else None,
        ):
            nav.go("compare", runs=",".join(ids[:MOST_RUNS]))
        with st.popover(_("Tag"), icon=":material/sell:", key="bl-runs-tagging"):
            st.text_input(_("Tag"), max_chars=40, key=_TAG)
            st.button(_("Add to {n} runs").format(n=len(ids)), key="bl-runs-tag-now", on_click=lambda: _tag(ids))
        with st.popover(_("Group"), icon=":material/folder:", key="bl-runs-grouping"):
            st.text_input(_("Group"), max_chars=60, key=_GROUP, help=_("Empty takes them out of their groups."))
            st.button(
                _("Set for {n} runs").format(n=len(ids)),
                key="bl-runs-group-now",
                on_click=lambda: _each(ids, group=st.session_state[_GROUP] or ""),
            )
        away = all(row.archived for row in rows)
        st.button(
            _("Take back") if away else _("Put away"),
            icon=":material/unarchive:" if away else ":material/archive:",
            key="bl-runs-archive",
            help=_("Runs in the archive stay as they are; the table leaves them out."),
            on_click=lambda: _each(ids, archived=not away),
        )


def _tag(ids: Sequence[str]) -> None:
    _each(ids, add=[st.session_state[_TAG] or ""])
    st.session_state[_TAG] = ""


def _each(ids: Sequence[str], **change: object) -> None:
    """Makes one change to each of some runs; the first that is refused is said."""

    def act() -> None:
        for name in ids:
            annotate(RunStore().get(name), **change)  # type: ignore[arg-type]

    one_shot_button.attempt(act)


def beside(run: Run, known_tags: Sequence[str]) -> None:
    """Draws what stands beside one run, to be changed.

    Args:
        run: The run.
        known_tags: Tags of all runs, to choose from.
    """
    now = read_annotations(run.path)
    with st.popover(_label(now), icon=":material/sell:", key="bl-beside"):
        for key, value in ((_ONE_TAGS, list(now.tags)), (_ONE_GROUP, now.group), (_ONE_NOTE, now.note)):
            st.session_state[f"{key}-{run.id}"] = value
        st.multiselect(
            _("Tags"),
            sorted({*known_tags, *now.tags}),
            key=f"{_ONE_TAGS}-{run.id}",
            accept_new_options=True,
            placeholder=_("Choose or write one"),
            on_change=_tags_changed,
            args=(run, now.tags),
        )
        st.text_input(
            _("Group"),
            max_chars=60,
            key=f"{_ONE_GROUP}-{run.id}",
            on_change=lambda: _each([run.id], group=st.session_state[f"{_ONE_GROUP}-{run.id}"] or ""),
        )
        st.text_area(
            _("Note"),
            max_chars=4000,
            key=f"{_ONE_NOTE}-{run.id}",
            on_change=lambda: _each([run.id], note=(now.note, st.session_state[f"{_ONE_NOTE}-{run.id}"] or "")),
        )
    st.button(
        _("Take back") if now.archived else _("Put away"),
        icon=":material/unarchive:" if now.archived else ":material/archive:",
        key="bl-put-away",
        help=_("Runs in the archive stay as they are; the table leaves them out."),
        on_click=lambda: _each([run.id], archived=not now.archived),
    )


def _label(now: Annotations) -> str:
    count = len(now.tags) + bool(now.note) + bool(now.group)
    return _n("Tags and notes · {n}", "Tags and notes · {n}", count).format(n=count) if count else _("Tags and notes")


def _tags_changed(run: Run, before: Sequence[str]) -> None:
    """Adds and takes away what the person did; what others did meanwhile stays."""
    after = set(st.session_state[f"{_ONE_TAGS}-{run.id}"])
    _each([run.id], add=sorted(after - set(before)), remove=sorted(set(before) - after))
