"""What the network says of the picture, and whether its map can be trusted: beside one map, or above many."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from core.data.encoding import compact
from pages.ui.explaining.choice import Choice
from pages.ui.kit import components
from pages.ui.kit.tiles import data_uri
from pages.ui.selection import subjects
from pages.ui.selection.subjects import Subject
from pages.ui.text import number_format
from pages.ui.text.i18n import _

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TOP = 3
THUMBNAIL_PX = 84


def beside(
    subject: Subject, probabilities: NDArray[np.float32], choice: Choice, see_classes: Callable[[], None]
) -> None:
    """Draws the most probable classes, and what the picture truly shows where that is known.

    Args:
        subject: What is looked at.
        probabilities: The network's answer.
        choice: What is drawn.
        see_classes: Shows the evidence for each class.
    """
    classes = subject.network.classes
    order = [int(index) for index in probabilities.argsort()[::-1][:TOP]]
    rows = [(classes[index], float(probabilities[index])) for index in order]
    if choice.target not in order:
        rows.append((classes[choice.target], float(probabilities[choice.target])))
    components.section(_("What it says"))
    components.probabilities(rows, marked=classes[choice.target])
    judged = _judged(subject, classes[order[0]])
    if judged is None:
        return
    truth, right = judged
    text = _("Right: its class is {name}.") if right else _("Wrong: its class is {name}.")
    subjects.callout(text.format(name=truth), icon="check_circle" if right else "cancel", good=right)
    if not right and truth in classes:
        st.button(
            _("Compare with the evidence for {name}").format(name=components.plain(truth)),
            icon=":material/compare:",
            key="bl-heat-true",
            on_click=see_classes,
        )


def above(subject: Subject, probabilities: NDArray[np.float32]) -> None:
    """Draws the picture small, with the class that the network says and whether it is right."""
    best = int(probabilities.argmax())
    name, share = subject.network.classes[best], number_format.percent(float(probabilities[best]))
    judged = _judged(subject, name)
    below = _("predicted")
    if judged is not None:
        below = _("right") if judged[1] else _("wrong: its class is {name}").format(name=judged[0])
    alt = _("The chosen picture, cropped as the network sees it")
    st.html(
        f'<figure class="bl-answer"><img src="{data_uri(compact(subject.picture, 2 * THUMBNAIL_PX))}" '
        f'alt="{escape(alt)}" width="{THUMBNAIL_PX}"><figcaption><b><bdi>{escape(name)}</bdi> {escape(share)}</b>'
        f"<span>{escape(below)}</span></figcaption></figure>",
        width="content",
    )


def _judged(subject: Subject, predicted: str) -> tuple[str, bool] | None:
    """Returns the picture's class and whether that is what was said; ``None`` where nobody knows."""
    truth = subject.image.truth
    return None if truth is None or subject.target.run is None else (truth, truth == predicted)
