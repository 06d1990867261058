"""What a person may wish while a training is at work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

HALTS = ("stop", "pause")


@dataclass(frozen=True, slots=True)
class Wish:
    """One wish.

    Attributes:
        kind: ``stop`` (end, keeping the best weights), ``pause`` (end so that it can go on as if nothing had
            happened), or one of :data:`core.specs.ACTS`.
        value: Of an act, see :class:`core.specs.Act`.
    """

    kind: str
    value: float = 1.0


Listen = Callable[[], Sequence[Wish]]
"""Returns what was wished since it was last asked."""


def nobody() -> Sequence[Wish]:
    """Wishes nothing."""
    return ()
