"""Fields: each returns what the person makes of it, and some follow what a record says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any, TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages.ui.session import choices
from pages.ui.session.address import Bound
from pages.ui.text.i18n import _

T = TypeVar("T")
N = TypeVar("N", int, float)
LONGEST_TEXT = 200
"""Characters of a line of text that an address brings."""


def whole(
    place: DeltaGenerator | ModuleType, label: str, key: str, value: int, low: int, high: int, help_: str, step: int = 1
) -> int:
    """Draws a whole number in ``place``, a column or :mod:`streamlit` itself."""
    choices.follow(key, value)
    return int(place.number_input(label, min(low, value), max(high, value), key=key, step=step, help=help_))


def real(
    place: DeltaGenerator | ModuleType,
    label: str,
    key: str,
    value: float,
    low: float,
    high: float,
    step: float,
    help_: str,
) -> float:
    """Draws a number that may have decimals."""
    choices.follow(key, float(value))
    low, high = min(low, float(value)), max(high, float(value))
    return float(place.number_input(label, low, high, key=key, step=step, format="%.6g", help=help_))


def one(
    place: DeltaGenerator | ModuleType,
    label: str,
    key: str,
    value: str,
    options: Sequence[str],
    title: Callable[[str], str],
    help_: str,
) -> str:
    """Draws a choice of one."""
    choices.follow(key, value)
    return str(place.selectbox(label, options, key=key, format_func=title, help=help_))


def switch(
    place: DeltaGenerator | ModuleType, label: str, key: str, *, value: bool, help_: str, disabled: bool = False
) -> bool:
    """Draws a yes or no."""
    choices.follow(key, value)
    return bool(place.toggle(label, key=key, help=help_, disabled=disabled))


def choice(
    label: str,
    options: Iterable[T],
    key: str,
    *,
    place: DeltaGenerator | ModuleType = st,
    names: Mapping[T, str] | None = None,
    value: T | None = None,
    default: T | None = None,
    **settings: Any,
) -> T:
    """Draws a choice of one of a few, side by side.

    Args:
        label: What is chosen, translated.
        options: The choices; of a mapping also what they are called.
        key: Stable key.
        place: A column, or :mod:`streamlit` itself.
        names: What the choices are called, marked for translation or translated.
        value: What a record says, which the field follows.
        default: What is chosen at first; session and address keep what a person makes of it.
        settings: Others of ``st.segmented_control``.
    """
    if value is not None:
        choices.follow(key, value)
    titles = options if names is None and isinstance(options, Mapping) else names
    if titles is not None:
        settings["format_func"] = lambda option: _(titles[option])
    if default is not None:
        settings |= kept(key).widget(key, list(options), default, begun=True, then=settings.get("on_change"))
        del settings["key"]
    picked: T = place.segmented_control(label, list(options), key=key, required=True, **settings)
    return picked


def kept(key: str) -> Bound:
    """Returns what keeps a field's choice: in the address under the field's own key, and in the session."""
    param = key.partition("-")[2]
    return Bound(param, kept=f"bl.kept.{param}")


def number(key: str, usual: N, low: N, high: N) -> dict[str, Any]:
    """Binds a number, drawn next as a slider or a field, as :func:`choice` does with its default."""

    def parsed(text: str) -> N:
        return min(high, max(low, type(usual)(float(text))))

    return kept(key).entry(key, usual, parsed)


def flag(key: str) -> dict[str, Any]:
    """Binds a switch, drawn next, that is off where nobody turned it."""
    return kept(key).entry(key, False, lambda text: text == "True")


def words(key: str) -> dict[str, Any]:
    """Binds a line of text, drawn next, that is empty where nobody wrote one."""
    return kept(key).entry(key, "", lambda text: text[:LONGEST_TEXT])
