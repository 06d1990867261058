"""Texts of the core that the pages translate where they show them."""

from __future__ import annotations

from typing import NamedTuple


class Sentence(NamedTuple):
    """A remark for the person: a constant template and its values, to be translated and then filled in."""

    template: str
    values: dict[str, object]

    def __str__(self) -> str:
        return self.template.format(**self.values)


def N_(text: str) -> str:
    """Marks a text for translation, which the pages do where they show it."""
    return text
