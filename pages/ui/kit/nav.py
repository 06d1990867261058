"""The pages: what each is called, what it asks, where it lives, and links to it.

Pages are functions behind addresses of their own: each folder under ``pages`` has a ``page.py`` with ``render()``.
Beside the folder stands ``_<page>.py``, which calls the frame: a server whose first visitor comes by the page's own
address looks for a file of that name, and shows "Page not found" over the page where there is none.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from pages.ui.session import address
from pages.ui.text.i18n import N_, _


@dataclass(frozen=True, slots=True)
class Place:
    """A page: its module's name (also its address), title, question and icon."""

    name: str
    title: str
    question: str
    icon: str
    section: str


PLACES: Mapping[str, Place] = {
    place.name: place
    for place in (
        Place("home", N_("Home"), N_("See transfer learning happen."), ":material/home:", ""),
        Place("data", N_("Data"), N_("What do I have?"), ":material/photo_library:", N_("Build")),
        Place("backbone", N_("Backbone"), N_("Which network shall I start from?"), ":material/layers:", N_("Build")),
        Place(
            "anatomy", N_("Anatomy"), N_("What is in it, and what will learn?"), ":material/account_tree:", N_("Build")
        ),
        Place("train", N_("Train"), N_("Is it learning?"), ":material/play_circle:", N_("Build")),
        Place("evaluate", N_("Evaluate"), N_("How good, and where not?"), ":material/fact_check:", N_("Judge")),
        Place("try_it", N_("Try it"), N_("What does it say of new pictures?"), ":material/photo_camera:", N_("Judge")),
        Place("runs", N_("Runs"), N_("What have I trained?"), ":material/history:", N_("Judge")),
        Place(
            "compare",
            N_("Compare"),
            N_("Which was better, why, and by more than chance?"),
            ":material/compare_arrows:",
            N_("Judge"),
        ),
        Place(
            "studies",
            N_("Studies"),
            N_("Which settings matter, and what is chance?"),
            ":material/grid_on:",
            N_("Judge"),
        ),
        Place(
            "feature_maps",
            N_("Feature maps"),
            N_("What does each layer see?"),
            ":material/grid_view:",
            N_("Look inside"),
        ),
        Place("filters", N_("Filters"), N_("What does it look for?"), ":material/blur_on:", N_("Look inside")),
        Place(
            "heatmaps",
            N_("Heatmaps"),
            N_("Where does it look to decide?"),
            ":material/local_fire_department:",
            N_("Look inside"),
        ),
        Place(
            "shortcut",
            N_("Shortcut lab"),
            N_("Did it learn the object, or something beside it?"),
            ":material/call_split:",
            N_("Look inside"),
        ),
        Place(
            "leak",
            N_("Leak lab"),
            N_("Would the accuracy hold on pictures of somebody else?"),
            ":material/water_drop:",
            N_("Look inside"),
        ),
        Place("learn", N_("Lessons"), N_("How does it work, number by number?"), ":material/school:", N_("Learn")),
        Place(
            "autoencoder",
            N_("Autoencoder"),
            N_("What is left of a picture in a narrow place?"),
            ":material/compress:",
            N_("Learn"),
        ),
        Place("gan", N_("GAN"), N_("How does a network make pictures out of noise?"), ":material/swords:", N_("Learn")),
        Place(
            "style",
            N_("Style transfer"),
            N_("What is content to a network, and what is style?"),
            ":material/palette:",
            N_("Learn"),
        ),
        Place(
            "about",
            N_("Notes and terms"),
            N_("Where does this come from, and what do the words mean?"),
            ":material/menu_book:",
            N_("Reference"),
        ),
    )
}


def page(name: str) -> StreamlitPage:
    """Returns Streamlit's page object for one of :data:`PLACES`, titled in the person's language."""
    place, home = PLACES[name], name == "home"
    return st.Page(_opener(name), title=_(place.title), icon=place.icon, url_path="" if home else name, default=home)


def sections() -> dict[str, list[StreamlitPage]]:
    """Returns all pages under their translated section titles, in order; Home also by its name, ``/home``."""
    grouped: dict[str, list[StreamlitPage]] = {}
    for place in PLACES.values():
        grouped.setdefault(_(place.section), []).append(page(place.name))
    home = PLACES["home"]
    by_name = st.Page(_opener(home.name), title=_(home.title), icon=home.icon, url_path=home.name, visibility="hidden")
    grouped[_(home.section)].append(by_name)
    return grouped


def link(
    name: str, label: str | None = None, *, icon: str | None = None, help: str | None = None, **params: str | None
) -> None:
    """Draws a link to a page; ``params`` (such as ``run=run.id``) go into its address, but for those of ``None``."""
    place = PLACES[name]
    asked = address.of_link(name, _given(params)) or None
    st.page_link(page(name), label=label or _(place.title), icon=icon or place.icon, help=help, query_params=asked)


def go(name: str, **params: str | None) -> None:
    """Leaves for a page, with ``params`` in its address, but for those of ``None``."""
    st.switch_page(page(name), query_params=address.of_link(name, _given(params)) or None)


def _given(params: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in params.items() if value is not None}


def _opener(name: str) -> Callable[[], None]:
    """Returns the function behind a page: it loads the page's module when the page is first asked for."""

    def show() -> None:
        importlib.import_module(f"pages.{name}.page").render()

    show.__name__ = name
    return show
