"""A slider that scales one channel while the probabilities move."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from pages.ui.kit import components
from pages.ui.kit.page_states import guarded
from pages.ui.selection import subjects
from pages.ui.selection.subjects import Subject
from pages.ui.session import caches
from pages.ui.text import number_format
from pages.ui.text.i18n import _, translate_error

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.interpret.features.channel_ablation import ChannelScaler

TOP = 5


def draw(subject: Subject, layer: str, channel: int) -> None:
    """Draws the slider and the probabilities; moving it draws nothing else anew."""
    components.section(_("What if it were off, or stronger?"))
    st.fragment(_panel)(subject, layer, channel)


@guarded
def _panel(subject: Subject, layer: str, channel: int) -> None:
    before = subject.probabilities()
    if not subjects.answered(before):
        components.note(subjects.no_answer())
        return
    percent = st.slider(
        _("Scale of channel {n}").format(n=channel),
        0,
        400,
        100,
        10,
        format="%d %%",
        key=f"bl-dial-{layer}-{channel}",
        help=_(
            "Every value of this channel is multiplied by this before the next layer reads it: 0 %\u00a0switches it "
            "off, 100 %\u00a0leaves it as it is."
        ),
    )
    try:
        after = before if percent == 100 else turned(subject, layer, channel, percent / 100)
    except InputError as error:
        components.note(translate_error(error))
        return
    classes = subject.network.classes
    order = [int(index) for index in after.argsort()[::-1][:TOP]]
    own = int(before.argmax())
    if own not in order:
        order.append(own)
    components.probabilities([(classes[index], float(after[index])) for index in order], marked=classes[own])
    components.note(_words(classes, before, after, own, percent))


def turned(subject: Subject, layer: str, channel: int, factor: float) -> NDArray[np.float32]:
    """Returns the probabilities with a channel multiplied; each factor is worked out once."""
    dial = caches.remember("dials", (*subject.key, layer), lambda: _dial(subject, layer), entries=2)
    return caches.remember(
        "turned", (*subject.key, layer, channel, factor), lambda: dial.scale({channel: factor}), entries=256
    )


def _dial(subject: Subject, layer: str) -> ChannelScaler:
    from core.interpret.features import channel_ablation

    return channel_ablation.ChannelScaler(subject.network, subject.input(), layer)


def _words(
    classes: Sequence[str], before: NDArray[np.float32], after: NDArray[np.float32], own: int, percent: int
) -> str:
    if percent == 100:
        return _("As it is. Move the slider to see what depends on this channel.")
    first, now = float(before[own]), float(after[own])
    now_first = int(after.argmax())
    if now_first != own:
        return _("The prediction changes from {old} to {new}: {share} instead of {before} for {old}.").format(
            old=classes[own],
            new=classes[now_first],
            share=number_format.percent(now),
            before=number_format.percent(first),
        )
    points = 100 * (now - first)
    if abs(points) < 0.05:
        return _("Nothing moves: for this picture the prediction does not depend on this channel.")
    return _("{name} goes from {before} to {now} ({points} percentage points).").format(
        name=classes[own],
        before=number_format.percent(first),
        now=number_format.percent(now),
        points=f"{points:+.1f}".replace("-", "−"),
    )
