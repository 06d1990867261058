"""Uneven classes of one's own: counts, what always naming the commonest reaches, and what a run finds of the rarest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import streamlit as st

from pages.learn import own_network
from pages.ui.kit import charts, components, nav
from pages.ui.kit.components import Figure
from pages.ui.kit.page_states import guarded
from pages.ui.session import choices
from pages.ui.text import number_format
from pages.ui.text.i18n import _, _n

if TYPE_CHECKING:
    from core.runs.store import Run
    from core.workflows.evaluate import Evaluation

MOST_CLASSES = 12
"""Classes of the table, the rarest first."""


@guarded
def draw() -> None:
    """Draws the person's own classes: those of the chosen run, else of the chosen pictures."""
    run = choices.run()
    experiment = choices.run_experiment() if run is not None else None
    spec = experiment.data if experiment is not None else choices.data()
    dataset = own_network.divided(
        spec,
        shown=_("Counts, the accuracy of always naming the commonest class, and recalls of a run would stand here."),
        icon="scatter_plot",
    )
    if dataset is None:
        return
    judged = None if run is None else _judged(run)
    counts = {name: sum(split[name] for split in dataset.counts().values()) for name in dataset.classes}
    _figures(counts, judged)
    charts.show(
        charts.class_bars(dataset.counts()),
        key="bl-learn-own-classes",
        alt=_n(
            "Pictures of each of {n} class, by split", "Pictures of each of {n} classes, by split", len(counts)
        ).format(n=len(counts)),
    )
    if judged is not None:
        _table(judged, counts)
    elif run is None:
        nav.link("runs", _("Choose a run to see its recall of each class"))
    else:
        nav.link("evaluate", _("This run has left no answers; judge it on the page Evaluate"), run=run.id)


def _judged(run: Run) -> Evaluation | None:
    """Returns what a run answered on its test pictures, else on its validation pictures; ``None`` before it did."""
    from core.workflows.evaluate import recorded

    found = recorded(run)
    return found.get("test") or found.get("val")


def _figures(counts: Mapping[str, int], judged: Evaluation | None) -> None:
    images = sum(counts.values())
    common, rare = max(counts, key=lambda name: counts[name]), min(counts, key=lambda name: counts[name])
    figures = [
        Figure(
            _("Always naming {name}").format(name=common),
            number_format.percent(counts[common] / images if images else None),
            _("right, of all {n} pictures").format(n=number_format.exact(images)),
        ),
        Figure(
            _("The commonest over the rarest"),
            number_format.number(counts[common] / counts[rare]) if counts[rare] else number_format.DASH,
            _("{common} pictures to {rare}").format(
                common=number_format.exact(counts[common]), rare=number_format.exact(counts[rare])
            ),
        ),
    ]
    if judged is not None:
        scores = judged.scores
        figures += [
            Figure(
                _("Accuracy of the run"),
                number_format.percent(scores.accuracy),
                _("always naming the commonest: {p}").format(p=number_format.percent(scores.baseline)),
            ),
            Figure(
                _("Balanced accuracy"),
                number_format.percent(scores.balanced_accuracy),
                _("always naming one: {p}").format(
                    p=number_format.percent(1 / max(1, sum(one.support > 0 for one in scores.per_class)))
                ),
            ),
        ]
    components.metrics(figures, compact=True)
    if len(set(counts.values())) == 1:
        components.note(_("All classes have as many pictures: nothing is hidden here."))


def _table(judged: Evaluation, counts: Mapping[str, int]) -> None:
    heads = (_("Class, the rarest first"), _("Pictures"), _("Judged"), _("Precision"), _("Recall"))
    head = "".join(f"<th>{word}</th>" for word in heads)
    rows = sorted(judged.scores.per_class, key=lambda one: counts.get(one.name, 0))
    body = "".join(
        f"<tr><td>{charts.text(one.name)}</td><td><bdi>{number_format.exact(counts.get(one.name, 0))}</bdi></td>"
        f"<td><bdi>{number_format.exact(one.support)}</bdi></td>"
        f"<td><bdi>{number_format.percent(one.precision)}</bdi></td>"
        f"<td><bdi>{number_format.percent(one.recall) if one.support else number_format.DASH}</bdi></td></tr>"
        for one in rows[:MOST_CLASSES]
    )
    st.html(f'<table class="bl-ladder bl-even"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>')
    if len(rows) > MOST_CLASSES:
        components.note(_("The {n} rarest of {all} classes.").format(n=MOST_CLASSES, all=len(rows)))
