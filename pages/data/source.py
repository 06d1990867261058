"""Where the images come from: a built-in set, a folder, an upload."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from core import settings
from core.errors import InputError
from core.specs import DataSpec
from pages.ui.kit import components, form_fields
from pages.ui.kit.page_states import broken, empty
from pages.ui.session import caches, choices
from pages.ui.session.address import Bound
from pages.ui.text import display_names as names
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _, translate_error

SOURCE_KINDS = {"embedded": N_("Built in"), "folder": N_("Folder"), "upload": N_("Upload")}
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
_ZIP_DONE, _KIND = "bl.zip.done", "bl-data-kind"
FROM = Bound("from")
"""Where images are looked for, as long as none of there are chosen."""


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
    source = {"embedded": _embedded, "folder": _folder, "upload": _upload}[kind or "embedded"](known)
    if not source:
        return None
    FROM.choose(None)  # the data say where they are
    return known if known and known.source == source else DataSpec(source, test_share=choices.TEST_SHARE)


def _kind(known: DataSpec | None) -> str:
    if known is None or known.source.partition("?")[0] in names.DATA:
        return "embedded"
    return "upload" if Path(known.source).is_relative_to(settings.uploads_dir()) else "folder"


def _embedded(known: DataSpec | None) -> str:
    choices.follow("bl-embedded", known.source if known and known.source in names.DATA else "shapes")
    name = st.pills(
        _("Set"),
        list(names.DATA),
        key="bl-embedded",
        format_func=lambda n: _(names.DATA[n]),
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


def _upload(known: DataSpec | None) -> str | None:
    from core.data.folders.archive import unpack_zip
    from core.uploads import usage

    limit = settings.upload_limit()
    file = st.file_uploader(
        _("Zip file"),
        type="zip",
        key="bl-zip",
        max_upload_size=max(1, int(limit / 1e6)),
        help=_("One folder for each class. At most {size}.").format(size=number_format.size(limit)),
    )
    if file is not None and st.session_state.get(_ZIP_DONE) != file.file_id:
        try:
            with st.spinner(_("Unpacking …")):
                path = unpack_zip(file, file.name)
        except InputError as error:
            broken(
                _("This zip was not taken"),
                translate_error(error),
                kept=_("Nothing of it was kept."),
                icon="folder_zip",
                tone="warn",
            )
            return None
        st.session_state[_ZIP_DONE] = file.file_id
        choices.set_data(DataSpec(str(path), test_share=choices.TEST_SHARE))
        known = choices.data()
    uploads = _uploads()
    if not uploads:
        components.note(
            _("No upload yet. A zip with one folder for each class; only its pictures are kept, on this machine.")
        )
        return None
    choices.follow("bl-uploaded", known.source if known and known.source in uploads else uploads[0])
    chosen = st.selectbox(
        _("Uploaded, the newest first"), uploads, key="bl-uploaded", format_func=lambda path: Path(path).name
    )
    with st.container(horizontal=True, vertical_alignment="center", key="bl-upload-room"):
        components.note(
            _("{used} of {quota} used by all uploads.").format(
                used=number_format.size(usage()), quota=number_format.size(settings.upload_quota())
            )
        )
        if st.button(_("Delete this upload"), icon=":material/delete:", key="bl-upload-delete"):
            _delete_upload(chosen)
    return chosen


def _uploads() -> list[str]:
    """Returns the uploads, the newest first."""
    folder = settings.uploads_dir()
    if not folder.is_dir():
        return []
    found = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    return [str(path) for path in sorted(found, key=lambda path: (-path.stat().st_mtime_ns, path.name))]


def _delete_upload(path: str) -> None:
    @st.dialog(_("Delete this upload?"))
    def ask() -> None:
        st.markdown(
            _(
                "**{name}** is removed from this machine. Runs trained on it stay, but cannot show its images any more."
            ).format(name=components.plain(Path(path).name))
        )
        with st.container(horizontal=True):
            gone = st.button(_("Delete for good"), type="primary", icon=":material/delete:", key="bl-upload-delete-now")
            kept = st.button(_("Keep it"), key="bl-upload-delete-not")
        if gone:
            from core.uploads import delete

            delete(Path(path), settings.uploads_dir())
            choices.forget_data()
            FROM.choose("upload")  # stay where the uploads are
        if gone or kept:
            st.rerun()

    ask()
