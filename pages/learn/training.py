"""A training that a lesson carries out when it is asked for: a button, how far it is, a way to cancel."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import streamlit as st

from core.messages import Progress
from pages.ui.kit import clicks
from pages.ui.session import caches
from pages.ui.text.i18n import _

T = TypeVar("T")


def by_click(shelf: str, key: tuple[object, ...], make: Callable[[Progress], T], *, label: str, doing: str) -> T | None:
    """Returns what a training found; until somebody asked for it, draws the button that does, and ``None``.

    What was found is kept for all who ask for the same, as long as the server runs.

    Args:
        shelf: Name of the lesson's results; also the end of the keys.
        key: All that the result depends on.
        make: Trains; it calls what it is given with what is done and all there is.
        label: What the button says, translated.
        doing: What is done meanwhile, translated.
    """
    if caches.known(shelf, key):
        return caches.remember(shelf, key, lambda: make(lambda *_done: None))
    place = st.empty()
    if not clicks.button(label, icon=":material/play_arrow:", key=f"bl-learn-go-{shelf}", into=place):
        return None
    with place.container(horizontal=True, vertical_alignment="center", key=f"bl-learn-live-{shelf}"):
        bar = st.progress(0.0, text=doing, width="stretch")
        # any click ends what is drawn here
        st.button(_("Cancel"), icon=":material/close:", key=f"bl-learn-stop-{shelf}")

    def progress(done: int, total: int) -> None:
        bar.progress(done / total if total else 0.0, text=doing)

    found = caches.remember(shelf, key, lambda: make(progress), waiting=lambda: progress(0, 1))
    place.empty()
    return found
