"""Work by several threads comes back in order, and fails as work by one does."""

from __future__ import annotations

import threading

import pytest

from core.data import threads
from core.data.threads import each


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 33])
def test_what_is_made_stands_in_the_order_of_the_rows(
    count: int, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "WORKERS", workers)
    assert each(lambda row: row * row, range(count)) == [row * row for row in range(count)]


def test_many_rows_are_done_side_by_side_and_few_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "WORKERS", 2)
    threads._pool.cache_clear()
    meet = threading.Barrier(2, timeout=20)  # passed only by two threads at once
    try:
        names = each(lambda row: (meet.wait() if row in (0, 4) else None, threading.current_thread().name)[1], range(8))
    finally:
        threads._pool().shutdown()
        threads._pool.cache_clear()
    assert len(set(names)) == 2
    assert set(each(lambda _: threading.current_thread(), range(7))) == {threading.current_thread()}


def test_a_failure_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        each(lambda row: 1 // (row - 9), range(10))
