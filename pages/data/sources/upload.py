"""Files that a browser sends: a zip, a table, arrays, parquet, binaries, a whole folder; and what came before."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from core import settings
from core.errors import InputError
from core.messages import Progress
from core.specs import DataSpec
from pages.data.sources.taking_in import FROM, choose, refused, take_in
from pages.ui.kit import clicks, components, form_fields
from pages.ui.session import choices
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

WHAT = {"files": N_("Files"), "folder": N_("A whole folder")}
ABOUT = {
    "files": N_(
        "A zip with one folder for each class, or with any of these · a table (CSV, TSV, Excel) of paths and classes "
        "with its pictures, or of a class and pixels · npz, or npy with its labels · IDX images with their labels, as "
        "of MNIST · binaries of CIFAR or STL-10 · parquet with a column of images."
    ),
    "folder": N_(
        "One folder for each class, with or without train, val and test above them; or a table with its pictures."
    ),
}
_TRIED, _LOT = "bl.upload.tried", "bl.upload.lot"


def draw(known: DataSpec | None) -> str | None:
    """Draws the list of uploads and the fields for files; returns the upload that is chosen."""
    uploads = listed()
    if not uploads:
        _incoming(first=True)
        components.note(_("No upload yet. What you send is checked, and only its pictures are kept, on this machine."))
        return None
    choices.follow("bl-uploaded", known.source if known and known.source in uploads else uploads[0])
    with st.container(horizontal=True, vertical_alignment="bottom", key="bl-upload-room"):
        chosen: str = st.selectbox(
            _("Uploaded, the newest first"), uploads, key="bl-uploaded", format_func=lambda path: Path(path).name
        )
        if clicks.button(_("Delete this upload"), icon=":material/delete:", key="bl-upload-delete"):
            _delete(chosen)
    with st.expander(_("Send other files"), icon=":material/upload:", key="bl-upload-more"):
        _incoming(first=False)
        _room()
    return chosen


def listed() -> list[str]:
    """Returns the uploads, the newest first."""
    folder = settings.uploads_dir()
    if not folder.is_dir():
        return []
    found = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    return [str(path) for path in sorted(found, key=lambda path: (-path.stat().st_mtime_ns, path.name))]


def _incoming(*, first: bool) -> None:
    """Draws the fields; what can be sent stands there in full before the first upload, and behind the sign after it."""
    lot, limit = st.session_state.get(_LOT, 0), settings.upload_limit()
    with st.container(horizontal=True, vertical_alignment="bottom", key="bl-upload-how"):
        what = form_fields.choice(_("What you send"), WHAT, "bl-upload-what", default="files", help=_(ABOUT["files"]))
        name = st.text_input(
            _("Name"),
            key=f"bl-upload-name-{lot}",
            placeholder=_("as the files are called"),
            max_chars=60,
            width=320,
            help=_("What the images are called here: letters, digits, - and _."),
        )
    with st.container(key="bl-upload-drop"):
        files = st.file_uploader(
            _(WHAT[what]),
            key=f"bl-upload-{what}-{lot}",
            accept_multiple_files="directory" if what == "folder" else True,
            max_upload_size=max(1, int(limit / 1e6)),
            label_visibility="collapsed",
        )
        if first or what == "folder":
            components.note(_(ABOUT[what]))
    if files:
        _take(files, name.strip())


def _take(files: Sequence[UploadedFile], name: str) -> None:
    """Makes a source of the files, once; says why where that cannot be done, until other files or a name come."""
    from core.data.importing.uploaded import Incoming, import_files

    asked = (tuple(file.file_id for file in files), name)
    tried: tuple[object, InputError | None] = st.session_state.get(_TRIED, (None, None))
    error = tried[1]
    if tried[0] != asked:

        def work(progress: Progress) -> Path:
            return import_files([Incoming(file.name, file) for file in files], name, progress=progress)

        def cancel() -> None:
            st.session_state[_LOT] = st.session_state.get(_LOT, 0) + 1

        found = take_in(work, key="bl-upload", cancel=cancel)
        if isinstance(found, Path):
            cancel()  # the field begins anew
            choose(found)
            return
        error = found
        st.session_state[_TRIED] = (asked, error)
    if error is not None:
        refused(error)


def _room() -> None:
    """Says how much room the uploads take."""
    from core.uploads import usage

    components.note(
        _("{used} of {quota} used by all uploads.").format(
            used=number_format.size(usage()), quota=number_format.size(settings.upload_quota())
        )
    )


def _delete(path: str) -> None:
    @st.dialog(_("Delete this upload?"))
    def ask() -> None:
        st.markdown(
            _(
                "**{name}** is removed from this machine. Runs trained on it stay, but cannot show its images any more."
            ).format(name=components.plain(Path(path).name))
        )
        with st.container(horizontal=True):
            gone = clicks.button(
                _("Delete for good"), type="primary", icon=":material/delete:", key="bl-upload-delete-now"
            )
            kept = clicks.button(_("Keep it"), key="bl-upload-delete-not")
        if gone:
            from core.uploads import delete

            delete(Path(path), settings.uploads_dir())
            choices.forget_data()
            FROM.choose("upload")  # stay where the uploads are
        if gone or kept:
            st.rerun()

    ask()
