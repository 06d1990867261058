"""Learn: the map of the lessons, or the lesson that the address names."""

from __future__ import annotations

from pages.learn import frame, lesson_map
from pages.learn.table import LESSONS
from pages.ui.kit import style


def render() -> None:
    """Draws the page."""
    style.send("learn.css")
    name = frame.LESSON.asked()
    if name is not None and name in LESSONS:
        frame.draw(LESSONS[name])
    else:
        lesson_map.draw(missing=name)
