"""Pictures that a person drops into classes of their own naming."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from core import settings
from core.specs import DataSpec
from pages.data.sources import classes_form
from pages.data.sources.taking_in import make_classes
from pages.ui.kit import clicks, components, form_fields
from pages.ui.text import number_format
from pages.ui.text.i18n import _, _n

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

MOST_CLASSES = 100
_COLUMNS = 2
_LOT, _COUNT = "bl.classes.lot", "bl.classes.count"


def draw(known: DataSpec | None) -> str | None:  # noqa: ARG001 - as all sources are drawn
    """Draws a card for each class and the button that makes a source of them; it is chosen among the uploads."""
    lot, count = st.session_state.get(_LOT, 0), st.session_state.get(_COUNT, classes_form.LEAST)
    whole = form_fields.flag("bl-classes-whole")
    with st.container(horizontal=True, vertical_alignment="bottom", key="bl-classes-how"):
        name = classes_form.name_field(f"bl-classes-name-{lot}", 320)
        folders = st.toggle(_("Drop whole folders"), help=_("All pictures below a folder go into the class."), **whole)
    cards: list[tuple[str, Sequence[UploadedFile]]] = []
    for start in range(0, count, _COLUMNS):
        for place, column in enumerate(st.columns(_COLUMNS), start):
            if place < count:
                with column:
                    cards.append(_card(f"{lot}-{place}", place, folders=folders))
    with st.container(horizontal=True, vertical_alignment="center", key="bl-classes-do"):
        asked = clicks.button(_("Make a data source"), type="primary", icon=":material/dataset:", key="bl-classes-make")
        classes_form.another_class("bl-classes-more", _COUNT, MOST_CLASSES)
        components.note(
            _("At most {size} a file. Files that are no pictures are left out and named afterwards.").format(
                size=number_format.size(settings.upload_limit())
            )
        )
    if asked:
        sent = [(label, [(file.name, file) for file in files]) for label, files in cards]
        make_classes(sent, name, key="bl-named", done=_renew)
    return None


def _card(key: str, place: int, *, folders: bool) -> tuple[str, Sequence[UploadedFile]]:
    with st.container(border=True, key=f"bl-class-{place}"):
        name = st.text_input(
            _("Class {n}").format(n=place + 1),
            key=f"bl-class-name-{key}",
            max_chars=100,
            placeholder=_("what is on these pictures"),
        )
        files = st.file_uploader(
            _("Pictures of class {n}").format(n=place + 1),
            key=f"bl-class-{'folder' if folders else 'files'}-{key}",
            accept_multiple_files="directory" if folders else True,
            max_upload_size=max(1, int(settings.upload_limit() / 1e6)),
            label_visibility="collapsed",
        )
        if files:
            components.note(_n("{n} file", "{n} files", len(files)).format(n=number_format.exact(len(files))))
        return name.strip(), files


def _renew() -> None:
    classes_form.renew(_LOT, _COUNT)
