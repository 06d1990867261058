"""Fields that ask for classes of a person's own naming, however their pictures come."""

from __future__ import annotations

import streamlit as st

from pages.ui.text.i18n import _

LEAST = 2
"""Classes that are asked for at first."""


def name_field(key: str, width: int) -> str:
    """Draws the field for what the images are called; returns that without spaces round it."""
    return st.text_input(
        _("Name"),
        key=key,
        placeholder=_("my-pictures"),
        max_chars=60,
        width=width,
        help=_("What the images are called here: letters, digits, - and _."),
    ).strip()


def another_class(key: str, count: str, most: int) -> None:
    """Draws the button that asks for one class more.

    Args:
        key: Stable key.
        count: Session key of how many classes are asked for.
        most: Classes at most.
    """
    now = st.session_state.get(count, LEAST)
    st.button(
        _("Another class"),
        icon=":material/add:",
        key=key,
        disabled=now >= most,
        on_click=lambda: st.session_state.update({count: now + 1}),
    )


def renew(lot: str, count: str) -> None:
    """Empties the fields once a source was made of them.

    Args:
        lot: Session key of how often that was done, a part of the fields' keys.
        count: Session key of how many classes are asked for.
    """
    st.session_state[lot] = st.session_state.get(lot, 0) + 1
    st.session_state[count] = LEAST
