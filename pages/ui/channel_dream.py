"""The picture that excites one channel most, grown on a click."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.errors import InputError
from pages.ui import caches, components, figures, inside, own_images
from pages.ui.faces import guarded
from pages.ui.i18n import _, translate_error
from pages.ui.inside import Subject

STEPS = 128


def draw(subject: Subject, layer: str, channel: int) -> None:
    """Draws the picture where it is known, else the button that grows it."""
    components.section(_("What it looks for"))
    st.fragment(_panel)(subject, layer, channel)


@guarded
def _panel(subject: Subject, layer: str, channel: int) -> None:
    key, wish = (*subject.target.key, layer, channel), f"bl-dream-{layer}-{channel}"
    wanted = bool(st.session_state.get(wish))
    if not caches.known("channel-dreams", key, entries=64) and not wanted:
        text = _("A picture can be grown from noise, step by step, that excites this channel as strongly as it can.")
        if not own_images.asked(text, _("Grow it"), icon=":material/auto_awesome:", key="bl-dream-go"):
            return
    st.session_state[wish] = True
    try:
        dream = _grown(subject, layer, channel, key, wish)
    except InputError as error:
        st.session_state[wish] = False
        components.note(translate_error(error))
        return
    inside.picture(
        dream[0], most=300, title=_("Grown for channel {n}").format(n=channel), text=dream[1],
        alt=_("Picture grown to excite channel {n} of {layer}").format(n=channel, layer=layer),
    )  # fmt: skip


def _grown(subject: Subject, layer: str, channel: int, key: tuple[Any, ...], wish: str) -> Any:
    def forget() -> None:
        st.session_state[wish] = False

    if caches.known("channel-dreams", key, entries=64):
        return caches.remember("channel-dreams", key, lambda: None, entries=64)
    with own_images.progress(key="bl-dream", cancel=forget) as tell:
        return caches.remember(
            "channel-dreams", key, lambda: _made(subject, layer, channel, lambda done, total: tell(
                _("Growing the picture: step {done} of {total}"), done, total)), entries=64,
        )  # fmt: skip


def _made(subject: Subject, layer: str, channel: int, progress: Any) -> tuple[Any, str]:
    from PIL import Image

    from core.interpret.dream import maximise

    (dream,) = maximise(subject.network, layer, [channel], steps=STEPS, progress=progress)
    text = _("Activation {reached}; pictures of noise reach {noise} at most.").format(
        reached=figures.number(dream.reached), noise=figures.number(dream.noise_most)
    )
    if not dream.excited:
        text += " " + _("So nothing that could be grown excites it.")
    return Image.fromarray(dream.image), text
