"""Work in a thread of the server: it goes on when the page that asked for it is left, and can be cancelled."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from core.errors import Cancelled, InputError
from core.messages import Progress

LOG = logging.getLogger("backbone_lab.background")
Key = tuple[Any, ...]
_LOCK = threading.Lock()
_WORKS: dict[Key, Work] = {}


class Work:
    """A thread at work.

    Attributes:
        done: What is done, and all there is.
        failure: What ended it before its end; ``None`` while it runs and after it came through.
    """

    def __init__(self, make: Callable[[Progress], object]) -> None:
        self.done = (0, 0)
        self.failure: Exception | None = None
        self._make = make
        self._cancelled = threading.Event()
        self._ended = threading.Event()

    def cancel(self) -> None:
        """Ends it at its next progress."""
        self._cancelled.set()

    @property
    def cancelled(self) -> bool:
        """Whether its end was asked for."""
        return self._cancelled.is_set()

    def wait(self, seconds: float) -> bool:
        """Waits for its end, so long at most; returns whether it has ended."""
        return self._ended.wait(seconds)

    def run(self) -> None:
        """Does the work."""
        try:
            self._make(self._progress)
        except Exception as error:
            self.failure = error
            if not isinstance(error, Cancelled | InputError):  # which the page says
                LOG.exception("background work failed")
        finally:
            self._ended.set()

    def _progress(self, done: int, total: int) -> None:
        self.done = done, total
        if self._cancelled.is_set():
            raise Cancelled


def running(key: Key) -> Work | None:
    """Returns the work of a key that has not ended yet, and will come to its end."""
    with _LOCK:
        return _going(key)


def _going(key: Key) -> Work | None:
    known = _WORKS.get(key)
    return None if known is None or known.cancelled else known


def start(key: Key, make: Callable[[Progress], object]) -> Work:
    """Returns the work of a key, begun now where it is not under way.

    Args:
        key: What tells works apart.
        make: Does it; it calls what it is given with what is done and all there is.
    """
    with _LOCK:
        known = _going(key)
        if known is not None:
            return known
        work = _WORKS[key] = Work(make)

    def run() -> None:
        try:
            work.run()
        finally:
            with _LOCK:
                if _WORKS.get(key) is work:
                    del _WORKS[key]

    threading.Thread(target=run, daemon=True, name="background work").start()
    return work
