"""The page's address: the one place that reads and writes it, and how a widget's choice is bound to a word in it.

What a link should carry is a :class:`Bound` of the module that owns the choice. The address comes first, so that a
link opens the same for somebody else and after a reload; what it names that is not on offer counts as not named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import streamlit as st

T = TypeVar("T")
NETWORK = ("run", "backbone", "weights")
"""The parameters that name a network."""


def read(name: str) -> str | None:
    """Returns a parameter's value; ``None`` where it is not there or empty."""
    return st.query_params.get(name) or None


def write(**values: str | None) -> None:
    """Writes parameters; ``None`` removes one."""
    for name, value in values.items():
        if value is None:
            if name in st.query_params:
                del st.query_params[name]
        elif st.query_params.get(name) != value:
            st.query_params[name] = value


def update(**values: str | None) -> None:
    """Writes those of the parameters that the address carries already."""
    write(**{name: value for name, value in values.items() if name in st.query_params})


def carried(names: Iterable[str] = NETWORK) -> dict[str, str]:
    """Returns those of some parameters that the address carries, to hand them on in a link."""
    return {name: value for name in names if (value := read(name)) is not None}


@dataclass(frozen=True, slots=True)
class Bound:
    """A choice that the address carries.

    Attributes:
        param: The parameter that names it.
        kept: Session-state key under which it outlives the address, which a change of page clears; ``""`` for none.
    """

    param: str
    kept: str = ""

    def asked(self) -> str | None:
        """Returns what the address names, else what was chosen last; ``None`` where neither does."""
        found = read(self.param)
        if not self.kept:
            return found
        if found is not None:
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
        return default if asked is None else next((option for option in offered if name(option) == asked), default)

    def choose(self, value: str | None) -> None:
        """Chooses, for the session and in the address; ``None`` for the default."""
        if self.kept:
            st.session_state[self.kept] = value
        write(**{self.param: value})

    def widget(self, key: str, offered: Iterable[T], default: T, name: Callable[[T], object] = str) -> dict[str, Any]:
        """Binds a widget that is drawn next: it shows the choice and makes it.

        The default is not written into the address.

        Args:
            key: The widget's key.
            offered: As for :meth:`among`, as are the others.
            default: What is chosen where nobody chose.
            name: How a choice is written.

        Returns:
            ``key`` and ``on_change`` for the widget.
        """
        st.session_state[key] = self.among(offered, default, name)

        def remember() -> None:
            value = st.session_state[key]
            self.choose(None if value is None or value == default else str(name(value)))

        return {"key": key, "on_change": remember}
