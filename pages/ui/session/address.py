"""The page's address: the one place that reads and writes it, and how a widget's choice is bound to a word in it.

What a link should carry is a :class:`Bound` of the module that owns the choice. The address comes first, so that a
link opens the same for somebody else and after a reload; what it names that is not on offer counts as not named. By
the browser's Back and Forward the address alone decides: what it does not name is as it was before it was chosen.

Every write adds an entry to the browser's history; ``assets/history.js`` makes one of those that no click stands
between, so that Back undoes one step.

A browser asks with the address and the fields it has. What it sends before it has the answer to its last request is
older than what the session knows: then the session's address stays, see :func:`behind`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from core.errors import InputError

T = TypeVar("T")
NETWORK = ("run", "backbone", "weights", "network")
"""The parameters that name a network."""
LONGEST = 4000
"""Characters of a parameter that are read at most."""
_REFUSED = "bl.address.refused"
_LAST = "bl.address.last"
"""The page and the parameters that the session knows of."""
_OPEN, _BEHIND = "bl.address.open", "bl.address.behind"
_HERE = "bl.address.here"
"""The name of the page that is shown."""
_RENEWING: ContextVar[bool] = ContextVar("renewing", default=False)
_LINK = "link"
"""Marks what a link asks for on its own page."""


def read(name: str) -> str | None:
    """Returns a parameter's value; ``None`` where it is not there, empty or too long."""
    value = _current().get(name)
    if value and len(value) > LONGEST:
        refuse(name, InputError("It has {count} characters; at most {most} are read.", count=len(value), most=LONGEST))
        return None
    return value or None


def write(**values: str | None) -> None:
    """Writes parameters, all in one step; ``None`` removes one."""
    before = _current()
    after = {name: value for name, value in {**before, **values}.items() if value is not None}
    if after != before:
        st.query_params.from_dict(after)
        st.session_state[_LAST] = (_page(), after)


def _current() -> dict[str, str]:
    """Returns the parameters: the session's own where the browser asks with older ones."""
    now, page = st.query_params.to_dict(), _page()
    if now.pop(_LINK, None) is not None:
        st.query_params.from_dict(now)
        st.session_state[_LAST] = (page, now)
        return now
    last: tuple[str | None, dict[str, str]] = st.session_state.get(_LAST, (None, now))
    known_page, known = last
    if known != now and known_page == page and _by_browser() and not by_history():
        st.query_params.from_dict(known)
        st.session_state[_BEHIND] = True
        return known
    st.session_state[_LAST] = (page, now)
    return now


def _by_browser() -> bool:
    """Whether a browser asked for this run: by itself it asks on the same page with the address it had from here."""
    context = get_script_run_ctx(suppress_warning=True)
    return context is not None and context.context_info is not None and bool(context.context_info.url)


def _page() -> str:
    context = get_script_run_ctx(suppress_warning=True)
    return "" if context is None else context.page_script_hash


def of_link(page: str, params: dict[str, str]) -> dict[str, str]:
    """Returns the parameters of a link.

    A link to the page on which it stands is marked: for Streamlit no page changes then, so the browser keeps the old
    address until it is written, and a request with other parameters would count as one that is late.
    """
    return {**params, _LINK: "1"} if st.session_state.get(_HERE) == page else params


def begin(page: str) -> None:
    """Begins a run of a page."""
    st.session_state[_HERE] = page
    context = get_script_run_ctx(suppress_warning=True)
    by = context is not None and bool(getattr(context, "is_history_navigation", False))
    if _OPEN in st.session_state:
        st.session_state[_BEHIND] = True
    st.session_state[_OPEN] = _page() if by or by_history() else None


def end() -> None:
    """Ends a run of the page that came to its end."""
    for key in (_OPEN, _BEHIND):
        st.session_state.pop(key, None)


def behind() -> bool:
    """Whether the browser may have asked for this run before it had what the last one made of its fields."""
    return _BEHIND in st.session_state


def keep(key: str) -> None:
    """Keeps what a field shows, called before it is drawn where nothing else gives it a value.

    A browser that asked for this run before it had drawn the field, and was sent the field only now, would draw the
    default and send that with the next click.
    """
    if not _sent(key):
        st.session_state[key] = st.session_state[key]


@contextmanager
def renewing() -> Iterator[None]:
    """Draws a part that renews itself, whose fields offer the same each time.

    A field that is given a value is set to it in the browser, too. A click made meanwhile would be undone there, and
    the next renewal would send the old value after the click's: so what the browser has already is not given again.
    """
    token = _RENEWING.set(True)
    try:
        yield
    finally:
        _RENEWING.reset(token)


def put(key: str, value: object) -> None:
    """Gives a field its value, called before it is drawn."""
    if not (_RENEWING.get() and _sent(key) and st.session_state[key] == value):
        st.session_state[key] = value


