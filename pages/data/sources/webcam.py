"""A burst of pictures of each class from the person's camera: ten a second while a button is held."""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Sequence
from typing import Any

import streamlit as st

from core import settings
from core.errors import InputError
from core.specs import DataSpec
from pages.data.sources import classes_form
from pages.data.sources.taking_in import make_classes, refused
from pages.ui.kit import camera, components
from pages.ui.kit.style import component
from pages.ui.text.i18n import N_, _

MOST_CLASSES, MOST_PICTURES = 20, 600
_KEY = "bl-webcam"
_LOT, _COUNT, _FRAMES, _GOT, _DONE = (
    "bl.webcam.lot",
    "bl.webcam.count",
    "bl.webcam.frames",
    "bl.webcam.got",
    "bl.webcam.done",
)
_HTML = """<div class="bl-webcam"><div class="stage"><div class="view"><video playsinline muted hidden></video>
<p class="say" role="status"></p></div><button type="button" class="start"></button></div>
<div><div class="classes"></div><div class="do"><button type="button" class="send"></button><progress hidden></progress>
</div></div></div>"""
_LABELS = {
    **camera.LABELS,
    "hold": N_("Hold to record"),
    "last": N_("Delete the last"),
    "count": N_("Pictures: {n}"),
    "send": N_("Make a data source"),
    "few": N_("Record pictures of at least two classes."),
}


def draw(known: DataSpec | None) -> str | None:  # noqa: ARG001 - as all sources are drawn
    """Draws the camera and its classes; the source that is made is chosen among the uploads."""
    lot, count = st.session_state.get(_LOT, 0), st.session_state.get(_COUNT, classes_form.LEAST)
    with st.container(horizontal=True, vertical_alignment="bottom", key="bl-webcam-names"):
        name = classes_form.name_field(f"bl-webcam-name-{lot}", 200)
        classes = [
            st.text_input(
                _("Class {n}").format(n=place + 1), key=f"bl-webcam-class-{lot}-{place}", max_chars=100, width=180
            ).strip()
            for place in range(count)
        ]
        classes_form.another_class("bl-webcam-more", _COUNT, MOST_CLASSES)
    shown = [given or _("Class {n}").format(n=place) for place, given in enumerate(classes, 1)]
    done = st.session_state.pop(_DONE, None)
    data = {
        "classes": shown,
        "labels": {key: _(text) for key, text in _LABELS.items()},
        "lot": lot,
        "got": st.session_state.get(_GOT, 0),
        "most": MOST_PICTURES,
        "refused": done is not None,
    }
    component("webcam", _HTML, camera.SCRIPT + "webcam.js", "webcam.css")(data=data, key=_KEY, on_batch_change=_receive)
    components.note(_("Ten pictures a second. They stay in this browser until you make a data source of them."))
    if isinstance(done, InputError):
        refused(done)
    elif done:
        taken = [_of(st.session_state.get(_FRAMES, []), place) for place in range(count)]
        st.session_state.pop(_FRAMES, None)
        cards = [(title if files else given, files) for title, given, files in zip(shown, classes, taken, strict=True)]
        make_classes(cards, name, key=_KEY, done=_renew)
    return None


def _of(frames: Sequence[tuple[int, bytes]], place: int) -> list[tuple[str, io.BytesIO]]:
    """Returns the pictures of a class as files."""
    found = [file for which, file in frames if which == place]
    return [(f"{number:04d}.jpg", io.BytesIO(file)) for number, file in enumerate(found)]


def _renew() -> None:
    classes_form.renew(_LOT, _COUNT)


def _batch() -> object:
    return getattr(st.session_state.get(_KEY), "batch", None)


def _receive() -> None:
    """Takes a batch from the browser; a first one begins anew, and what is no batch is refused."""
    batch = _batch()
    if not isinstance(batch, dict):
        return
    number = batch.get("number")
    if number == 1:
        st.session_state[_FRAMES] = []
    try:
        frames: list[tuple[int, bytes]] = st.session_state.get(_FRAMES, [])
        frames += _decoded(batch.get("frames"))
        if sum(len(data) for _place, data in frames) > settings.upload_limit():
            raise InputError(
                "The pictures have more than {limit} MB together. Record fewer.",
                limit=round(settings.upload_limit() / 1e6),
            )
        st.session_state[_FRAMES], st.session_state[_GOT] = frames, number
        if batch.get("last"):
            st.session_state[_DONE] = True
    except InputError as error:
        st.session_state.pop(_FRAMES, None)
        st.session_state[_DONE] = error


def _decoded(frames: Any) -> list[tuple[int, bytes]]:  # noqa: ANN401 - whatever a browser sent
    """Returns pairs of a class's place and a file's bytes."""
    try:
        found = [(int(place), base64.b64decode(text, validate=True)) for place, text in frames]
    except (TypeError, ValueError, binascii.Error) as error:
        raise InputError("What the camera sent could not be read. Record the pictures again.") from error
    if not all(0 <= place < MOST_CLASSES for place, _data in found):
        raise InputError("What the camera sent could not be read. Record the pictures again.")
    return found
