"""The frame around every page: configuration, language, navigation, context, error boundary."""

from __future__ import annotations

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from pages.ui.kit import clicks, components, nav, style
from pages.ui.kit.page_states import boundary
from pages.ui.session import address, choices, warmup
from pages.ui.shell import server, sidebar
from pages.ui.text import i18n
from pages.ui.text.i18n import _, translate_error
from pages.ui.walks import bar

NAME = "Backbone Lab"
_REFUSED = "bl.shell.refused"


def run() -> None:
    """Draws the frame and the page that was asked for. Called by the entry, and by a page asked for directly."""
    server.prepare()
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
    st.logo(style.logo(), icon_image=str(style.ASSETS / "icon.svg"), size="large")
    chosen = st.navigation(nav.sections(), position="sidebar", expanded=True)
    name = chosen.url_path or "home"
    choices.arrive(name)
    st.set_page_config(page_title=_title(chosen))
    above = st.container(gap=None)
    with sidebar.beside(), boundary():
        bar.draw(name)
        chosen.run()
    clicks.forget()
    choices.carry()
    with above:
        _refusals(name)
    st.set_page_config(page_title=_title(chosen))
    with st.sidebar:
        warmup.indication()
    warmup.begin()


def _title(page: StreamlitPage) -> str:
    """Returns what the browser's tab is called: the page, what it is about, and the product."""
    about = None if page.url_path in ("", "home") else sidebar.subject()
    return " · ".join(part for part in (page.title, about, NAME) if part)


def _refusals(page: str) -> None:
    """Says what of the address could not be read, until the page is left."""
    found = address.refused()
    shown = st.session_state.get(_REFUSED)
    if found:
        shown = st.session_state[_REFUSED] = (page, found)
    if shown is None or shown[0] != page:
        return
    for name, error in shown[1].items():
        text = _("The address names {name} in a way that cannot be read, so it was left out. {why}")
        st.warning(components.plain(text.format(name=name, why=translate_error(error))), icon=":material/link_off:")
