"""Checks of single values, with sentences that name the value and what is allowed."""

from __future__ import annotations

import math

from core.errors import InputError


def one_of(name: str, value: object, allowed: tuple[str | int, ...]) -> None:
    """Raises :class:`InputError` unless the value is one of those allowed."""
    if value not in allowed:
        raise InputError(
            "{name} is {value}. Choose one of: {allowed}.", name=name, value=value, allowed=", ".join(map(str, allowed))
        )


def whole(name: str, value: object, *, low: int, high: int) -> int:
    """Returns the value; raises :class:`InputError` unless it is a whole number from ``low`` to ``high``."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InputError(
            "{name} is {value}. It must be a whole number from {low} to {high}.",
            name=name,
            value=value,
            low=low,
            high=high,
        )
    return value


def number(name: str, value: object, *, low: float, high: float, above: bool = False) -> None:
    """Raises :class:`InputError` unless the value is a number from ``low`` (or, if ``above``, over it) to ``high``."""
    known = value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    if (low < known if above else low <= known) and known <= high:  # which no nan does
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