def _sent(key: str) -> bool:
    """Whether the browser's request had a value of a field."""
    context = get_script_run_ctx(suppress_warning=True)
    if context is None:
        return False
    state = context.session_state._state
    widget, fresh = state._key_id_mapper.get_id_from_key(key), state._new_widget_state
    return widget in fresh.states and widget in fresh.widget_metadata  # to ask ``fresh`` itself would write into it


def by_history() -> bool:
    """Whether the browser's Back or Forward asked for this run of the page, or for one before that was cut short."""
    context = get_script_run_ctx(suppress_warning=True)
    if context is None:
        return False
    return bool(getattr(context, "is_history_navigation", False)) or st.session_state.get(_OPEN) == _page()


def refuse(name: str, error: InputError) -> None:
    """Notes that a parameter names something that cannot be, and takes it out of the address.

    Args:
        name: The parameter.
        error: What is wrong with it.
    """
    st.session_state[_REFUSED] = {**st.session_state.get(_REFUSED, {}), name: error}
    write(**{name: None})


def refused() -> dict[str, InputError]:
    """Returns the parameters that were refused and why, once."""
    found: dict[str, InputError] = st.session_state.pop(_REFUSED, {})
    return found


def update(**values: str | None) -> None:
    """Writes those of the parameters that the address carries already."""
    write(**{name: value for name, value in values.items() if name in _current()})


def carried(names: Iterable[str] = NETWORK) -> dict[str, str]:
    """Returns those of some parameters that the address carries, to hand them on in a link."""
    return {name: value for name in names if (value := read(name)) is not None}


@dataclass(frozen=True, slots=True)
class Bound:
    """A choice that the address carries.

    Attributes:
        param: The parameter that names it.
        kept: Session-state key under which it outlives the address, which a change of page clears; ``""`` for none.
        also: Another parameter that is read where the first is not there; ``""`` for none.
    """

    param: str
    kept: str = ""
    also: str = ""

    def asked(self) -> str | None:
        """Returns what the address names, else what was chosen last; ``None`` where neither does."""
        found = read(self.param) or (read(self.also) if self.also else None)
        if not self.kept:
            return found
        if found is not None or by_history():
            st.session_state[self.kept] = found
        return st.session_state.get(self.kept)

    def among(self, offered: Iterable[T], default: T, name: Callable[[T], object] = str) -> T:
        """Returns the option that is asked for, or the default where none is.

        Args:
            offered: The options.
            default: What holds where nothing, or nothing on offer, is asked for.
            name: How the address names an option.
        """
        asked = self.asked()
        if asked is None:
            return default
        for option in offered:
            if name(option) == asked:
                write(**{self.param: asked})  # chosen on another page, or before this one was left
                return option
        return default

    def choose(self, value: str | None) -> None:
        """Chooses, for the session and in the address; ``None`` for the default."""
        if self.kept:
            st.session_state[self.kept] = value
        write(**{self.param: value} | ({self.also: None} if self.also else {}))

    def widget(
        self,
        key: str,
        offered: Iterable[T],
        default: T,
        name: Callable[[T], object] = str,
        *,
        begun: bool = False,
        then: Callable[[], object] | None = None,
    ) -> dict[str, Any]:
        """Binds a widget that is drawn next: it shows the choice and makes it.

        The default is not written into the address.

        Args:
            key: The widget's key.
            offered: As for :meth:`among`, as are the others.
            default: What is chosen where nobody chose.
            name: How a choice is written.
            begun: Whether what the widget shows already holds where nothing is asked for.
            then: Called when another choice was made.

        Returns:
            ``key`` and ``on_change`` for the widget.
        """
        offered = list(offered)
        leave = begun and self.asked() is None and not by_history() and st.session_state.get(key) in offered
        if leave:
            keep(key)
        else:
            put(key, self.among(offered, default, name))
        return self._bound(key, default, lambda value: name(value) if value in offered else None, then)

    def entry(self, key: str, usual: T, parse: Callable[[str], T]) -> dict[str, Any]:
        """Binds a number, a text or a switch that is drawn next, as :meth:`widget` does a choice.

        Args:
            key: The widget's key.
            usual: Its value where nobody entered one.
            parse: Makes a value of what the address has; raises ``ValueError`` where it is none.

        Returns:
            ``key`` and ``on_change`` for the widget.
        """
        asked = self.asked()
        if asked is not None:
            try:
                put(key, parse(asked))
                write(**{self.param: asked})
            except (ValueError, OverflowError):
                refuse(self.param, InputError("{value} is no value for it.", value=asked[:80]))
                self.choose(None)
                put(key, usual)
        elif key not in st.session_state or by_history():
            put(key, usual)
        else:
            keep(key)
        return self._bound(key, usual)

    def _bound(
        self, key: str, default: T, name: Callable[[T], object] = str, then: Callable[[], object] | None = None
    ) -> dict[str, Any]:
        def remember() -> None:
            value = st.session_state[key]
            named = None if value is None or value == default else name(value)
            self.choose(None if named is None else str(named))  # None, too, for what is not on offer any more
            if then is not None:
                then()

        return {"key": key, "on_change": remember}
