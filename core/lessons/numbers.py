"""Small grids of numbers as a person types them, and as a link carries them."""

from __future__ import annotations

import json
import math
import re

import torch
from torch import Tensor

from core.errors import InputError
from core.messages import N_

LONGEST = 8000
"""Characters that are read at most."""
_SEPARATORS = "/|;"
"""Between kernels, between channels, between rows."""


def read_grids(text: str, *, most: tuple[int, int, int, int], what: str = N_("The picture")) -> Tensor:
    """Reads grids of numbers.

    Rows stand on lines of their own or end with ``;``, channels are parted by an empty line or ``|``, kernels by ``/``;
    numbers by spaces or commas. A nested list in brackets is read, too.

    Args:
        text: The numbers.
        most: Kernels, channels, rows and columns that there may be.
        what: What is read, for the sentence that says what is wrong.

    Returns:
        The numbers, KxCxHxW, float64.

    Raises:
        InputError: Something is no finite number, rows differ in length, there is nothing, or too much of it.
    """
    if len(text) > LONGEST:
        raise InputError(
            "{what} has {count} characters; at most {most} are read. Give a smaller one.",
            what=what,
            count=len(text),
            most=LONGEST,
        )
    text = text.replace("\N{MINUS SIGN}", "-").strip()
    found = _nested(text, what) if text.startswith("[") else _lines(text, what)
    widths = {len(row) for kernel in found for channel in kernel for row in channel}
    heights = {len(channel) for kernel in found for channel in kernel}
    if not widths or widths == {0}:
        raise InputError("{what} is empty. Give it at least one number.", what=what)
    if len(widths) > 1 or len(heights) > 1 or len({len(kernel) for kernel in found}) > 1:
        raise InputError(
            "{what} has rows of {lengths} numbers. Give every row as many numbers and every channel as many rows.",
            what=what,
            lengths=", ".join(map(str, sorted(widths))),
        )
    grids = torch.tensor(found, dtype=torch.float64)
    if any(has > may for has, may in zip(grids.shape, most, strict=True)):
        raise InputError(
            "{what} is {has} (kernels x channels x rows x columns); at most {most} can be shown. Give a smaller one.",
            what=what,
            has=" x ".join(map(str, grids.shape)),
            most=" x ".join(map(str, most)),
        )
    return grids


def write_grids(grids: Tensor) -> str:
    """Returns grids, KxCxHxW, as :func:`read_grids` reads them: the shortest text, for a link."""
    return _joined(grids.tolist(), _SEPARATORS)


def _joined(values: list[object], separators: str) -> str:
    if not separators:
        return ",".join(_number(value) for value in values)  # type: ignore[arg-type]
    return separators[0].join(_joined(inner, separators[1:]) for inner in values)  # type: ignore[arg-type]


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def _nested(text: str, what: str) -> list[list[list[list[float]]]]:
    try:
        found = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        raise InputError(
            "{what} begins with a bracket and is no list of lists such as [[1, 0], [0, 1]].", what=what
        ) from None
    depth, inner = 0, found
    while isinstance(inner, list) and inner:
        depth, inner = depth + 1, inner[0]
    if depth not in (2, 3, 4):
        raise InputError("{what} begins with a bracket and is no list of lists such as [[1, 0], [0, 1]].", what=what)
    for _missing in range(4 - depth):
        found = [found]
    try:
        return [[[[_finite(v, what) for v in row] for row in channel] for channel in kernel] for kernel in found]
    except TypeError:
        raise InputError(
            "{what} begins with a bracket and is no list of lists such as [[1, 0], [0, 1]].", what=what
        ) from None


def _lines(text: str, what: str) -> list[list[list[list[float]]]]:
    kernels = [part for part in text.split("/") if part.strip()]
    return [
        [
            [[_finite(word, what) for word in re.split(r"[\s,]+", row.strip(" ,\t")) if word] for row in _rows(channel)]
            for channel in re.split(r"\||\n[ \t]*\n", kernel)
            if channel.strip()
        ]
        for kernel in kernels
    ]


def _rows(channel: str) -> list[str]:
    return [row for row in re.split(r"[;\n]", channel) if row.strip()]


def _finite(value: object, what: str) -> float:
    if isinstance(value, list | dict):
        raise TypeError
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise InputError("{what} holds “{word}”, which is no number.", what=what, word=str(value)[:40]) from None
    if not math.isfinite(number) or abs(number) > 1e6:
        raise InputError(
            "{what} holds {word}. Give numbers between minus and plus one million.", what=what, word=str(value)[:40]
        )
    return number
