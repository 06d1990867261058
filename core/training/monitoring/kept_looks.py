"""Looks at what lies before a network's head, kept for as long as it does not change: also over several trainings."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import TypeVar

T = TypeVar("T")
MOST = 8
"""Looks that are kept: those of four frozen parts, as a training takes two of each."""


class KeptLooks:
    """Looks by all that they depend on; what was not asked for longest goes first."""

    def __init__(self) -> None:
        self._looks: OrderedDict[Hashable, object] = OrderedDict()

    def get(self, key: Hashable | None, kind: type[T]) -> T | None:
        """Returns the look of a kind that was kept under a key; ``None`` where there is none."""
        found = self._looks.get(key)
        if not isinstance(found, kind):
            return None
        self._looks.move_to_end(key)
        return found

    def keep(self, key: Hashable | None, look: object) -> None:
        """Keeps a look; not where its key is ``None``."""
        if key is None:
            return
        self._looks[key] = look
        self._looks.move_to_end(key)
        while len(self._looks) > MOST:
            self._looks.popitem(last=False)
