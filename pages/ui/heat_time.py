"""Heatmaps over a training: this picture before it, at the best and last epoch; the pinned ones after each epoch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from core.errors import InputError
from pages.ui import caches, components, faces, figures, heat_map, moment, scrubber, style
from pages.ui.heat_choice import Choice, Look
from pages.ui.i18n import _, translate_error
from pages.ui.inside import Subject
from pages.ui.tiles import Tile, grid


def draw(subject: Subject, choice: Choice, look: Look) -> None:
    """Draws the moments whose weights are kept with the chosen picture, then the scrubber with the pinned ones."""
    run = subject.target.run
    if run is None:
        faces.empty(
            _("No training to look back on"),
            _("A backbone has but one moment. Choose a run above, and see its heatmaps from epoch to epoch."),
            icon="history",
        )
        return
    from core.lab.moments import moments_of

    components.section(
        _("This picture before, at its best, and at the end"),
        _("What did the training change in where it looks? Whole weights are kept of these moments only."),
    )
    wanted = subject.network.classes[choice.target]
    tiles = []
    for name in moments_of(run):
        try:
            tiles.append(_at(subject, run, str(name), choice, wanted, look))
        except InputError as error:
            components.note(f"{_(moment.NAMES[name])}: {translate_error(error)}")
    grid(tiles, size=200)
    heat_map.scale(_Signed(choice.row.signed), look)
    components.section(
        _("After each epoch"), _("Grad-CAM of the run's pinned images for their own class. Drag through the epochs.")
    )
    style.watching()
    scrubber.draw(run, run.status(), key="bl-heat-time")


class _Signed:
    """Says whether a scale has a sign."""

    def __init__(self, signed: bool) -> None:
        self.signed = signed


def _at(subject: Subject, run: Any, name: str, choice: Choice, wanted: str, look: Look) -> Tile:
    from core.interpret.attribution import explain

    target = moment.target_at(run, name)
    key = (*target.key, subject.image.sha256, *choice.key)

    def make() -> Any:
        network = target.network()
        there = replace(subject, target=target, network=network)
        index = network.classes.index(wanted) if wanted in network.classes else None
        with heat_map.progressing(st.empty(), _(moment.NAMES[name]), _back, name) as tell:
            return explain(
                network, there.input(), choice.method, target=index, layer=choice.layer,
                settings=dict(choice.settings), progress=tell,
            )  # fmt: skip

    found = caches.remember("heat-moments", key, make, entries=24)
    share = figures.percent(float(found.probabilities[found.heatmap.target]))
    title = _(moment.NAMES[name])
    drawn = heat_map.over(subject.picture, found.heatmap, look)
    note = _("{name}: {share}").format(name=wanted, share=share)
    return Tile(drawn, title, note, _("{caption}: heat for {name}").format(caption=title, name=wanted))


def _back() -> None:
    from pages.ui import heat_rows

    st.session_state[heat_rows.VIEW] = "one"
