"""The logits that one's own network gives one's own picture, under the same sliders."""

from __future__ import annotations

import streamlit as st

from pages.learn import own_network
from pages.learn.scores import bench
from pages.ui.kit import components
from pages.ui.selection.subjects import Subject
from pages.ui.session import caches
from pages.ui.text import number_format
from pages.ui.text.i18n import _

TOP = 6


@own_network.on_subject
def draw(subject: Subject) -> None:
    """Draws the choice of network and picture, and what becomes of the logits."""
    logits = caches.remember("learn-logits", subject.key, lambda: _logits(subject), entries=64)
    names = list(subject.network.classes)
    order = sorted(range(len(names)), key=lambda index: -logits[index])
    left, right = bench.columns()
    with left:
        truth, settings = bench.controls(names, order[0])
        shown = order[:TOP]
        if truth not in shown:
            shown = [*shown[: TOP - 1], truth]
        moved = st.slider(
            _("Move the logit of {name} by").format(name=names[truth]),
            -10.0,
            10.0,
            0.0,
            0.1,
            key="bl-learn-moved",
            help=_("What would the loss be, if the network gave the right class this much more?"),
        )
    with right:
        changed = [value + (moved if index == truth else 0.0) for index, value in enumerate(logits)]
        bench.answer(changed, names, truth, settings, shown)
        if len(names) > len(shown):
            components.note(
                _("The {n} classes with the highest logits of {all}; all of them are in the sums.").format(
                    n=len(shown), all=number_format.exact(len(names))
                )
            )


def _logits(subject: Subject) -> list[float]:
    from core.interpret.forward import ask
    from core.interpret.probe import Probe

    with Probe(subject.network) as probe:
        found: list[float] = ask(probe, subject.network, subject.input())[0].double().tolist()
    return found
