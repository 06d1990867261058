"""From which probability on the network answers; below it, it says "I don't know"."""

from __future__ import annotations

import streamlit as st

from pages.ui.kit import form_fields
from pages.ui.text import glossary
from pages.ui.text.i18n import _

USUAL = 60
"""Above what any answer of two classes has."""


def slider() -> float:
    """Draws the slider and returns its place as a probability."""
    return (
        st.slider(
            _("Below this probability it says “I don't know”"),
            0,
            100,
            step=5,
            format="%d %%",
            help=glossary.explain("coverage"),
            **form_fields.number("bl-try-limit", USUAL, 0, 100),
        )
        / 100
    )
