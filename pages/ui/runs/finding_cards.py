"""Remarks of the core, as cards: what is seen, the figures behind it, what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import streamlit as st

from pages.ui.kit import components, style
from pages.ui.text.i18n import _

if TYPE_CHECKING:
    from core.messages import Sentence
    from core.workflows.findings import Finding

ICONS = {"good": "check_circle", "warn": "warning", "bad": "error"}


def draw(remarks: Iterable[Finding], *, key: str) -> None:
    """Draws findings one below the other, in their order."""
    style.send("watching.css")
    for finding in remarks:
        card(finding, key)


def card(finding: Finding, key: str, below: Callable[[], None] | None = None) -> None:
    """Draws one remark; the caller sends the style.

    Args:
        finding: What is said.
        key: Stable start of the keys.
        below: Draws what stands under it, inside the card.
    """
    with st.container(border=True, key=f"bl-remark-{key}-{finding.id}"):
        st.html(
            f'<div class="bl-remark bl-{finding.tone}">'
            f'<span class="bl-symbol" aria-hidden="true">{ICONS[finding.tone]}</span>'
            f"<div><b>{components.phrase(translated(finding.sentence))}</b><p>{components.phrase(translated(finding.evidence))}</p>"
            f'<p class="bl-advised">{components.phrase(translated(finding.advice))}</p></div></div>'
        )
        if below is not None:
            below()


def translated(sentence: Sentence) -> str:
    """Returns a sentence in the person's language, its values filled in."""
    return _(sentence.template).format(**sentence.values)
