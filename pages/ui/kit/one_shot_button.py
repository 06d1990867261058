"""Asking for something that may be refused, once a click, also on a page that renews itself every second."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from core.errors import InputError
from pages.ui.kit.page_states import broken
from pages.ui.text.i18n import _, translate_error

REFUSED = "bl.refused"


def button(label: str, act: Callable[[], None], *, key: str, **more: Any) -> None:
    """Draws a button whose click does something once.

    While a fragment renews itself, Streamlit may carry one click out in several reruns. So each click is good for one
    act: with the act the button's key changes, and what still arrives under the old one does nothing.

    Args:
        label: The button's translated label.
        act: What it does; a refusal is kept for :func:`refusal`.
        key: Stable start of the button's key.
        more: Further arguments of ``st.button``.
    """
    made = int(st.session_state.get(f"{key}-made", 0))
    st.button(label, key=f"{key}-{made}", on_click=_once, args=(act, f"{key}-made", made), **more)


def attempt(act: Callable[[], None]) -> None:
    """Does what was asked for; a refusal is kept, to be shown on the page."""
    try:
        act()
    except InputError as error:
        st.session_state[REFUSED] = error


def refusal() -> None:
    """Draws what was refused since it was last asked, if anything was."""
    refused = st.session_state.pop(REFUSED, None)
    if refused is not None:
        broken(_("That was not done"), translate_error(refused), icon="report", tone="warn")


def _once(act: Callable[[], None], counter: str, made: int) -> None:
    if st.session_state.get(counter, 0) == made:
        st.session_state[counter] = made + 1
        attempt(act)
