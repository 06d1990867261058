"""The style sheet, the document's language and direction, and the browser's history."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import streamlit as st

from core import settings, translations
from pages.ui.text.i18n import direction, language

ASSETS = settings.PROJECT / "assets"


@lru_cache
def asset(name: str) -> str:
    """Returns the text of a file among the assets."""
    return (ASSETS / name).read_text(encoding="utf-8")


def logo() -> str:
    """Returns the logo as SVG, its name legible on the ground of the theme in use."""
    drawn = asset("logo.svg")
    return drawn.replace("#0C7A77", "#5CC9C0") if st.context.theme.type == "dark" else drawn


def send(name: str) -> None:
    """Sends a style sheet that only some pages need."""
    st.html(f"<style>{asset(name)}</style>")


@lru_cache
def component(name: str, html: str | None, js: str, css: str | None = None) -> Callable[..., Any]:
    """Returns a component of the browser; its style and program (of one file or several) are assets."""
    look, program = asset(css) if css else None, "".join(map(asset, js.split()))
    return st.components.v2.component(f"backbone_lab_{name}", html=html, css=look, js=program)


def apply() -> None:
    """Sends the style sheet, and programs for the browser.

    Sliders go by the browser's language, whatever the page's is. One program keeps the history in order; another sets
    the document's language and direction where it is not English.
    """
    send("style.css")
    if translations.direction((st.context.locale or "en").split("-")[0].lower()) == "rtl":
        send("sliders.css")
    component("history", None, "history.js")(key="bl-history", height=0)
    if language() != "en":
        document = component("document", None, "document.js")
        document(data={"lang": language(), "dir": direction()}, key="bl-document", height=0)
