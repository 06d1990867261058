"""Work that a page has done in a thread, asked for by a click or by itself: how far it is, a way to cancel."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import streamlit as st

from core.messages import Progress
from pages.ui.kit import clicks
from pages.ui.session import background, caches
from pages.ui.session.background import Work
from pages.ui.text.i18n import _

T = TypeVar("T")
_BEGUN = "bl.work.begun"
"""The works that this session began, by their keys: others see them, too, but do not cancel them."""
LOOK, PATIENCE = 0.5, 0.1
"""Seconds from one look at the work to the next, and those that a page waits for it before it shows how far it is."""
Doing = str | Callable[[int, int], str]
"""What is done meanwhile, translated; or what says so, given what is done and all there is."""


def by_click(
    shelf: str, key: tuple[object, ...], make: Callable[[Progress], T], *, label: str, doing: Doing
) -> T | None:
    """Returns what a piece of work found; until somebody asked for it, draws the button that does, and ``None``.

    It runs in a thread, so that it goes on when the page is left or something else on it is clicked. What was found
    is kept for all who ask for the same, as long as the server runs.

    Args:
        shelf: Name of the results; also the end of the keys.
        key: All that the result depends on.
        make: Does it; it calls what it is given with what is done and all there is.
        label: What the button says, translated.
        doing: What is done meanwhile.

    Raises:
        InputError: What the work raised.
    """
    return _found(shelf, key, make, label, doing, by_itself=False)


def by_itself(
    shelf: str, key: tuple[object, ...], make: Callable[[Progress], T], *, label: str, doing: Doing
) -> T | None:
    """Returns what a work of a few seconds found, as :func:`by_click` does; it begins without one.

    Only once it was cancelled the button is drawn. What this session had begun on the same shelf for another key, and
    what still runs, is cancelled: it is not looked at any more.
    """
    return _found(shelf, key, make, label, doing, by_itself=True)


def _found(
    shelf: str, key: tuple[object, ...], make: Callable[[Progress], T], label: str, doing: Doing, *, by_itself: bool
) -> T | None:
    place, whole = st.empty(), (shelf, *key)

    def kept(progress: Progress) -> T:
        return caches.remember(shelf, key, lambda: make(progress))

    def found() -> T | None:
        return kept(lambda *_done: None) if caches.known(shelf, key) else None

    begun: dict[background.Key, Work] = st.session_state.setdefault(_BEGUN, {})
    if by_itself:
        for other in [other for other in begun if other[0] == shelf and other != whole]:
            begun.pop(other).cancel()
    if (value := found()) is not None:
        return value
    work = background.running(whole)
    if work is None:
        ended = begun.get(whole)
        if ended is not None and not ended.cancelled:
            _complain(begun.pop(whole))
        waits = not by_itself or (ended is not None and ended.cancelled)
        if waits and not clicks.button(label, icon=":material/play_arrow:", key=f"bl-work-go-{shelf}", into=place):
            return None
        work = begun[whole] = background.start(whole, kept)
    place.empty()
    if not work.wait(PATIENCE):
        st.fragment(_watched, run_every=LOOK)(work, shelf, doing, own=whole in begun)
        return None
    begun.pop(whole, None)
    _complain(work)
    return found()


def _watched(work: Work, shelf: str, doing: Doing, *, own: bool) -> None:
    """Draws how far a work is; once it has ended, the page is drawn anew."""
    if work.wait(0):
        st.rerun()
    done, total = work.done
    with st.container(horizontal=True, vertical_alignment="center", key=f"bl-work-live-{shelf}"):
        said = doing if isinstance(doing, str) else doing(done, total)
        st.progress(min(1.0, done / total) if total else 0.0, text=said, width="stretch")
        if own:
            st.button(_("Cancel"), icon=":material/close:", key=f"bl-work-stop-{shelf}", on_click=work.cancel)


def _complain(work: Work) -> None:
    """Raises what ended a work, unless it was cancelled."""
    if work.wait(0) and work.failure is not None and not work.cancelled:
        raise work.failure
