"""What the core reports to those who show it: texts, which the pages translate, and how far work is."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

Progress = Callable[[int, int], None]
"""Called with what is done and what there is to do altogether; what it raises ends the work."""
StagedProgress = Callable[[str, int, int], None]
"""The same, after what is going on, for work that has several parts."""


class Sentence(NamedTuple):
    """A remark for the person: a constant template and its values, to be translated and then filled in."""

    template: str
    values: dict[str, object]

    def __str__(self) -> str:
        return self.template.format(**self.values)


def N_(text: str) -> str:
    """Marks a text for translation, which the pages do where they show it."""
    return text
