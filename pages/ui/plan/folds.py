"""The choice of how many folds images are dealt into."""

from __future__ import annotations

from types import ModuleType

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages.ui.session import choices
from pages.ui.text.i18n import _

FOLDS = (0, 2, 3, 4, 5, 10)
"""Folds that are offered; 0 for none."""


def choose(key: str, value: int, help_: str, place: DeltaGenerator | ModuleType = st) -> int:
    """Draws the choice; 0 for none.

    Args:
        key: Stable key.
        value: What a record says, which the field follows; it is offered, too.
        help_: What folds are for here, translated.
        place: A column, or :mod:`streamlit` itself.
    """
    choices.follow(key, value)
    return int(
        place.selectbox(
            _("Folds"), sorted({*FOLDS, value}), key=key, format_func=lambda n: str(n) if n else _("None"), help=help_
        )
    )
