"""The three other faces of a page: empty, busy, broken."""

from __future__ import annotations

import functools
import logging
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from typing import ParamSpec, TypeVar

import streamlit as st

from core.errors import InputError, OutOfMemory, RunMissing, StorageError, WeightsUnavailable, storage_error
from pages.ui.kit import clicks
from pages.ui.text.i18n import _, translate_error

LOG = logging.getLogger("backbone_lab.pages")
P = ParamSpec("P")
T = TypeVar("T")


def empty(title: str, text: str, *, action: str | None = None, target: str | None = None, icon: str = "inbox") -> bool:
    """Draws the empty face: what would be here, and the one button that fills it.

    Args:
        title: What is missing, in a few translated words.
        text: One translated sentence: what this place shows, and what to do.
        action: The button's translated label; none for no button.
        target: Name of the page the button leads to; without it the click is returned.
        icon: Name of a Material symbol.

    Returns:
        Whether the button was pressed (only without ``target``).
    """
    with st.container(border=True, key=f"bl-empty-{icon}", horizontal_alignment="center"):
        _block("bl-face", icon, title, text)
        if not action:
            return False
        pressed = clicks.button(action, type="primary", key=f"bl-empty-action-{icon}")
        if pressed and target:
            from pages.ui.kit import nav

            nav.go(target)
        return pressed


def broken(title: str, text: str, *, kept: str | None = None, icon: str = "error", tone: str = "bad") -> None:
    """Draws the broken face: what happened, what was kept, what to do.

    Args:
        title: What happened, in a few translated words.
        text: What to do about it: whole, translated sentences.
        kept: What is still there; none where nothing was at stake.
        icon: Name of a Material symbol.
        tone: ``bad`` (red) or ``warn`` (amber).
    """
    with st.container(border=True, key=f"bl-broken-{icon}"):
        _block(f"bl-face bl-{tone}", icon, title, text, kept)


@contextmanager
def busy(text: str, height: int = 280) -> Iterator[None]:
    """Shows a skeleton of the coming shape and what is being done, until the block ends."""
    place = st.empty()
    with place.container():
        st.caption(text)
        st.skeleton(height)
    try:
        yield
    finally:
        place.empty()


@contextmanager
def boundary() -> Iterator[None]:
    """Turns an exception in a page into its broken face; the details go to the log, never to the screen."""
    try:
        yield
    except RunMissing as error:
        from pages.ui.kit import nav
        from pages.ui.session import choices

        choices.choose_run(None)
        broken(_("This run is gone"), translate_error(error), icon="folder_off", tone="warn")
        nav.link("runs", _("See the runs there are"))
    except (InputError, OSError) as raised:
        known = raised if isinstance(raised, InputError) else storage_error(raised)
        if known is None:
            _unforeseen()
        else:
            title, kept = _input_words(known)
            broken(title, translate_error(known), kept=kept, icon="report", tone="warn")
    except Exception:  # noqa: BLE001 (logged there)
        _unforeseen()


def _unforeseen() -> None:
    """Draws the broken face of an error that nobody foresaw, and logs the error that is being handled."""
    reference = secrets.token_hex(3)
    LOG.exception("page failed, reference %s", reference)
    broken(
        _("Something went wrong on this page"),
        _("Try again; if it stays, the details are in the server's log under the reference {code}.").format(
            code=reference
        ),
        kept=_("Your choices and all runs are kept. A training that is under way goes on."),
    )
    if clicks.button(_("Try again"), key="bl-try-again", icon=":material/refresh:"):
        st.rerun()


def guarded(function: Callable[P, T]) -> Callable[P, T | None]:
    """Wraps a fragment's function in :func:`boundary`: a fragment's own reruns happen outside the page's."""

    @functools.wraps(function)
    def inside(*args: P.args, **kwargs: P.kwargs) -> T | None:
        with boundary():
            return function(*args, **kwargs)
        return None

    return inside


def _input_words(error: InputError) -> tuple[str, str | None]:
    if isinstance(error, WeightsUnavailable):
        return _("These weights are not on this machine"), None
    if isinstance(error, OutOfMemory):
        return _("Not enough memory for this"), _("Nothing that was saved is lost.")
    if isinstance(error, StorageError):
        return _("This could not be saved"), None
    return _("This does not work as it is"), None


def _block(classes: str, icon: str, title: str, text: str, kept: str | None = None) -> None:
    extra = f'<p class="bl-kept">{escape(kept)}</p>' if kept else ""
    st.html(
        f'<div class="{classes}" role="status"><span class="bl-symbol" aria-hidden="true">{icon}</span>'
        f"<div><h3>{escape(title)}</h3><p>{escape(text)}</p>{extra}</div></div>"
    )
