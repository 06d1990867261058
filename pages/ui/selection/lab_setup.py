"""The first step of a lab: which pictures it is done with, and beside the choices how they look."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import streamlit as st

from pages.ui.session import choices

Plan = TypeVar("Plan")


def sources(offered: Sequence[str]) -> list[str]:
    """Returns the sources that a lab offers: its own, and after the first the chosen data where they are others."""
    chosen = choices.data()
    own = [chosen.source] if chosen is not None and chosen.source not in offered else []
    return [*offered[:1], *own, *offered[1:]]


def draw(key: str, choose: Callable[[], Plan | None], preview: Callable[[Plan], None]) -> Plan | None:
    """Draws the choices and, beside them, a preview.

    Args:
        key: Key of the container.
        choose: Draws the choices; returns the plan, or ``None`` where the pictures are not to be had.
        preview: Draws what a plan's pictures look like.

    Returns:
        What ``choose`` returned.
    """
    with st.container(key=key):
        left, right = st.columns([1, 1.5], gap="large")
    with left:
        plan = choose()
    if plan is not None:
        with right:
            preview(plan)
    return plan
