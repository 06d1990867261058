"""The bar above a page while a lesson goes on: its stop, what to do, the button that does it, on and away."""

from __future__ import annotations

import re
from html import escape

import streamlit as st

from pages.ui.kit import components, nav
from pages.ui.lessons.actions import ACTIONS, LESSON, Progress, apply, run
from pages.ui.lessons.table import LESSONS, SHAPES, Lesson, Stop
from pages.ui.session import address, choices
from pages.ui.text.i18n import _

_NAMED = re.compile(r"([a-z-]{1,40})(?:\.(\d{1,2}))?")


def draw(page: str) -> None:
    """Draws the bar of the lesson that goes on; nothing without one.

    Args:
        page: Name of the page below.
    """
    named = _NAMED.fullmatch(LESSON.asked() or "")
    if named is None or named[1] not in LESSONS:
        return
    name, lesson = named[1], LESSONS[named[1]]
    number = min(max(int(named[2] or 1), 1), len(lesson.stops))
    if named[2] is None:
        _enter(lesson.stops[0])
    elif choices.data() is None and lesson.stops[0].setup is not None:  # a link into the middle of a lesson
        choices.set_data(lesson.stops[0].setup.data or SHAPES)
    LESSON.choose(f"{name}.{number}")
    stop = lesson.stops[number - 1]
    with st.container(key="bl-lesson", horizontal=True, vertical_alignment="center"):
        if stop.page == page:
            _stop(name, lesson, number)
        else:
            _away(name, lesson, number)


def begin(name: str) -> None:
    """Begins a lesson: goes to its first stop."""
    nav.go(LESSONS[name].stops[0].page, lesson=name)


def _enter(stop: Stop) -> None:
    if stop.setup is not None:
        apply(stop.setup)


def _stop(name: str, lesson: Lesson, number: int) -> None:
    stop, last = lesson.stops[number - 1], number == len(lesson.stops)
    action = ACTIONS.get(stop.act)
    progress = action.progress() if action else Progress.DONE
    text = stop.look if action and progress is Progress.DONE and stop.look else stop.text
    _words(lesson, number, text, stop)
    following = None if last else lesson.stops[number]
    with st.container(horizontal=True, vertical_alignment="center", width="content", key="bl-lesson-buttons"):
        if action and progress is Progress.OPEN:
            if st.button(_(stop.label), type="primary", icon=":material/touch_app:", key="bl-lesson-act"):
                action.act()
                if action.leads_on and following is not None:
                    _go(name, number + 1, following)
                st.rerun()
        elif progress is Progress.BUSY:
            found = run()
            waits = found is not None and found.state == "queued"
            components.note(_("It waits for its turn …") if waits else _("It learns …"))
        elif following is not None and st.button(
            _("Next: {title}").format(title=_(following.title)),
            type="primary",
            icon=":material/arrow_forward:",
            key="bl-lesson-next",
        ):
            _go(name, number + 1, following)
        _leave()


def _words(lesson: Lesson, number: int, text: str, stop: Stop) -> None:
    """Draws what to do in one sentence; the others stand beside it where the window is wide, else behind a sign."""
    where = _("{lesson} · stop {n} of {all}").format(lesson=_(lesson.title), n=number, all=len(lesson.stops))
    look = (_("Look at this:"), stop.look)
    if text == stop.look:
        lines = [look]
    else:
        lines = [(_("Guess first:"), stop.predict), ("", stop.text), *([] if stop.act else [look])]
    parts = [(word, _(line)) for word, line in lines if line]
    first = 1 if stop.act else 2  # without a button the sentence names what to press on the page
    shown, rest = (
        "".join(f"<p><b>{escape(word)}</b> {escape(line)}</p> " for word, line in part)
        for part in (parts[:first], parts[first:])
    )
    sign = components.help_sign(" ".join(f"{word} {line}".strip() for word, line in parts[first:]), _(stop.title))
    st.html(
        f'<section class="bl-lesson" aria-label="{escape(where)}"><h2>{escape(_(stop.title))}</h2> '
        f'<span>{escape(where)}</span> {shown}<span class="bl-lesson-rest">{rest}</span>{sign}</section>',
        width="stretch",
    )


def _away(name: str, lesson: Lesson, number: int) -> None:
    """Draws the way back, on another page than the stop's."""
    stop = lesson.stops[number - 1]
    text = _("{lesson} waits at stop {n} of {all}: {title}").format(
        lesson=_(lesson.title), n=number, all=len(lesson.stops), title=_(stop.title)
    )
    st.html(f'<section class="bl-lesson"><p>{escape(text)}</p></section>', width="stretch")
    with st.container(horizontal=True, vertical_alignment="center", width="content", key="bl-lesson-buttons"):
        if st.button(_("Go on"), icon=":material/arrow_forward:", key="bl-lesson-back"):
            _show(name, number, stop)
        _leave()


def _leave() -> None:
    if st.button(_("Leave"), icon=":material/close:", type="tertiary", key="bl-lesson-leave"):
        LESSON.choose(None)
        st.rerun()


def _go(name: str, number: int, stop: Stop) -> None:
    """Goes on to a stop, and chooses what it begins with."""
    _enter(stop)
    _show(name, number, stop)


def _show(name: str, number: int, stop: Stop) -> None:
    found = run()
    LESSON.choose(f"{name}.{number}")
    nav.go(
        stop.page,
        lesson=f"{name}.{number}",
        run=None if found is None else found.id,
        image=address.read("image") if stop.page == "heatmaps" else None,
    )
