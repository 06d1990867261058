"""The map: the lessons in their order, each with its question, its minutes and how it went."""

from __future__ import annotations

from html import escape

import streamlit as st

from pages.learn import predictions
from pages.learn.frame import ON
from pages.learn.lesson import Lesson
from pages.learn.table import LESSONS
from pages.ui.kit import components, nav
from pages.ui.selection import subjects
from pages.ui.text.i18n import _, _n
from pages.ui.walks.table import FIRST_WALK, WALKS


def draw(*, missing: str | None = None) -> None:
    """Draws the map.

    Args:
        missing: A lesson that the address names and that there is not.
    """
    components.header("learn")
    if missing:
        subjects.callout(_("There is no lesson of the name {name}. These are all.").format(name=missing[:40]))
    components.note(
        _("Each begins with a prediction: say what you expect, then try it. What was predicted shows what to look at.")
    )
    right, said = predictions.score()
    if said:
        components.note(
            _n(
                "{right} of {said} prediction was right in this session.",
                "{right} of {said} predictions were right in this session.",
                said,
            ).format(right=right, said=said)
        )
    with st.container(key="bl-learn-map"):
        for number, lesson in enumerate(LESSONS.values(), start=1):
            _card(number, lesson)
    _trainings()


def _trainings() -> None:
    """Draws the walks that show a thing in a real training, and the networks that give pictures back."""
    components.section(
        _("Seen in a real training"), _("A bar leads over the pages: guess first, press once, look at the run.")
    )
    with st.container(key="bl-learn-walks", horizontal=True):
        for name, walk in WALKS.items():
            if name != FIRST_WALK:
                nav.link(walk.stops[0].page, _(walk.title), icon=f":material/{walk.icon}:", walk=name)
    components.section(_("Networks that give pictures back"))
    with st.container(key="bl-learn-pictures", horizontal=True):
        for page in ("autoencoder", "gan", "style"):
            nav.link(page)


def _card(number: int, lesson: Lesson) -> None:
    with st.container(key=f"bl-learn-card-{lesson.name}", border=True, gap="xxsmall"):
        nav.link("learn", f"{number} · {_(lesson.title)}", icon=f":material/{lesson.icon}:", lesson=lesson.name)
        minutes = _n("{n} minute", "{n} minutes", lesson.minutes).format(n=lesson.minutes)
        st.html(
            f'<p class="bl-learn-question">{escape(_(lesson.question))}</p>'
            f'<p class="bl-learn-facts"><span>{escape(minutes)}</span>{_state(lesson)}</p>'
        )
        if lesson.own is not None or lesson.own_alone:
            nav.link(
                "learn",
                _("On your own network"),
                icon=":material/lan:",
                lesson=lesson.name,
                step="play",
                **{ON.param: "own"},
            )


def _state(lesson: Lesson) -> str:
    kept = predictions.given(lesson.name)
    if kept is None:
        return ""
    tone, symbol = ("good", "check_circle") if kept.right else ("wait", "change_circle")
    word = _("predicted right") if kept.right else _("predicted otherwise")
    return (
        f'<span class="bl-badge bl-{tone}"><span class="bl-symbol" aria-hidden="true">{symbol}</span>'
        f"{escape(word)}</span>"
    )
