"""Two of the compared runs picture by picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pages.compare import pick
from pages.ui.comparing import changes_view

if TYPE_CHECKING:
    from core.runs.store import Run


def draw(runs: Sequence[Run], labels: Mapping[str, str]) -> None:
    """Draws the choice of two runs, and what the second answers differently from the first.

    Args:
        runs: The compared runs, at least two.
        labels: What each is called.
    """
    first, second = pick.two(runs, labels)
    changes_view.draw(first, second)
