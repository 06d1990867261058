"""The moves of generator and discriminator: in the address, so that a link shows the pair after exactly these.

What was asked for is done a moment at a time, so that the page answers, and shows them on their way.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import streamlit as st

from pages.ui.kit.page_states import guarded
from pages.ui.session.address import Bound
from pages.ui.text.i18n import N_, _

if TYPE_CHECKING:
    from core.training.gan.plane import Duel, Rules

MOST = 2000
"""Moves at most."""
SECONDS, PAUSE = 0.08, 0.25
"""Seconds of one go, and those between the beginnings of two."""
BUTTONS = (
    ("d", 1, N_("Discriminator, one step"), ":material/search:"),
    ("g", 1, N_("Generator, one step"), ":material/brush:"),
    ("b", 1, N_("One round of both"), ":material/sync:"),
    ("b", 10, N_("10 rounds"), ":material/fast_forward:"),
    ("b", 100, N_("100 rounds"), ":material/fast_forward:"),
)
ROUNDS = BUTTONS[2:]
_DUELS, _TICKS = "bl.learn.duels", "bl.learn.duel.ticks"


def read(bound: Bound) -> str:
    """Returns the moves that are asked for, a letter each; what is no move, and all behind it, is left out."""
    moves = ""
    for part in (bound.asked() or "").split("."):
        count = part[1:]
        if part[:1] not in ("d", "g", "b") or not (count.isascii() and count.isdecimal()):
            break
        moves += part[0] * min(int(count[:5]), MOST)
    return moves[:MOST]


def write(moves: str) -> str | None:
    """Returns moves as the address has them, such as ``b100.d3``; ``None`` for none."""
    return ".".join(f"{kind}{len(list(many))}" for kind, many in itertools.groupby(moves)) or None


def buttons(bound: Bound, offered: tuple[tuple[str, int, str, str], ...]) -> None:
    """Draws the buttons of the moves, and the one that begins anew."""
    moves = read(bound)
    with st.container(horizontal=True, key="bl-learn-moves", gap="small"):
        for kind, count, title, icon in offered:
            after = moves + kind * count
            st.button(
                _(title),
                icon=icon,
                key=f"bl-learn-move-{kind}{count}",
                disabled=len(after) > MOST,
                type="primary" if (kind, count) == ("b", 10) else "secondary",
                on_click=bound.choose,
                args=(write(after),),
            )
        st.button(
            _("Begin anew"),
            icon=":material/replay:",
            key="bl-learn-move-anew",
            type="tertiary",
            on_click=bound.choose,
            args=(None,),
        )


def duel(name: str, rules: Rules, bound: Bound) -> Duel:
    """Returns the session's pair, brought on its way to the moves that are asked for.

    Args:
        name: Of the lesson.
        rules: How they are trained; others begin anew.
        bound: What keeps the moves.
    """
    from core.training.gan.plane import Duel

    moves, known = read(bound), st.session_state.setdefault(_DUELS, {})
    found: Duel | None = known.get(name)
    if found is None or found.rules != rules or not moves.startswith(found.moves):
        found = known[name] = Duel(rules)
    began = time.monotonic()
    while len(found.moves) < len(moves) and time.monotonic() - began < SECONDS:
        found.move(moves[len(found.moves)])
    return found


def play(bench: Callable[[], bool]) -> None:
    """Draws a bench again and again while its pair is under way.

    Args:
        bench: Draws it; returns whether moves are left to be done.
    """
    ticks = bool(st.session_state.get(_TICKS))

    @guarded
    def drawn() -> None:
        left = bench()
        if left != ticks:
            st.session_state[_TICKS] = left
            st.rerun()

    st.fragment(drawn, run_every=PAUSE if ticks else None)()
