"""Feature maps to take away: as a picture, or as the numbers themselves."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import streamlit as st

from pages.ui.kit import components
from pages.ui.selection.subjects import Subject
from pages.ui.text.i18n import _

if TYPE_CHECKING:
    from torch import Tensor


def layer(subject: Subject, name: str, maps: Tensor, png: bytes) -> None:
    """Offers one layer's maps as a picture, and as an array."""
    stem = f"{_plain(subject.target.title)}-{_plain(name)}"
    with st.container(horizontal=True, key="bl-maps-save"):
        components.download(_("Save picture"), png, f"{stem}.png", "bl-maps-png")
        components.download(
            _("Save arrays"),
            lambda: arrays({name: maps}),
            f"{stem}.npz",
            "bl-maps-npz",
            icon="data_array",
            help=_("The values themselves, channels × rows × columns in float32, for NumPy."),
        )


def several(subject: Subject, names: tuple[str, ...], pictures: dict[str, bytes]) -> None:
    """Offers many layers' maps as a ZIP archive of pictures, and as arrays."""
    stem = f"{_plain(subject.target.title)}-layers"

    def packed() -> bytes:
        from core.interpret.features.activations import activations

        return arrays(activations(subject.network, subject.input(), names))

    with st.container(horizontal=True, key="bl-all-save", width="content"):
        components.download(
            _("Save all pictures"), lambda: zipped(pictures), f"{stem}.zip", "bl-all-png", icon="folder_zip"
        )
        components.download(
            _("Save all arrays"),
            packed,
            f"{stem}.npz",
            "bl-all-npz",
            icon="data_array",
            help=_("One array a layer, channels × rows × columns in float32, for NumPy."),
        )


def arrays(maps: dict[str, Tensor]) -> bytes:
    """Returns layers' maps as an npz file, an array a layer."""
    from core.interpret.features.activations import packed

    return packed(maps)


def zipped(pictures: dict[str, bytes]) -> bytes:
    """Returns pictures as a ZIP archive, numbered in order."""
    import io
    import zipfile

    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:  # PNGs are packed already
        for number, (name, png) in enumerate(pictures.items()):
            archive.writestr(f"{number:03d}-{_plain(name)}.png", png)
    return file.getvalue()


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-") or "maps"
