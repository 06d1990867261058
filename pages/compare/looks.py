"""What each line of a chart of several runs looks like."""

from __future__ import annotations

from dataclasses import dataclass

from pages.ui.kit import charts

COLOURS = (charts.TRAIN, charts.VAL, charts.TEST, *charts.OTHERS)
DASHES = ("solid", "dash", "dot")


@dataclass(frozen=True, slots=True)
class Look:
    """What one line looks like."""

    colour: str
    dash: str


def look(place: int) -> Look:
    """Returns the look of the line at a place: colours first, then dashes."""
    return Look(COLOURS[place % len(COLOURS)], DASHES[place // len(COLOURS) % len(DASHES)])
