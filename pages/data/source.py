"""Where the images come from: a built-in set, a folder, an upload, pictures put into classes, and so on."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from core import settings
from core.specs import DataSpec, titles
from pages.data.sources import kaggle, known_sets, named_classes, upload, webcam
from pages.data.sources.taking_in import FROM
from pages.ui.kit import components, form_fields
from pages.ui.kit.page_states import empty
from pages.ui.session import caches, choices
from pages.ui.text.i18n import N_, _

SOURCE_KINDS = {
    "embedded": N_("Built in"),
    "folder": N_("Folder"),
    "upload": N_("Upload"),
    "classes": N_("Your own classes"),
    "webcam": N_("Webcam"),
    "torchvision": N_("torchvision"),
    "kaggle": N_("Kaggle"),
}
SOURCE_TEXTS = {
    "shapes": N_("Generated shapes on cluttered backgrounds. Where each object is, is known."),
    "letters": N_("Generated letters A to Z in several fonts, slanted, turned and shifted."),
    "circles": N_("Generated circles of two sizes in noise: only the width tells the class."),
    "clothes": N_("Generated silhouettes that look like clothes, light on black."),
    "brains": N_(
        "Generated slices of the heads of 331 patients, 965 of AD and 689 of MCI; slices of a patient are alike."
    ),
    "textures": N_("Photographs of brick, grass and gravel, cut into tiles that never overlap between the splits."),
    "mnist": N_("5,000 handwritten digits of 28 × 28 pixels."),
    "digits": N_("1,797 handwritten digits of 8 × 8 pixels: quick to train on."),
}
_KIND = "bl-data-kind"


def choose_source() -> DataSpec | None:
    """Draws the choice of a source and returns the data it names, or ``None`` while there is none."""
    known = choices.data()
    here = _kind(known)
    kind = form_fields.choice(
        _("Where the images are"),
        SOURCE_KINDS,
        _KIND,
        value=FROM.among(SOURCE_KINDS, here),
        on_change=lambda: FROM.choose(st.session_state[_KIND]),
    )
    drawn = {
        "embedded": _embedded,
        "folder": _folder,
        "upload": upload.draw,
        "classes": named_classes.draw,
        "webcam": webcam.draw,
        "torchvision": known_sets.draw,
        "kaggle": kaggle.draw,
    }
    source = drawn[kind or "embedded"](known)
    if not source:
        return None
    FROM.choose(None)  # the data say where they are
    return known if known and known.source == source else DataSpec(source, test_share=choices.TEST_SHARE)


def _kind(known: DataSpec | None) -> str:
    if known is None or known.source.partition("?")[0] in titles.DATA:
        return "embedded"
    return "upload" if Path(known.source).is_relative_to(settings.uploads_dir()) else "folder"


def _embedded(known: DataSpec | None) -> str:
    choices.follow("bl-embedded", known.source if known and known.source in titles.DATA else "shapes")
    name = st.pills(
        _("Set"),
        list(titles.DATA),
        key="bl-embedded",
        format_func=lambda n: _(titles.DATA[n]),
        required=True,
        label_visibility="collapsed",
    )
    name = name or "shapes"
    components.note(_(SOURCE_TEXTS[name]))
    return name


def _folder(known: DataSpec | None) -> str | None:
    roots = caches.roots()
    found = _folders(roots)
    asked = known.source if known and _kind(known) == "folder" else None
    if asked and asked not in found:  # typed, or from a link: what is wrong with it is said below
        found = [asked, *found]
    if not found:
        empty(
            _("No image folders here"),
            _("Put a folder with one subfolder for each class under {root}.").format(root=roots[0]),
            icon="folder_open",
        )
        return None
    if asked:
        choices.follow("bl-folder", asked)
    return st.selectbox(
        _("Folder"),
        found,
        key="bl-folder",
        format_func=lambda path: _relative(path, roots),
        help=_("Folders under {roots}, one subfolder for each class.").format(roots=", ".join(map(str, roots))),
        accept_new_options=True,
        persist_state="session",
    )


def _folders(roots: tuple[Path, ...]) -> list[str]:
    """Returns the folders below the roots that hold at least two folders, or one that wraps them."""
    uploads = settings.uploads_dir()
    found = []
    for root in roots:
        if not root.is_dir():
            continue
        found += [
            str(path)
            for path in sorted(root.iterdir())
            if path.is_dir() and not path.name.startswith(".") and path != uploads
        ]
    return found


def _relative(path: str, roots: tuple[Path, ...]) -> str:
    for root in roots:
        if Path(path).is_relative_to(root):
            return str(Path(path).relative_to(root))
    return path
