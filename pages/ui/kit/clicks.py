"""Clicks that are never lost, however much else happens while their page is drawn.

A click asks for a run of the page, and Streamlit tells of the click within that run alone. One that is cut short before
it came to the button - by another click, by a page that begins again as it knows more - ends with nobody having heard.
So the click is noted as soon as the run begins, and kept until what was clicked is drawn next.
"""

from __future__ import annotations

from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.scriptrunner import get_script_run_ctx

_CLICKED = "bl.clicked"
"""Of a key: the page on which it was clicked, and what was."""


def button(label: str, key: str, *, into: DeltaGenerator | None = None, **more: Any) -> bool:
    """Draws a button.

    Args:
        label: Its translated label.
        key: Its key.
        into: Where it is drawn; by default where everything else is.
        more: Further arguments of ``st.button``.

    Returns:
        Whether it was clicked and nobody was told yet.
    """
    draw = st.button if into is None else into.button
    draw(label, key=key, on_click=note, args=(key, True), **more)
    return take(key) is True


def note(key: str, what: object) -> None:
    """Notes a click, called by the callback of what was clicked."""
    _noted()[key] = (_page(), what)


def take(key: str) -> object:
    """Returns what was clicked on this page under a key, once; ``None`` where nothing was."""
    page, what = _noted().pop(key, (None, None))
    return what if page == _page() else None


def forget() -> None:
    """Forgets clicks on what the page, drawn to its end, did not have any more."""
    st.session_state.pop(_CLICKED, None)


def _noted() -> dict[str, tuple[str, object]]:
    noted: dict[str, tuple[str, object]] = st.session_state.setdefault(_CLICKED, {})
    return noted


def _page() -> str:
    context = get_script_run_ctx(suppress_warning=True)
    return "" if context is None else context.page_script_hash
