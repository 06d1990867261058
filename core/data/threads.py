"""Work on many images by several threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

WORKERS = min(8, os.cpu_count() or 1)
"""Threads that work side by side. Pillow, numpy and torch let go of Python's lock while they are at work."""

_LEAST = 8  # images below which handing them out takes longer than it saves

Row = TypeVar("Row")
Made = TypeVar("Made")


def each(change: Callable[[Row], Made], rows: Sequence[Row]) -> list[Made]:
    """Returns what is made of each row, in order; of many by threads, of which each takes a stretch of them.

    Args:
        change: What is done to one. It must not call this function for many itself.
        rows: The rows.
    """
    if WORKERS == 1 or len(rows) < _LEAST:
        return [change(row) for row in rows]
    share = -(-len(rows) // WORKERS)
    stretches = [rows[start : start + share] for start in range(0, len(rows), share)]
    made = _pool().map(lambda stretch: [change(row) for row in stretch], stretches)
    return [one for stretch in made for one in stretch]


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(WORKERS, thread_name_prefix="images")
