"""Data: what do I have? A source, what is wrong with it in a line, and views of its images."""

from __future__ import annotations

import streamlit as st

from core.errors import InputError
from core.specs import titles
from pages.data.problems import check_job, repairs
from pages.data.source import choose_source
from pages.data.views import VIEW, VIEWS
from pages.ui.kit import components
from pages.ui.kit.page_states import broken, busy
from pages.ui.selection import view_strip
from pages.ui.session import address, caches, choices
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
        repairs.offer_files(spec)
        return
    changed = spec.source != getattr(choices.data(), "source", None)
    choices.set_data(spec, _(titles.DATA[spec.source]) if spec.source in titles.DATA else dataset.title)
    address.write(**choices.data_params())
    if changed:
        st.rerun()  # the sidebar names these images before the long work on them begins
    with st.container(gap=None):
        check_job.draw(spec, dataset, here=VIEW.asked() == "problems")
    repairs.draw(spec, dataset)
    view = view_strip.choose({name: row.title for name, row in VIEWS.items()}, VIEW, "bl-data-view")
    VIEWS[view].draw(spec, dataset)
    components.next_step("backbone", _("Choose a backbone"), text=_("Next: what will learn from these images?"))
