"""The queue for a device: who waits, whose turn it is, when a run is likely to start; and moving or cancelling one."""

from __future__ import annotations

import hashlib
import re
import secrets
from functools import partial
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from pages.ui.kit import one_shot_button
from pages.ui.kit.components import note, plain, section
from pages.ui.kit.page_states import guarded
from pages.ui.text import display_names, number_format
from pages.ui.text.i18n import _, _n

if TYPE_CHECKING:
    from core.runs.jobs import Job
    from core.runs.queue import Place
    from core.runs.status import Status
    from core.runs.store import Run

EVERY = 2.0
"""Seconds between two looks."""
LISTED = 8
"""Most runs that are listed."""
_OWNER = "bl.owner"


def owner() -> str:
    """Returns who this person is to the queue, in which owners take turns: the same in all tabs of a browser.

    It is made from the browser's own cookie for this server and names nobody. Without one each session is an owner.
    """
    cookie = st.context.cookies.get("_streamlit_xsrf")
    if isinstance(cookie, str) and cookie:
        return hashlib.sha256(cookie.encode()).hexdigest()[:16]
    return str(st.session_state.setdefault(_OWNER, secrets.token_hex(8)))


def whose(status: Status) -> str:
    """Returns whose a run is, as a sentence; empty where it is this person's, or nobody's that is known."""
    if not status.owner or status.owner == owner():
        return ""
    if re.fullmatch(r"[0-9a-f]{16}", status.owner):  # see owner(): it names nobody
        return _("This run is somebody else's: it was started in another browser.")
    return _("This run is somebody else's: {name} started it on the command line.").format(name=plain(status.owner))


def panel(run: Run | None = None, *, key: str) -> None:
    """Draws the queue, renewed every two seconds, where anything waits.

    Args:
        run: The run that is looked at, which is marked.
        key: Stable start of the widgets' keys.
    """
    if run is not None or _waiting():
        st.fragment(_panel, run_every=EVERY)(None if run is None else run.id, key)


def _waiting() -> list[Place]:
    """Returns what waits; a run whose device is free starts at once and is no queue."""
    from core.runs.queue import waiting, working
    from core.runs.store import RunStore

    store = RunStore()
    places = waiting(store)
    busy = {place.device for place in working(store)} if places else set()
    return places if any(place.position > 1 or place.device in busy or not place.device for place in places) else []


@guarded
def _panel(marked: str | None, key: str) -> None:
    places = _waiting()
    if not places:
        return
    with st.container(border=True, key=key):
        section(_("The queue"), _("One training at a time on a device; those who wait take turns."))
        for place in places[:LISTED]:
            _row(place, marked, key)
        if len(places) > LISTED:
            more = len(places) - LISTED
            note(_n("{n} more waits.", "{n} more wait.", more).format(n=more))
    one_shot_button.refusal()


def _row(place: Place, marked: str | None, key: str) -> None:
    """Draws one place in the line, and what can be done with it."""
    run = place.run
    mine = place.owner == owner()
    facts = [_("yours") if mine else _("somebody else's")] if place.owner else []
    facts.append(display_names.device(place.device) if place.device else _("device not yet known"))
    facts.append(
        _("starts in about {time}").format(time=number_format.duration(place.starts_in))
        if place.starts_in is not None
        else _("start not yet known")
    )
    name = getattr(run, "name", run.id)
    cancel, close = f"{key}-cancel-{run.id}", ":material/close:"
    tone = " bl-marked" if run.id == marked else ""
    with st.container(horizontal=True, vertical_alignment="center", key=f"{key}-row-{run.id}"):
        st.html(
            f'<div class="bl-place{tone}"><b>{place.position}</b><span><bdi>{escape(name)}</bdi></span>'
            f"<i>{escape(' · '.join(facts))}</i></div>",
            width="stretch",
        )
        first = place.position == 1
        for where, icon, words, off in (
            ("up", "arrow_upward", _("Earlier by one"), first),
            ("down", "arrow_downward", _("Later by one"), False),
            ("front", "vertical_align_top", _("To the front"), first),
        ):
            one_shot_button.button(
                "",
                partial(_move, run, where),
                key=f"{key}-{where}-{run.id}",
                icon=f":material/{icon}:",
                help=words,
                disabled=off,
                type="tertiary",
            )
        if mine or not place.owner:
            one_shot_button.button("", run.request_stop, key=cancel, icon=close, help=_("Cancel"), type="tertiary")
            return
        with st.popover("", key=f"{cancel}-ask", icon=close, help=_("Cancel"), type="tertiary"):
            st.markdown(whose(run.status()))
            one_shot_button.button(_("Cancel it all the same"), run.request_stop, key=cancel)


def _move(run: Run | Job, where: str) -> None:
    from core.runs.queue import move

    move(run, where)
