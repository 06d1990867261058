"""The style sheet, and the document's language and direction."""

from __future__ import annotations

from functools import lru_cache

import streamlit as st

from core import settings
from pages.ui.text.i18n import direction, language

ASSETS = settings.PROJECT / "assets"


@lru_cache(maxsize=1)
def _sheet() -> str:
    return (ASSETS / "style.css").read_text(encoding="utf-8")


def apply() -> None:
    """Sends the style sheet, and for a language other than English the document's language and direction."""
    st.html(f"<style>{_sheet()}</style>")
    if language() != "en":
        _document()(data={"lang": language(), "dir": direction()}, key="bl-document", height=0)


@lru_cache(maxsize=1)
def _watching() -> str:
    return (ASSETS / "watching.css").read_text(encoding="utf-8")


def watching() -> None:
    """Sends what the panels that look into a training look like."""
    st.html(f"<style>{_watching()}</style>")


@lru_cache(maxsize=1)
def _document():  # type: ignore[no-untyped-def]
    return st.components.v2.component(
        "backbone_lab_document",
        js="export default ({data}) => { const root = document.documentElement;"
        " root.lang = data.lang; root.dir = data.dir; }",
    )
