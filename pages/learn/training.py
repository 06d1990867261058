"""A training that a lesson carries out when it is asked for: a button, how far it is, a way to cancel."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import streamlit as st

from core.errors import Cancelled
from core.messages import Progress
from pages.ui.kit import clicks
from pages.ui.session import background, caches
from pages.ui.text.i18n import _

T = TypeVar("T")
_BEGUN = "bl.learn.begun"
"""The works that this session began: others see them, too, but do not cancel them."""
_LOOK = 0.1
"""Seconds from one look at the work to the next."""


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
    work = background.running(whole)
    if work is None:
        if not clicks.button(label, icon=":material/play_arrow:", key=f"bl-learn-go-{shelf}", into=place):
            return None
        work = background.start(whole, kept)
        st.session_state.setdefault(_BEGUN, set()).add(whole)
    with place.container(horizontal=True, vertical_alignment="center", key=f"bl-learn-live-{shelf}"):
        bar = st.progress(0.0, text=doing, width="stretch")
        if whole in st.session_state.get(_BEGUN, ()):
            st.button(_("Cancel"), icon=":material/close:", key=f"bl-learn-stop-{shelf}", on_click=work.cancel)
    while not work.wait(_LOOK):
        done, total = work.done
        bar.progress(min(1.0, done / total) if total else 0.0, text=doing)
    place.empty()
    if isinstance(work.failure, Cancelled):
        st.rerun()  # the button is there again
    if work.failure is not None:
        raise work.failure
    return found()
