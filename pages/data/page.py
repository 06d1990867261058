"""Data: what do I have? Classes, splits, samples, sizes, and what cannot be read."""

from __future__ import annotations

import streamlit as st

from core.errors import InputError
from pages.data.health import draw_health, draw_passed_over
from pages.data.overview import draw_classes, draw_overview, draw_shares
from pages.data.samples import draw_samples
from pages.data.source import choose_source
from pages.ui.kit import components
from pages.ui.kit.page_states import broken, busy
from pages.ui.session import address, caches, choices
from pages.ui.text import display_names as names
from pages.ui.text.i18n import _, translate_error


def render() -> None:
    """Draws the page."""
    components.header("data")
    spec = choose_source()
    if spec is None:
        return
    try:
        with busy(_("Listing the images …")):
            dataset = caches.divided(spec)
    except InputError as error:
        broken(_("These images cannot be used"), translate_error(error), icon="folder_off", tone="warn")
        return
    changed = spec.source != getattr(choices.data(), "source", None)
    choices.set_data(spec, _(names.DATA[spec.source]) if spec.source in names.DATA else dataset.title)
    address.write(**choices.data_params())
    if changed:
        st.rerun()  # the sidebar names these images before the long work on them begins
    problems = st.container(gap=None)
    draw_passed_over(dataset)
    draw_overview(dataset)
    with st.container(key="bl-wrap-data"):
        chart, controls = st.columns([2.1, 1], gap="large")
    with controls:
        draw_shares(spec)
    with chart:
        draw_classes(dataset)
    health = st.container()
    draw_samples(spec, dataset)
    components.next_step("backbone", _("Choose a backbone"), text=_("Next: what will learn from these images?"))
    with health:  # last, as it may take long
        draw_health(spec, dataset, problems)
