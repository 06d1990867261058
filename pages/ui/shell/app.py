"""The frame around every page: configuration, language, navigation, context, error boundary."""

from __future__ import annotations

import streamlit as st

from pages.ui.kit import nav, style
from pages.ui.kit.page_states import boundary
from pages.ui.session import warmup
from pages.ui.shell import sidebar
from pages.ui.text import i18n
from pages.ui.text.i18n import _

NAME = "Backbone Lab"


def run() -> None:
    """Draws the frame and the page that was asked for. Called by the entry, and by a page asked for directly."""
    st.set_page_config(
        page_title=NAME,
        page_icon=str(style.ASSETS / "icon.svg"),
        layout="wide",
        initial_sidebar_state="auto",
        menu_items={
            "About": _("Backbone Lab shows transfer learning as it happens: data, freezing, training, heatmaps.")
        },
    )
    i18n.choose_language()
    style.apply()
    st.logo(str(style.ASSETS / "logo.svg"), icon_image=str(style.ASSETS / "icon.svg"), size="large")
    chosen = st.navigation(nav.sections(), position="sidebar", expanded=True)
    with sidebar.beside(), boundary():
        chosen.run()
    with st.sidebar:
        warmup.indication()
    warmup.begin()
