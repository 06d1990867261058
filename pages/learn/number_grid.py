"""Grids of numbers beside each other, tinted around zero, as one block of HTML."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from html import escape

import streamlit as st

Cells = Sequence[Sequence[float]]
EXACT, SHORT = 7, 4
"""Digits of a figure, and of one in a broad grid, which shows the rest when it is pointed at or has the focus."""
NARROW = 4
"""Columns up to which all digits stand in the cells."""


@dataclass(frozen=True, slots=True)
class Grid:
    """A grid of numbers.

    Attributes:
        values: Rows of numbers.
        caption: What it is, translated.
        at: Cells that are marked, as (row, column).
        outside: Cells that are a margin.
        most: The value of the strongest tint; the largest of its own by default.
    """

    values: Cells
    caption: str = ""
    at: Collection[tuple[int, int]] = ()
    outside: Collection[tuple[int, int]] = field(default=())
    most: float | None = None


def written(value: float, digits: int = EXACT) -> str:
    """Returns a figure with so many digits, a true minus sign, and no needless zeros."""
    text = str(int(value)) if value == int(value) and abs(value) < 1e12 else f"{value:.{digits}g}"
    return text.replace("-", "\N{MINUS SIGN}")


def signed(value: float, digits: int = EXACT) -> str:
    """Returns a figure as it stands within a sum: in brackets where it is below zero."""
    text = written(value, digits)
    return f"({text})" if value < 0 else text


def show(*parts: Grid | str, key: str | None = None) -> None:
    """Draws grids and the signs between them.

    Args:
        parts: Grids, and signs such as ``∗`` and ``=``.
        key: Stable key of a container around it; none for none.
    """
    html, before = "", ""
    for part in parts:  # a sign begins a line rather than end one
        if isinstance(part, str):
            before += _sign(part)
            continue
        html += f'<div class="bl-pair">{before}{_grid(part)}</div>' if before else _grid(part)
        before = ""
    html += before
    place = st.container(key=key) if key else st.container()
    with place:
        st.html(f'<div class="bl-nums">{html}</div>')


def _sign(text: str) -> str:
    return f'<span class="bl-sign">{escape(text)}</span>'


def _grid(grid: Grid) -> str:
    most = grid.most if grid.most is not None else max((abs(v) for row in grid.values for v in row), default=0.0)
    rows = "".join(
        "<tr>" + "".join(_cell(grid, i, j, value, most) for j, value in enumerate(row)) + "</tr>"
        for i, row in enumerate(grid.values)
    )
    caption = f"<figcaption>{escape(grid.caption)}</figcaption>" if grid.caption else ""
    return f"<figure>{caption}<table><tbody>{rows}</tbody></table></figure>"


def _cell(grid: Grid, row: int, column: int, value: float, most: float) -> str:
    tint = round(72 * min(1.0, abs(value) / most)) if most else 0
    classes = " ".join(
        name
        for name, on in (
            ("bl-below", value < 0),
            ("bl-at", (row, column) in grid.at),
            ("bl-out", (row, column) in grid.outside),
        )
        if on
    )
    exact = written(value)
    shown = exact if len(grid.values[row]) <= NARROW else written(value, SHORT)
    if shown == exact:
        return f'<td class="{classes}" style="--tint:{tint}%">{exact}</td>'
    return (
        f'<td class="{classes}" style="--tint:{tint}%" tabindex="0"><span aria-hidden="true">{shown}</span>'
        f'<span class="bl-exact">{exact}</span></td>'
    )
