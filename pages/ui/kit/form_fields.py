"""Fields that follow a record: each shows what the record says and returns what the person makes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pages.ui.session import choices


def whole(place: Any, label: str, key: str, value: int, low: int, high: int, help_: str, step: int = 1) -> int:
    """Draws a whole number in ``place``, a column or :mod:`streamlit` itself."""
    choices.follow(key, value)
    return int(place.number_input(label, min(low, value), max(high, value), key=key, step=step, help=help_))


def real(place: Any, label: str, key: str, value: float, low: float, high: float, step: float, help_: str) -> float:
    """Draws a number that may have decimals."""
    choices.follow(key, float(value))
    low, high = min(low, float(value)), max(high, float(value))
    return float(place.number_input(label, low, high, key=key, step=step, format="%.6g", help=help_))


def one(
    place: Any, label: str, key: str, value: str, options: Sequence[str], title: Callable[[str], str], help_: str
) -> str:
    """Draws a choice of one."""
    choices.follow(key, value)
    return str(place.selectbox(label, options, key=key, format_func=title, help=help_))


def switch(place: Any, label: str, key: str, *, value: bool, help_: str, disabled: bool = False) -> bool:
    """Draws a yes or no."""
    choices.follow(key, value)
    return bool(place.toggle(label, key=key, help=help_, disabled=disabled))
