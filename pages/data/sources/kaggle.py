"""Data sets of Kaggle, fetched in the background by kagglehub, where that is installed."""

from __future__ import annotations

from importlib.util import find_spec

import streamlit as st

from core.errors import InputError
from core.runs.status import LIVE
from core.specs import DataSpec
from pages.data.sources import known_sets
from pages.data.sources.taking_in import refused
from pages.ui.kit import components
from pages.ui.kit.page_states import empty
from pages.ui.text.i18n import _

_STARTED = "bl.kaggle.started"


def draw(known: DataSpec | None) -> str | None:  # noqa: ARG001 - as all sources are drawn
    """Draws the field for an address and how far its fetching is; it is chosen among the uploads once it is there."""
    if find_spec("kagglehub") is None:
        empty(
            _("kagglehub is not installed here"),
            _(
                "Sets of Kaggle are fetched by it: pip install -r requirements-kaggle.txt. Or fetch the zip with your "
                "browser and upload it."
            ),
            icon="extension",
        )
        return None
    job = known_sets.begun(_STARTED)
    working = job is not None and job.state in LIVE
    with st.container(horizontal=True, vertical_alignment="bottom", key="bl-kaggle-how"):
        address = st.text_input(
            _("Address of the set"),
            key="bl-kaggle-address",
            placeholder=_("owner/name"),
            max_chars=200,
            width=380,
            disabled=working,
            help=_("As the page of the set has it: kaggle.com/datasets/owner/name."),
        ).strip()
        usual = address.rpartition("/")[2] or _("my-pictures")
        called, asked = known_sets.name_and_fetch("bl-kaggle", usual, disabled=working)
    components.note(
        _(
            "Folders of pictures, tables and arrays are taken in. Where Kaggle wants to know who asks, kagglehub reads "
            "your own ~/.kaggle/kaggle.json on this machine; nothing of it is shown or kept here."
        )
    )
    if asked:
        _fetch(address, called)
    known_sets.take(job, _STARTED, "bl-kaggle")
    return None


def _fetch(address: str, called: str) -> None:
    from core.data.importing.kaggle import PREFIX, slug_of
    from core.data.importing.uploaded import free_name

    try:
        slug = slug_of(address)
    except InputError as error:
        refused(error)
        return
    known_sets.fetch(PREFIX + slug, called or free_name(slug.split("/")[1]), _STARTED)
