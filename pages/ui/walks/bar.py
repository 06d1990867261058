"""The bar above a page while a walk goes on: its stop, what to do, the button that does it, on and away."""

from __future__ import annotations

import re
from html import escape

import streamlit as st

from pages.ui.kit import clicks, components, nav
from pages.ui.session import address, choices
from pages.ui.text.i18n import _
from pages.ui.walks.actions import ACTIONS, WALK, Progress, apply, run
from pages.ui.walks.table import SHAPES, WALKS, Stop, Walk

_NAMED = re.compile(r"([a-z-]{1,40})(?:\.(\d{1,2}))?")


def draw(page: str) -> None:
    """Draws the bar of the walk that goes on; nothing without one.

    Args:
        page: Name of the page below.
    """
    _take_earlier_link()
    named = _NAMED.fullmatch(WALK.asked() or "")
    if named is None or named[1] not in WALKS:
        return
    name, walk = named[1], WALKS[named[1]]
    number = min(max(int(named[2] or 1), 1), len(walk.stops))
    if named[2] is None:
        _enter(walk.stops[0])
    elif choices.data() is None and walk.stops[0].setup is not None:  # a link into the middle of a walk
        choices.set_data(walk.stops[0].setup.data or SHAPES)
    WALK.choose(f"{name}.{number}")
    stop = walk.stops[number - 1]
    with st.container(key="bl-guide", horizontal=True, vertical_alignment="center"):
        if stop.page == page:
            _stop(name, walk, number)
        else:
            _away(name, walk, number)


def _take_earlier_link() -> None:
    """Reads a link from when walks were called lessons, as far as it names a walk."""
    earlier = address.read("lesson")
    named = _NAMED.fullmatch(earlier or "")
    if named is not None and named[1] in WALKS:
        address.write(lesson=None)
        WALK.choose(earlier)


def begin(name: str) -> None:
    """Begins a walk: goes to its first stop."""
    nav.go(WALKS[name].stops[0].page, walk=name)


def _enter(stop: Stop) -> None:
    if stop.setup is not None:
        apply(stop.setup)


def _stop(name: str, walk: Walk, number: int) -> None:
    stop, last = walk.stops[number - 1], number == len(walk.stops)
    action = ACTIONS.get(stop.act)
    progress = action.progress() if action else Progress.DONE
    text = stop.look if action and progress is Progress.DONE and stop.look else stop.text
    _words(walk, number, text, stop)
    following = None if last else walk.stops[number]
    with st.container(horizontal=True, vertical_alignment="center", width="content", key="bl-guide-buttons"):
        if action and progress is Progress.OPEN:
            if clicks.button(_(stop.label), type="primary", icon=":material/touch_app:", key="bl-guide-act"):
                action.act()
                if action.leads_on and following is not None:
                    _go(name, number + 1, following)
                st.rerun()
        elif progress is Progress.BUSY:
            found = run()
            waits = found is not None and found.state == "queued"
            components.note(_("It waits for its turn …") if waits else _("It learns …"))
        elif following is not None and clicks.button(
            _("Next: {title}").format(title=_(following.title)),
            type="primary",
            icon=":material/arrow_forward:",
            key="bl-guide-next",
        ):
            _go(name, number + 1, following)
        _leave()


def _words(walk: Walk, number: int, text: str, stop: Stop) -> None:
    """Draws what to do in one sentence; the others stand beside it where the window is wide, else behind a sign."""
    where = _("{walk} · stop {n} of {all}").format(walk=_(walk.title), n=number, all=len(walk.stops))
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
        f'<section class="bl-guide" aria-label="{escape(where)}"><h2>{escape(_(stop.title))}</h2> '
        f'<span>{escape(where)}</span> {shown}<span class="bl-guide-rest">{rest}</span>{sign}</section>',
        width="stretch",
    )


def _away(name: str, walk: Walk, number: int) -> None:
    """Draws the way back, on another page than the stop's."""
    stop = walk.stops[number - 1]
    text = _("{walk} waits at stop {n} of {all}: {title}").format(
        walk=_(walk.title), n=number, all=len(walk.stops), title=_(stop.title)
    )
    st.html(f'<section class="bl-guide"><p>{escape(text)}</p></section>', width="stretch")
    with st.container(horizontal=True, vertical_alignment="center", width="content", key="bl-guide-buttons"):
        if clicks.button(_("Go on"), icon=":material/arrow_forward:", key="bl-guide-back"):
            _show(name, number, stop)
        _leave()


def _leave() -> None:
    if clicks.button(_("Leave"), icon=":material/close:", type="tertiary", key="bl-guide-leave"):
        WALK.choose(None)
        st.rerun()


def _go(name: str, number: int, stop: Stop) -> None:
    """Goes on to a stop, and chooses what it begins with."""
    _enter(stop)
    _show(name, number, stop)


def _show(name: str, number: int, stop: Stop) -> None:
    found = run()
    WALK.choose(f"{name}.{number}")
    nav.go(
        stop.page,
        walk=f"{name}.{number}",
        run=None if found is None else found.id,
        image=address.read("image") if stop.page == "heatmaps" else None,
    )
