"""A judged run against another one: what it now gets right or wrong, cell by cell and picture by picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from pages.ui.comparing import answers, changes_view
from pages.ui.kit import clicks, components, nav
from pages.ui.session import run_list
from pages.ui.session.address import Bound
from pages.ui.text.i18n import _, _n

if TYPE_CHECKING:
    from core.runs.store import Run

AGAINST = Bound("against")
"""Id of the run that is compared with."""


def draw(run: Run, others: Sequence[Run]) -> None:
    """Draws the choice of the other run, and what changed from it to this one.

    Args:
        run: The judged run.
        others: Those that it can be compared with, at least one.
    """
    labels = run_list.labels(others)
    before = answers.before(run)
    usual = before.id if before is not None and before.id in labels else others[0].id
    with st.container(horizontal=True, vertical_alignment="bottom", key="bl-eval-against-row"):
        asked = st.selectbox(
            _("Compared with"),
            list(labels),
            format_func=lambda name: labels[name],
            width=420,
            help=_("Runs that were judged on the same source of images. It is the first, the run above the second."),
            **AGAINST.widget("bl-eval-against", labels, usual),
        )
        nav.link("compare", _("More than chance?"), runs=f"{asked},{run.id}", view="chance")
    other = next(one for one in others if one.id == asked)
    changes_view.draw(other, run)


def told(run: Run, view: Bound) -> None:
    """Says of a run that was trained again on repaired images what changed, and leads to the pictures.

    Args:
        run: The run.
        view: The page's choice of views.
    """
    before = answers.before(run)
    if before is None:
        return
    try:
        found, _split = answers.changes(before, run)
    except InputError:
        return
    fixed, broken = len(found.of("fixed")), len(found.of("broken"))
    parts = [
        _n("{n} image is newly right", "{n} images are newly right", fixed).format(n=fixed),
        _n("{n} is newly wrong", "{n} are newly wrong", broken).format(n=broken),
    ]
    with st.container(horizontal=True, vertical_alignment="center", key="bl-eval-told"):
        components.note(
            _("Trained again from {name}: {fixed}, {broken}.").format(name=before.name, fixed=parts[0], broken=parts[1])
        )
        if clicks.button(_("See what changed"), icon=":material/compare_arrows:", key="bl-eval-see-changes"):
            AGAINST.choose(before.id)
            view.choose("changes")
            st.rerun()
