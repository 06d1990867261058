"""Checks of single values, with sentences that name the value and what is allowed."""

from __future__ import annotations

from typing import Any

from core.errors import InputError


def one_of(name: str, value: Any, allowed: tuple[str | int, ...]) -> None:
    if value not in allowed:
        raise InputError(
            "{name} is {value}. Choose one of: {allowed}.", name=name, value=value, allowed=", ".join(map(str, allowed))
        )


def whole(name: str, value: Any, *, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InputError(
            "{name} is {value}. It must be a whole number from {low} to {high}.",
            name=name,
            value=value,
            low=low,
            high=high,
        )


def number(name: str, value: Any, *, low: float, high: float, above: bool = False) -> None:
    valid = isinstance(value, int | float) and not isinstance(value, bool)
    if valid and (low < value if above else low <= value) and value <= high:  # which no nan does
        return
    if above:
        raise InputError(
            "{name} is {value}. It must be a number above {low} and at most {high}.",
            name=name,
            value=value,
            low=low,
            high=high,
        )
    raise InputError(
        "{name} is {value}. It must be a number from {low} to {high}.", name=name, value=value, low=low, high=high
    )
