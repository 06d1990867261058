"""How often something beside the work may be done: no more than a share of the time, and thinner in long runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class TimeBudget:
    """Keeps what is spent on something beside the work below a share of the time.

    Args:
        share: Of the time since it was made.
        free: Seconds on top.
    """

    def __init__(self, share: float, free: float) -> None:
        self._share, self._free = share, free
        self._begin, self._used = time.perf_counter(), 0.0
        self._last: dict[str, float] = {}

    def permits(self, what: str) -> bool:
        """Whether the budget allows this once more, at what it cost the last time."""
        available = self._free + self._share * (time.perf_counter() - self._begin)
        return self._used + self._last.get(what, 0.0) < available

    @contextmanager
    def spending(self, what: str) -> Iterator[None]:
        """Counts the time of the block."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            cost = time.perf_counter() - begin
            self._last[what] = cost
            self._used += cost


def is_due(epoch: int, last: int, parts: int) -> bool:
    """Whether an epoch is far enough from the last one looked at.

    In very long runs looks grow with the logarithm of the epochs only.

    Args:
        epoch: The epoch, from 1.
        last: The last one looked at; 0 before the first.
        parts: A look follows once the last is longer ago than one part in so many of all epochs so far.
    """
    return epoch - last >= max(1.0, epoch / parts)
