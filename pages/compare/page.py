"""Compare: several runs in one chart, two of them picture by picture, and whether they differ by more than chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import streamlit as st

from core.runs.status import LIVE
from pages.compare import chance_view, curves, pick, pictures_view, settings_view, transfer_view
from pages.ui.kit import components, nav
from pages.ui.kit.page_states import empty
from pages.ui.selection import view_strip
from pages.ui.session import run_list
from pages.ui.session.address import Bound
from pages.ui.text.i18n import N_, _

if TYPE_CHECKING:
    from core.runs.store import Run

VIEWS = {
    "curves": N_("Curves"),
    "settings": N_("Settings and results"),
    "pictures": N_("Picture by picture"),
    "chance": N_("More than chance?"),
    "transfer": N_("What transfer gained"),
}
VIEW = Bound("view", kept="bl.compare.view")


def render() -> None:
    """Draws the page."""
    components.header("compare")
    entries = run_list.entries()
    everything = [entry.run for entry in entries]
    runs = [entry.run for entry in entries if entry.status.epochs_done or entry.status.best_epoch]
    if not runs:
        empty(
            _("Nothing to compare yet"),
            _("Runs with an epoch each can be compared: train one, then another recipe, network or seed."),
            action=_("Train one"),
            target="train",
            icon="compare_arrows",
        )
        return
    labels = run_list.labels(everything)
    chosen = pick.several(runs, labels)
    if len(chosen) < 2:
        _alone(chosen, everything, labels, others=len(runs) > 1)
        return
    view = view_strip.choose(VIEWS, VIEW, "bl-compare-view")
    if view == "settings":
        settings_view.draw(chosen, labels)
    elif view == "pictures":
        pictures_view.draw(chosen, labels)
    elif view == "chance":
        chance_view.draw(chosen, everything, labels)
    elif view == "transfer":
        transfer_view.draw(chosen, everything, labels)
    else:
        alive = any(run.state in LIVE for run in chosen)
        st.fragment(curves.draw, run_every=3.0 if alive else None)(chosen, labels)
    components.next_step("evaluate", _("Judge one of them"), run=chosen[0].id)


def _alone(chosen: Sequence[Run], everything: Sequence[Run], labels: Mapping[str, str], *, others: bool) -> None:
    """Says what a comparison needs, and holds a single run against the same network from scratch.

    Args:
        chosen: The chosen run, or none.
        everything: All runs.
        labels: What each is called.
        others: Whether there are further runs to choose.
    """
    if others:
        components.note(_("Choose at least two runs above."))
    else:
        with st.container(horizontal=True, vertical_alignment="center", key="bl-compare-alone"):
            components.note(_("A second run, of another recipe, network or seed, can be compared with this one."))
            nav.link("train", _("Train one"))
    if chosen:
        components.section(_(VIEWS["transfer"]))
        transfer_view.draw(chosen, everything, labels)
