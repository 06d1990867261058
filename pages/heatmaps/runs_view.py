"""Heatmaps of one picture through several runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from core.messages import Progress
from pages.heatmaps import single_map
from pages.ui.explaining import map_grid
from pages.ui.explaining.choice import Choice, Look
from pages.ui.explaining.drawing import named
from pages.ui.explaining.map_grid import Cell
from pages.ui.kit import components, page_states
from pages.ui.selection import network_picker
from pages.ui.selection.subjects import Subject
from pages.ui.session import address, run_list
from pages.ui.text import number_format
from pages.ui.text.i18n import _, _n, translate_error

if TYPE_CHECKING:
    from PIL import Image

    from core.interpret.attribution.heatmap import Explanation
    from core.runs.store import Run

MAX_RUNS = 12
TOP = 3
RUNS = address.Bound("runs", kept="bl.heat.runs")
_KEY = "bl-heat-runs"


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
    asked = [id_ for id_ in (RUNS.asked() or "").split(",") if id_ in there][:MAX_RUNS]
    st.session_state[_KEY] = asked or usual
    chosen = st.multiselect(
        _("Runs"),
        list(there),
        key=_KEY,
        format_func=lambda id_: labels[id_],
        max_selections=MAX_RUNS,
        on_change=lambda: RUNS.choose(",".join(st.session_state[_KEY]) or None),
    )
    with place:
        cells, said = [], Counter[str]()
        for id_ in chosen:
            try:
                cell, name = _through(subject, there[id_], labels[id_], choice)
            except InputError as error:
                components.note(f"{labels[id_]}: {translate_error(error)}")
                continue
            cells.append(cell)
            said[name] += 1
        _agreement(said)
        map_grid.draw(cells, look, usual="probability" if choice.against is None else "own")
        components.note(
            _(
                "Runs may give the same answer for different reasons. Each is asked about the chosen class, if it "
                "knows it."
            )
        )


def _agreement(said: Counter[str]) -> None:
    """Says in one line what the runs call the picture."""
    count = said.total()
    parts = [_("{name}: {n} of {total}").format(name=name, n=n, total=count) for name, n in said.most_common()]
    if len(said) == 1:
        components.note(
            _n("The run says {name}.", "All {n} runs say {name}.", count).format(n=count, name=next(iter(said)))
        )
    elif said:
        components.note(_("The runs do not agree. {answers}").format(answers=" · ".join(parts)))


def _through(subject: Subject, run: Run, label: str, choice: Choice) -> tuple[Cell, str]:
    """Returns the picture's map through a run, and what the run calls it.

    The map is for the chosen class if the run knows that, else for what it says.
    """
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
    name = named(known, found.heatmap)
    probability = float(found.probabilities[found.heatmap.target])
    order = found.probabilities.argsort()[::-1][:TOP]
    answer = ", ".join(f"{known[at]} {number_format.percent(float(found.probabilities[at]), 0)}" for at in order)
    note = (
        answer
        if found.heatmap.target == found.predicted
        else _("{answer}; heat for {name}").format(answer=answer, name=name)
    )
    if wanted not in known:
        note = _("does not know {name}; says {answer}").format(name=wanted, answer=answer)
    alt = _("{run}: heat for {name}").format(run=label, name=name)
    return Cell(found.heatmap, probability, picture, label, note, alt), known[found.predicted]
