"""A run from elsewhere: a zip that "Download" has written is checked and taken in."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

import streamlit as st

from core import settings
from core.errors import Cancelled, InputError
from pages.ui.kit import components
from pages.ui.kit.page_states import broken
from pages.ui.session import choices
from pages.ui.text import number_format
from pages.ui.text.i18n import _, translate_error

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

    from core.runs.store import Run

LARGE_BYTES = 200_000_000
"""Weights of single epochs up to which they are downloaded with the run."""
_FIELD, _TRIED = "bl.take-in.field", "bl.take-in.tried"


def pack(run: Run, file: IO[bytes]) -> None:
    """Writes a run as a zip; the weights of single epochs only where they are not too large."""
    from core.workflows.packing.pack import epoch_bytes, pack

    pack(run, file, epochs=epoch_bytes(run) <= LARGE_BYTES)


def draw() -> None:
    """Draws the field for a packed run, behind its title."""
    panel = st.expander(_("A run from elsewhere"), icon=":material/unarchive:", key="bl-take-in", on_change="rerun")
    with panel:
        if not panel.open:
            return
        components.note(
            _(
                "A zip that “Download” has written, here or on another machine. Every file is held against its hash; "
                "what was changed since, or could hold code, is refused. A run that was paused can go on here if its "
                "images lie in the same place."
            )
        )
        file = st.file_uploader(
            _("A packed run"),
            type=["zip"],
            key=f"bl-take-in-file-{st.session_state.get(_FIELD, 0)}",
            max_upload_size=max(1, int(settings.upload_limit() / 1e6)),
            label_visibility="collapsed",
        )
        if file is not None:
            _take(file)


def _take(file: UploadedFile) -> None:
    """Takes a zip in, once; says why where that cannot be done, until another comes."""
    from core.workflows.packing.unpack import import_run

    tried: tuple[str, InputError | None] = st.session_state.get(_TRIED, ("", None))
    error = tried[1]
    if tried[0] != file.file_id:
        place = st.empty()
        with place.container(horizontal=True, vertical_alignment="center", key="bl-take-in-doing"):
            bar = st.progress(0.0, text=_("Checking every file …"), width="stretch")
            st.button(_("Cancel"), icon=":material/close:", key="bl-take-in-cancel", on_click=_anew)

        def report(done: int, total: int) -> None:
            text = _("Checked {done} of {total}").format(done=number_format.size(done), total=number_format.size(total))
            bar.progress(min(done / max(total, 1), 1.0), text=text)

        try:
            run = import_run(file, file.name, progress=report)
        except InputError as raised:
            error = raised
            st.session_state[_TRIED] = (file.file_id, error)
        except Cancelled:
            return
        else:
            _anew()
            choices.choose_run(run.id)
            st.rerun()
        finally:
            place.empty()
    if error is not None:
        broken(
            _("This run was not taken in"),
            translate_error(error),
            kept=_("Nothing of it was kept."),
            icon="unarchive",
            tone="warn",
        )


def _anew() -> None:
    """Begins the field anew."""
    st.session_state[_FIELD] = st.session_state.get(_FIELD, 0) + 1
