"""Heatmaps over a training: this picture at each moment whose weights are kept; the pinned ones after each epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from core.messages import Progress
from pages.heatmaps import single_map
from pages.ui.explaining import map_grid
from pages.ui.explaining.choice import Choice, Look
from pages.ui.explaining.map_grid import Cell
from pages.ui.kit import charts, components, nav, page_states, style
from pages.ui.runs import epoch_scrubber
from pages.ui.selection import checkpoint_picker
from pages.ui.selection.subjects import Subject
from pages.ui.session import caches
from pages.ui.text import number_format
from pages.ui.text.i18n import _, translate_error

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.interpret.attribution.heatmap import Explanation
    from core.runs.store import Run

MAX_EPOCHS, MIN_EPOCHS = 12, 3
"""Moments that are drawn: as many as a method has time for."""


def draw(subject: Subject, choice: Choice, look: Look) -> None:
    """Draws the chosen picture at the moments whose weights are kept, then the pinned ones after each epoch."""
    run = subject.target.run
    if run is None:
        page_states.empty(
            _("No training to look back on"),
            _("A backbone has but one moment. Choose a run above, and see its heatmaps from epoch to epoch."),
            icon="history",
        )
        return
    _this_picture(subject, run, choice, look)
    components.section(
        _("After each epoch"), _("Grad-CAM of the run's pinned images for their own class. Drag through the epochs.")
    )
    style.send("watching.css")
    epoch_scrubber.draw(run, run.status(), key="bl-heat-time", parts=("heat",))
    with st.container(horizontal=True):
        nav.link("feature_maps", _("Their feature maps after each epoch"), run=run.id, view="epochs")
        nav.link("filters", _("The filters after each epoch"), run=run.id, view="epochs")


def _this_picture(subject: Subject, run: Run, choice: Choice, look: Look) -> None:
    """Draws this picture's map at each moment, and how the answer and the map came about."""
    moments = _moments(
        run, max(MIN_EPOCHS, min(MAX_EPOCHS, int(single_map.ASKED / max(single_map.seconds(subject, choice), 1e-3))))
    )
    wanted = subject.network.classes[choice.target]
    cells, found = [], []
    for epoch, name in moments:
        try:
            explained = _at(subject, run, name, choice, wanted)
        except InputError as error:
            components.note(f"{checkpoint_picker.title(name)}: {translate_error(error)}")
            continue
        found.append((epoch, explained))
        cells.append(_cell(subject, explained, wanted, _called(epoch, name)))
    size = 150 if len(cells) > MIN_EPOCHS else map_grid.MAP_PX
    map_grid.draw(cells, look, meaning="" if choice.against is None else "plain", size=size)
    kept_too = any(name.isdigit() for _epoch, name in moments)
    components.note(
        _("The network's weights at each moment draw their own map. To look closer at one, choose it at the top.")
        if kept_too
        else _("This run kept its weights before training, at its best and at its end only.")
    )
    _course(found, wanted, subject.network.classes)


def _moments(run: Run, most: int) -> list[tuple[int, str]]:
    """Returns the moments to draw, each with its epoch (0 before training), evenly spread where there are many."""
    from core.workflows.checkpoints import epochs_of, named_checkpoints

    status, named = run.status(), named_checkpoints(run)
    done = [int(value) for value in caches.journal(run).epochs.column("epoch").tolist()]
    best = status.best_epoch
    at = {0: "start"}
    at |= {epoch: str(epoch) for epoch in epochs_of(run)}
    if "last" in named and done:
        at[done[-1]] = "last"
    if "best" in named and best:
        at[int(best)] = "best"
    there = sorted(at)
    if len(there) > most:
        shown = {there[round(index * (len(there) - 1) / (most - 1))] for index in range(most)}
        there = sorted(shown | ({int(best)} if best in at else set()))
    return [(epoch, at[epoch]) for epoch in there]


def _called(epoch: int, name: str) -> str:
    """Returns what a moment is called under its picture."""
    if name == "best":
        return _("Epoch {n}, the best").format(n=epoch)
    if name == "last":
        return _("Epoch {n}, the last").format(n=epoch)
    return checkpoint_picker.title(name)


def _at(subject: Subject, run: Run, name: str, choice: Choice, wanted: str) -> Explanation:
    """Returns the explanation of the picture by the network at a moment, made once."""
    from core.interpret.attribution.explain import explain

    target = checkpoint_picker.target_at(run, name)
    key = (*target.key, subject.image.sha256, *choice.key)

    def make(report: Progress) -> Explanation:
        network = target.network()
        there = replace(subject, target=target, network=network)
        index = network.classes.index(wanted) if wanted in network.classes else None
        return explain(
            network, there.input(), choice.method, target=index, against=choice.against, progress=report, **choice.ways
        )

    return single_map.made_slowly(checkpoint_picker.title(name), "heat-moments", key, make, entries=6 * MAX_EPOCHS)


def _cell(subject: Subject, found: Explanation, wanted: str, title: str) -> Cell:
    heat, probability = found.heatmap, float(found.probabilities[found.heatmap.target])
    note = _("{name}: {share}").format(name=wanted, share=number_format.percent(probability))
    alt = _("{caption}: heat for {name}").format(caption=title, name=wanted)
    return Cell(heat, probability if heat.against is None else 1.0, subject.picture, title, note, alt)


def _course(found: Sequence[tuple[int, Explanation]], wanted: str, classes: Sequence[str]) -> None:
    """Draws what the network said of the picture over the epochs, and how like its last map each map was."""
    if len(found) < MIN_EPOCHS:
        return
    epochs = [epoch for epoch, _found in found]
    per_epoch = [float(one.probabilities[classes.index(wanted)]) for _epoch, one in found]
    like = [_likeness(one.heatmap.values, found[-1][1].heatmap.values) for _epoch, one in found]
    chart = charts.figure(240)
    lines = {_("Probability of {name}").format(name=wanted): per_epoch, _("Likeness of the map to the last one"): like}
    for (name, values), colour in zip(lines.items(), charts.OTHERS, strict=False):
        chart.add_scatter(
            x=epochs,
            y=values,
            mode="lines+markers",
            name=name,
            line={"color": colour},
            hovertemplate="%{y:.2f}<extra>" + name + "</extra>",
        )
    chart.update_xaxes(title_text=_("Epoch (0: before training)"), rangemode="tozero", **charts.whole_ticks(epochs[-1]))
    chart.update_yaxes(rangemode="tozero")
    text = _(
        "{name}: {first} before training, {last} in the end. The likeness is the rank correlation of two maps: 1 where "
        "they point out the same places in the same order, 0 where they have nothing in common."
    ).format(name=wanted, first=number_format.percent(per_epoch[0]), last=number_format.percent(per_epoch[-1]))
    charts.show(chart, key="bl-heat-course", alt=text)


def _likeness(first: NDArray[np.float32], second: NDArray[np.float32]) -> float | None:
    """Returns the rank correlation of two maps; ``None`` where one of them is flat."""
    from core.interpret.explanation_metrics.baselines import rank_correlation

    if first.shape != second.shape or first.max() == first.min() or second.max() == second.min():
        return None
    return rank_correlation(first, second)
