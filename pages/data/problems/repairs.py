"""What was repaired since the files were taken: a change becomes the revision in force, and can be undone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from core.data.revisions import store
from core.data.revisions.record import Revision
from core.errors import InputError
from core.specs import DataSpec
from core.workflows.data_check.findings import Action, Finding, Unit, changed
from pages.ui.kit import clicks, components
from pages.ui.session import caches, choices
from pages.ui.text.i18n import _, translate_error

if TYPE_CHECKING:
    from core.data.dataset import Dataset

TICKED = "bl.ticked."
"""Begin of the keys under which the session has what is ticked of a finding."""
_REFUSED = "bl.repair.refused"
_SHOWN = 12
_SYMBOL = "healing"


def current(spec: DataSpec, dataset: Dataset) -> Revision:
    """Returns the revision of some data that is in force."""
    return store.of(dataset.name, spec.revision)


def apply(spec: DataSpec, revision: Revision) -> None:
    """Makes a revision the one in force, and draws the page anew; one that cannot be is refused in words."""
    from core.data.sources import revise

    try:
        changed = revise(spec, revision, roots=caches.roots(), check=caches.divided)
    except InputError as error:
        st.session_state[_REFUSED] = error
    else:
        choices.set_data(changed, choices.data_title())
    st.rerun()


def act(
    spec: DataSpec, dataset: Dataset, finding: Finding, action: Action, ticked: Sequence[str] = (), label: str = ""
) -> None:
    """Does something about a finding, all of it or what is ticked, and draws the page anew.

    Args:
        spec: The chosen data.
        dataset: Their images, divided.
        finding: The finding.
        action: What is done.
        ticked: Keys of the pictures that are ticked; without any, all are meant.
        label: The class, for ``relabel``.
    """
    units: Sequence[Unit] = finding.units
    if ticked:
        wanted = set(ticked)
        units = [unit for unit in units if wanted.intersection(unit.keys)]
        if action in ("exclude", "relabel", "suggest"):
            units = [replace(unit, keys=tuple(key for key in unit.keys if key in wanted)) for unit in units]
    st.session_state.pop(f"{TICKED}{finding.kind.id}", None)
    revision = changed(action, finding.kind, units, dataset, current(spec, dataset), label)
    apply(spec, revision)


def refused() -> None:
    """Says once why the last change was not made."""
    error: InputError | None = st.session_state.pop(_REFUSED, None)
    if error is not None:
        st.warning(components.plain(translate_error(error)), icon=":material/block:")


def draw(spec: DataSpec, dataset: Dataset) -> None:
    """Draws in a line what was changed since the files were taken, with Undo and the history."""
    refused()
    revision = current(spec, dataset)
    known = store.history(dataset.name) if spec.revision else []
    if not revision.changed:
        return
    with st.container(horizontal=True, vertical_alignment="center", key="bl-repairs"):
        st.html(
            '<p class="bl-note"><span class="bl-symbol" aria-hidden="true">'
            f"{_SYMBOL}</span> {escape(said(revision))}</p>",
            width="stretch",
        )
        if clicks.button(
            _("Undo"), icon=":material/undo:", key="bl-repair-undo", help=_("Takes the last change back.")
        ):
            undo(spec, revision)
        with st.popover(_("History"), icon=":material/history:", key="bl-repair-history"):
            _history(spec, revision, known)


def offer_files(spec: DataSpec) -> None:
    """Offers the files as they lie, where data cannot be used and what was changed of them may be why."""
    if spec.revision and clicks.button(
        _("Take the files as they lie"), icon=":material/folder:", key="bl-repair-files"
    ):
        choices.set_data(replace(spec, revision="", classes=(), class_caps=()), choices.data_title())
        st.rerun()


def undo(spec: DataSpec, revision: Revision) -> None:
    """Takes the last change back."""
    apply(spec, store.of(revision.source, revision.parent))


def said(revision: Revision, since: Revision | None = None) -> str:
    """Returns in words what was changed."""
    words = [translate_error(sentence) for sentence in revision.changes(since)]
    return ", ".join(words) + "." if words else _("The files as they lie.")


def _history(spec: DataSpec, revision: Revision, known: list[Revision]) -> None:
    components.note(_("No file was touched: a change is a note about the images, and each can be taken again."))
    for row in [*known[:_SHOWN], Revision(revision.source)]:
        with st.container(horizontal=True, vertical_alignment="center"):
            when = datetime.fromtimestamp(row.made, UTC).strftime("%Y-%m-%d %H:%M") if row.made else ""
            st.html(f"<p>{escape(said(row))} <small>{when}</small></p>", width="stretch")
            here = row.hash == revision.hash
            label = _("In force") if here else _("Take this")
            if clicks.button(label, disabled=here, key=f"bl-repair-take-{row.hash or 'files'}"):
                apply(spec, row)
