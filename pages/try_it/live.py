"""The camera, live: about a frame a second is asked about, and the answer stands beside it."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from pages.try_it import limits
from pages.ui.kit import camera, components, style
from pages.ui.kit.page_states import guarded
from pages.ui.selection import subjects
from pages.ui.selection.network_picker import Target
from pages.ui.text import number_format
from pages.ui.text.i18n import _, translate_error

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.models.network import Network

MOST_BYTES = 2_000_000
"""Of a frame."""
TOP = 5
_KEY, _FRAME = "bl-live", "bl.live.frame"
_HTML = """<div class="bl-live off"><div class="stage"><div class="view"><video playsinline muted hidden></video>
<p class="say" role="status"></p></div><button type="button" class="start"></button></div>
<div><p class="word" dir="auto"></p><ol></ol></div></div>"""


def draw(target: Target) -> None:
    """Draws the camera and what a network says of it."""
    st.session_state.pop(_FRAME, None)  # of an earlier visit
    network = subjects.load(target)
    if network is not None:
        st.fragment(_live)(network)


@guarded
def _live(network: Network) -> None:
    limit = limits.slider()
    number, frame = st.session_state.get(_FRAME, (0, b""))
    top: list[tuple[str, float]] = []
    word = ""
    if frame:
        try:
            answer = _answer(network, frame)
        except InputError as error:
            components.note(translate_error(error))
        else:
            order = answer.argsort()[::-1][:TOP]
            top = [(network.classes[place], float(answer[place])) for place in order]
            word = top[0][0] if top[0][1] >= limit else _("I don't know")
    data = {
        "labels": {key: _(text) for key, text in camera.LABELS.items()},
        "side": max(network.preprocessing.resize, network.preprocessing.crop, 64),
        "number": number,
        "word": word,
        "top": [{"name": name, "share": value, "text": number_format.percent(value, 0)} for name, value in top],
    }
    style.send("renewing.css")
    style.component("live", _HTML, camera.SCRIPT + "live.js", "live.css")(data=data, key=_KEY, on_frame_change=_receive)
    components.note(_("About a frame a second goes to this app's machine, is looked at there, and kept nowhere."))


def _answer(network: Network, frame: bytes) -> NDArray[np.float32]:
    from core.data.images import open_image
    from core.evaluation.predictions import predict_images

    found: NDArray[np.float32] = predict_images(network, [open_image(frame, name=_("The camera's picture"))])[0]
    return found


def _receive() -> None:
    """Takes a frame from the browser; what is none counts as an empty one, which is asked for again."""
    sent = getattr(st.session_state.get(_KEY), "frame", None)
    if not isinstance(sent, dict):
        return
    number, text = sent.get("number"), sent.get("data")
    if not isinstance(number, int | float) or not isinstance(text, str) or len(text) > MOST_BYTES:
        return
    try:
        st.session_state[_FRAME] = (int(number), base64.b64decode(text, validate=True))
    except (ValueError, binascii.Error):
        return
