"""Heatmaps of one picture through several runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from core.messages import Progress
from pages.heatmaps import map_grid, single_map
from pages.heatmaps.controls import Choice, Look
from pages.heatmaps.map_grid import Cell
from pages.ui.kit import components, page_states
from pages.ui.selection import network_picker
from pages.ui.selection.subjects import Subject
from pages.ui.session import run_list
from pages.ui.text import number_format
from pages.ui.text.i18n import _, translate_error

if TYPE_CHECKING:
    from PIL import Image

    from core.interpret.attribution.heatmap import Explanation
    from core.runs.store import Run

MAX_RUNS = 4


def draw(subject: Subject, choice: Choice, look: Look) -> None:
    """Draws the same picture through several runs."""
    there = {run.id: run for run in network_picker.runs_with_weights()}
    labels = run_list.labels(list(there.values()))
    if len(there) < 2:
        page_states.empty(
            _("Not enough runs"),
            _("With two runs or more their heatmaps are shown side by side here."),
            icon="difference",
            action=_("Train another"),
            target="train",
        )
        return
    place = st.container()
    own = subject.target.run.id if subject.target.run is not None else None
    usual = list(dict.fromkeys([*([own] if own in there else []), *there]))[:3]
    chosen = st.multiselect(
        _("Runs"),
        list(there),
        default=usual,
        key="bl-heat-runs",
        format_func=lambda id_: labels[id_],
        max_selections=MAX_RUNS,
        persist_state="session",
    )
    with place:
        cells = []
        for id_ in chosen:
            try:
                cells.append(_through(subject, there[id_], labels[id_], choice))
            except InputError as error:
                components.note(f"{labels[id_]}: {translate_error(error)}")
        map_grid.draw(cells, look, usual="probability" if choice.against is None else "own")
        components.note(
            _(
                "Runs may give the same answer for different reasons. Each is asked about the chosen class, if it "
                "knows it."
            )
        )


def _through(subject: Subject, run: Run, label: str, choice: Choice) -> Cell:
    """Returns the picture's map through a run: for the chosen class if it knows that, else for what it says."""
    from core.data.images import fit, open_image, to_tensor
    from core.interpret.attribution.explain import explain

    target, names = network_picker.target_of(run), subject.network.classes
    wanted = names[choice.target]
    other = None if choice.against is None else names[choice.against]
    key = (*target.key, subject.image.sha256, choice.method, wanted, other, choice.settings)

    def make(report: Progress) -> tuple[Image.Image, Sequence[str], Explanation]:
        network = target.network()
        opened = open_image(subject.image.data, name=subject.image.name)
        index = {name: place for place, name in enumerate(network.classes)}
        found = explain(
            network,
            to_tensor(opened, network.preprocessing),
            choice.method,
            target=index.get(wanted),
            against=None if other is None or wanted not in index else index.get(other),
            settings=dict(choice.settings),
            progress=report,
        )
        return fit(opened, network.preprocessing), network.classes, found

    picture, known, found = single_map.made_slowly(label, "heat-runs", key, make, entries=24)
    name = single_map.named(known, found.heatmap)
    probability = float(found.probabilities[found.heatmap.target])
    note = f"{name} · {number_format.percent(probability)}"
    if wanted not in known:
        note = _("does not know {name}; says {answer}").format(name=wanted, answer=note)
    alt = _("{run}: heat for {name}").format(run=label, name=name)
    return Cell(found.heatmap, probability, picture, label, note, alt)
