"""The pictures that a person gives: taken in once, kept as a lot that the address names, and forgotten again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from core import settings
from core.errors import Cancelled, InputError
from core.workflows.jobs.leaving.answers import forget
from pages.ui.kit import clicks, components
from pages.ui.kit.page_states import broken
from pages.ui.session import address
from pages.ui.text import number_format
from pages.ui.text.i18n import _, _n, translate_error

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

    from core.workflows.new_images.lots import Lot

LOT = address.Bound("lot", kept="bl.try.lot")
_FIELD, _TRIED, _OTHERS = "bl.try.field", "bl.try.tried", "bl-try-others"


def chosen() -> Lot | None:
    """Returns the pictures that were given; ``None`` where there are none, and says so where they were forgotten."""
    from core.workflows.new_images.lots import open_lot

    asked = LOT.asked()
    if asked is None:
        return None
    try:
        lot = open_lot(asked)
    except InputError as error:
        LOT.choose(None)
        broken(_("These pictures are gone"), translate_error(error), icon="folder_off", tone="warn")
        return None
    address.write(lot=lot.id)
    return lot


def others(lot: Lot) -> bool:
    """Draws the switch for others in their place, and the button that forgets them; returns whether it is on."""
    wanted = st.toggle(_("Give others"), key=_OTHERS)
    if clicks.button(
        _("Forget these"),
        icon=":material/delete:",
        key="bl-try-forget",
        help=_("Deletes the pictures from this machine now; otherwise they go within {n} days.").format(n=_days()),
    ):
        forget(lot.id)
        lot.forget()
        LOT.choose(None)
        st.rerun()
    return wanted


def _days() -> int:
    from core.workflows.new_images.lots import DAYS

    return DAYS


def field(way: str) -> None:
    """Draws the field for files."""
    number, limit = st.session_state.get(_FIELD, 0), settings.upload_limit()
    with st.container(key="bl-try-drop"):
        files = st.file_uploader(
            _("New pictures"),
            key=f"bl-try-{way}-{number}",
            accept_multiple_files="directory" if way == "folder" else True,
            max_upload_size=max(1, int(limit / 1e6)),
            label_visibility="collapsed",
        )
        much = (
            _("A folder with all that is below it.")
            if way == "folder"
            else _("As many pictures as you like, or a zip of them.")
        )
        more = _(
            "Where they lie in folders named after the classes, it is counted how many are right. They stay on this "
            "machine for {n} days at most."
        ).format(n=_days())
        components.note(f"{much} {more}")
    if files:
        _take(files)


def _take(files: Sequence[UploadedFile]) -> None:
    """Takes files in, once; says why where that cannot be done, until others come."""
    from core.data.importing.uploaded import Incoming
    from core.workflows.new_images.lots import take

    asked = tuple(file.file_id for file in files)
    tried: tuple[object, InputError | None] = st.session_state.get(_TRIED, (None, None))
    error = tried[1]
    if tried[0] != asked:
        place = st.empty()
        with place.container(horizontal=True, vertical_alignment="center", key="bl-try-doing"):
            bar = st.progress(0.0, text=_("Taking the pictures in …"), width="stretch")
            st.button(_("Cancel"), icon=":material/close:", key="bl-try-cancel", on_click=_anew)

        def report(done: int, total: int) -> None:
            text = _("Taking the pictures in: {done} of {total}").format(
                done=number_format.exact(done), total=number_format.exact(total)
            )
            bar.progress(min(done / total, 1.0) if total else 0.0, text=text)

        try:
            lot = take([Incoming(file.name, file) for file in files], progress=report)
        except InputError as raised:
            error = raised
            st.session_state[_TRIED] = (asked, error)
        except Cancelled:
            return
        else:
            _anew()
            LOT.choose(lot.id)
            st.rerun()
        finally:
            place.empty()
    if error is not None:
        broken(
            _n("This was not taken", "These were not taken", len(files)),
            translate_error(error),
            kept=_("Nothing of it was kept."),
            icon="upload_file",
            tone="warn",
        )


def _anew() -> None:
    """Begins the field anew."""
    st.session_state[_FIELD] = st.session_state.get(_FIELD, 0) + 1
    st.session_state.pop(_OTHERS, None)
