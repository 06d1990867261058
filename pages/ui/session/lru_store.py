"""A bounded memory for what takes arguments that cannot be hashed; :mod:`pages.ui.session.caches` keeps one a kind."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
_PATIENCE = 0.2  # seconds


class LruStore:
    """A bounded memory: what was used longest ago is forgotten first. Equal keys wait for one maker."""

    def __init__(self, entries: int) -> None:
        self._entries = entries
        self._kept: OrderedDict[tuple[Any, ...], Any] = OrderedDict()
        self._lock = threading.Lock()
        self._makers: dict[tuple[Any, ...], threading.Lock] = {}

    def has(self, key: tuple[Any, ...]) -> bool:
        """Whether the key's value is kept."""
        with self._lock:
            return key in self._kept

    def get(self, key: tuple[Any, ...], make: Callable[[], T], waiting: Callable[[], None] | None = None) -> T:
        """Returns the key's value, made now where it is not kept; ``waiting`` is called while another makes it."""
        with self._lock:
            maker = self._makers.setdefault(key, threading.Lock())
        while not maker.acquire(timeout=_PATIENCE if waiting else -1):
            waiting()  # type: ignore[misc]
        try:
            with self._lock:
                if key in self._kept:
                    self._kept.move_to_end(key)
                    found: T = self._kept[key]
                    return found
            value = make()
            with self._lock:
                self._kept[key] = value
                while len(self._kept) > self._entries:
                    self._kept.popitem(last=False)
            return value
        finally:
            maker.release()
            with self._lock:
                self._makers.pop(key, None)
