"""A person's own pictures: several files at once, or a photograph; kept for the session, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import streamlit as st

from core.errors import InputError
from pages.ui.kit import clicks, components
from pages.ui.selection import picture_list
from pages.ui.session.choices import ImageChoice
from pages.ui.text import number_format
from pages.ui.text.i18n import _, _n, translate_error

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

MOST_MB = 200
"""Files of a session altogether."""
FILE_MB = 50
_KEPT = "bl.pictures.own"


@dataclass(slots=True)
class Kept:
    """What a session was given.

    Attributes:
        pictures: Files that can be read, by their digest, and a small view of each.
        refused: A sentence for each file of the last lot that cannot be used.
        lots: How many times files were taken: each time the field begins anew.
    """

    pictures: dict[str, tuple[ImageChoice, bytes]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    lots: int = 0

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(len(choice.data) for choice, _view in self.pictures.values())


def kept() -> Kept:
    """Returns what the session was given so far."""
    return st.session_state.setdefault(_KEPT, Kept())


def suffixes() -> list[str]:
    """Returns the endings of files that are taken: all that are read, and pictures that are refused in words."""
    from core.data.images import CONVERTIBLE, SUFFIXES

    return [ending[1:] for ending in sorted(SUFFIXES | CONVERTIBLE)]


def take(files: Sequence[UploadedFile], kind: str = "upload") -> ImageChoice | None:
    """Keeps files that can be read, and says of the others why not.

    Args:
        files: What was given.
        kind: ``upload`` or ``camera``.

    Returns:
        The first of them that can be read.
    """
    here, first = kept(), None
    here.refused, here.lots = [], here.lots + 1
    for file in files:
        choice = ImageChoice(kind, _("Camera picture") if kind == "camera" else file.name, file.getvalue())
        refused = keep(choice)
        if refused:
            here.refused.append(refused)
        else:
            first = first or choice
    return first


def keep(choice: ImageChoice) -> str:
    """Keeps a picture for the session; returns why it cannot be used, empty where it can."""
    from core.data.folders.passed_over import Note
    from core.data.images import CONVERTIBLE, read_image

    here = kept()
    if choice.sha256 not in here.pictures and here.size + len(choice.data) > MOST_MB * 1_000_000:
        text = _("{name} is one too many: {size} of files can be held at once. Take the others out first.")
        return text.format(name=choice.name, size=number_format.size(MOST_MB * 1e6))
    try:
        small = read_image(choice.data, name=choice.name, least=picture_list.THUMBNAIL_PX).image
    except InputError as error:
        if PurePath(choice.name).suffix.lower() not in CONVERTIBLE:
            return translate_error(error)
        sentence = Note("convertible", choice.name).sentence
        return _(sentence.template).format(**sentence.values)
    here.pictures[choice.sha256] = (choice, picture_list.thumbnail(small))
    return ""


def draw(key: str, choose: Callable[[ImageChoice], None]) -> None:
    """Draws the fields for files and for a photograph, and what of the last lot cannot be used.

    Args:
        key: Stable start of the widgets' keys.
        choose: Called with the first picture of a new lot.
    """
    here = kept()

    def keep(name: str, kind: str) -> None:
        given = st.session_state.get(name)
        files = given if isinstance(given, list) else [given] if given else []
        if files and (first := take(files, kind)) is not None:
            choose(first)

    def field_(name: str, kind: str) -> dict[str, Any]:
        return {"key": name, "on_change": keep, "args": (name, kind)}

    st.file_uploader(
        _("Your own pictures"),
        type=suffixes(),
        accept_multiple_files=True,
        max_upload_size=FILE_MB,
        help=_("Several at once. They are looked at here and kept nowhere."),
        **field_(f"{key}-file-{here.lots}", "upload"),
    )
    if st.toggle(_("Take a photograph"), key=f"{key}-camera"):
        st.camera_input(_("Camera"), label_visibility="collapsed", **field_(f"{key}-shot-{here.lots}", "camera"))
    for sentence in here.refused:
        components.note(sentence)
    if here.pictures and clicks.button(
        _n("Take out your picture", "Take out your {n} pictures", len(here.pictures)).format(n=len(here.pictures)),
        key=f"{key}-forget",
        icon=":material/delete:",
    ):
        here.pictures.clear()
        st.rerun()
