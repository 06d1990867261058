"""A training that a lesson carries out when it is asked for: a button, how far it is, a way to cancel."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import streamlit as st

from core.errors import Cancelled
from core.messages import Progress
from pages.ui.kit import clicks
from pages.ui.session import background, caches
from pages.ui.session.background import Work
from pages.ui.text.i18n import _

T = TypeVar("T")
_BEGUN = "bl.learn.begun"
"""The works that this session began, by their keys: others see them, too, but do not cancel them."""
LOOK, PATIENCE = 0.5, 0.2
"""Seconds from one look at the work to the next, and those that a page waits for it before it shows how far it is."""


def by_click(shelf: str, key: tuple[object, ...], make: Callable[[Progress], T], *, label: str, doing: str) -> T | None:
    """Returns what a training found; until somebody asked for it, draws the button that does, and ``None``.

    It runs in a thread, so that it goes on when the page is left or something else on it is clicked. What was found
    is kept for all who ask for the same, as long as the server runs.

    Args:
        shelf: Name of the lesson's results; also the end of the keys.
        key: All that the result depends on.
        make: Trains; it calls what it is given with what is done and all there is.
        label: What the button says, translated.
        doing: What is done meanwhile, translated.

    Raises:
        InputError: What the training raised.
    """
    place, whole = st.empty(), (shelf, *key)

    def kept(progress: Progress) -> T:
        return caches.remember(shelf, key, lambda: make(progress))

    def found() -> T | None:
        return kept(lambda *_done: None) if caches.known(shelf, key) else None

    if (value := found()) is not None:
        return value
    begun: dict[background.Key, Work] = st.session_state.setdefault(_BEGUN, {})
    work = background.running(whole)
    if work is None:
        _complain(begun.pop(whole, None))
        if not clicks.button(label, icon=":material/play_arrow:", key=f"bl-learn-go-{shelf}", into=place):
            return None
        work = begun[whole] = background.start(whole, kept)
    place.empty()
    if not work.wait(PATIENCE):
        st.fragment(_watched, run_every=LOOK)(work, shelf, doing, own=whole in begun)
        return None
    _complain(begun.pop(whole, None))
    return found()


def _watched(work: Work, shelf: str, doing: str, *, own: bool) -> None:
    """Draws how far a work is; once it has ended, the page is drawn anew."""
    if work.wait(0):
        st.rerun()
    done, total = work.done
    with st.container(horizontal=True, vertical_alignment="center", key=f"bl-learn-live-{shelf}"):
        st.progress(min(1.0, done / total) if total else 0.0, text=doing, width="stretch")
        if own:
            st.button(_("Cancel"), icon=":material/close:", key=f"bl-learn-stop-{shelf}", on_click=work.cancel)


def _complain(work: Work | None) -> None:
    """Raises what ended a work, unless it was cancelled."""
    if work is not None and work.wait(0) and work.failure is not None and not isinstance(work.failure, Cancelled):
        raise work.failure
