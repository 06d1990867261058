"""The strip of views: what a page that looks inside shows, under the row of choices, on every such page alike."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from pages.ui.session.address import Bound
from pages.ui.text.i18n import _


def choose(views: Mapping[str, str], bound: Bound, key: str, *, without: frozenset[str] = frozenset()) -> str:
    """Draws the strip and returns the chosen view, the first unless another is chosen.

    Args:
        views: Each view's name in the address, and what it is called, marked for translation.
        bound: What keeps the choice.
        key: The page's stable widget key.
        without: Those that are not to be had here.
    """
    offered = [name for name in views if name not in without]
    with st.container(key="bl-view-strip"):
        chosen = st.segmented_control(
            _("View"),
            offered,
            format_func=lambda name: _(views[name]),
            required=True,
            wrap=True,
            label_visibility="collapsed",
            **bound.widget(key, offered, offered[0]),
        )
    return str(chosen or offered[0])
