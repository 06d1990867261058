"""Pictures that come with the app, for those who have none at hand."""

from __future__ import annotations

from pathlib import Path

from core.errors import InputError
from pages.ui.kit import style
from pages.ui.selection import picture_list
from pages.ui.session import caches
from pages.ui.text.i18n import N_

SAMPLES = {
    "cat": N_("Cat"),
    "coffee": N_("Coffee"),
    "rocket": N_("Rocket"),
    "astronaut": N_("Astronaut"),
    "camera": N_("Photographer"),
}
"""Photographs free of copyright in ``assets/samples`` (``LICENCES.md`` there says whose): file name and title."""


def bytes_of(name: str) -> bytes:
    """Returns the file of one of :data:`SAMPLES`.

    Raises:
        InputError: It is not installed.
    """
    path = path_of(name)
    if path is None:
        raise InputError("No sample pictures are installed. Choose a file.")
    return path.read_bytes()


def path_of(name: str) -> Path | None:
    """Returns the file of a sample; ``None`` where there is none of that name, or it is not installed."""
    path = style.ASSETS / "samples" / f"{name}.jpg"
    return path if name in SAMPLES and path.is_file() else None


def view_of(name: str) -> bytes:
    """Returns a small view of a sample."""
    from core.data.images import read_image

    return caches.remember(
        "sample-views",
        (name,),
        lambda: picture_list.thumbnail(read_image(bytes_of(name), least=picture_list.THUMBNAIL_PX).image),
    )
