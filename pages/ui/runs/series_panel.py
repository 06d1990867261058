"""A series on the Runs page: what several seeds or folds of one recipe say together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from core.runs.status import LIVE
from core.specs import titles
from pages.ui.kit import components, nav, style
from pages.ui.kit.components import Figure
from pages.ui.kit.page_states import guarded
from pages.ui.session import caches, run_list
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _, _n

if TYPE_CHECKING:
    from core.runs.store import Run
    from core.workflows.remedies import Remedied
    from core.workflows.studies.series import Spread, Summary

SHOWN: dict[str, tuple[str, Callable[[float | None], str]]] = {
    "test_accuracy": (N_("Test accuracy"), number_format.percent),
    "val_accuracy": (N_("Validation accuracy"), number_format.percent),
    "val_balanced_accuracy": (N_("Balanced accuracy"), number_format.percent),
    "val_f1": (N_("F1"), number_format.percent),
    "val_loss": (N_("Validation loss"), number_format.number),
    "seconds": (N_("Time"), number_format.duration),
}
"""What is shown of a series, and how it is written."""
ICONS = {
    "finished": "check_circle",
    "running": "play_circle",
    "starting": "play_circle",
    "queued": "schedule",
    "failed": "error",
    "interrupted": "error",
    "unreadable": "error",
    "paused": "pause_circle",
    "stopped": "stop_circle",
}
"""Of a run's state, before its name."""


def beside(run: Run) -> None:
    """Draws the series of a run on the page that watches it, renewed while runs of it are at work or wait."""
    if not run_list.series_of(run):
        return
    from core.workflows.studies.series import members

    live = any(other.state in LIVE for other in members(run_list.series_of(run)))
    st.fragment(_watched, run_every=3.0 if live else None)(run)


@guarded
def _watched(run: Run) -> None:
    from core.workflows.studies.series import members

    draw(run, members(run_list.series_of(run))[::-1], target="train")


def draw(run: Run, runs: Sequence[Run], *, target: str = "runs") -> None:
    """Draws the series that a run belongs to: mean and standard deviation, and the way to each of its runs.

    Args:
        run: The run that is looked at.
        runs: All runs, the newest first.
        target: Page that the way leads to.
    """
    together = _members(run, runs)
    if not together:
        return
    from core.workflows.studies.members import part_of, varies
    from core.workflows.studies.series import summary

    study = part_of(run_list.series_of(run))
    if study is not None and varies(study):
        nav.link("studies", _("Part of a study: what its settings say together"), study=study.id)
        return

    found = summary(together)
    count = len(found.finished)
    with st.container(border=True, key="bl-series"):
        components.section(
            _("The series"),
            _n(
                "{n} run of one recipe.", "{n} runs of one recipe, with other seeds, folds or remedies.", len(together)
            ).format(n=len(together)),
        )
        leaks = (run.recorded.leaks for run in together)
        if badge := next((badge for badge in map(components.leaky, leaks) if badge), ""):
            st.html(f"<p>{badge}</p>")
        compared = _remedies(together)
        if found.metrics and not compared:
            components.metrics([_figure(name, found.metrics[name]) for name in SHOWN if name in found.metrics])
            text = _n("Mean over {n} finished run.", "Mean ± standard deviation over {n} finished runs.", count)
            components.note(text.format(n=count) + _rest(found))
        elif not compared:
            components.note(_("Its figures are drawn here once a run of it has finished.") + _rest(found))
        if study is not None:
            nav.link("studies", _("The series as a study: intervals, charts, more seeds"), study=study.id)
        with st.container(horizontal=True, key="bl-series-runs"):
            for other in together:
                icon = f":material/{ICONS.get(other.state, 'science')}:"
                nav.link(target, components.plain(_label(other)), icon=icon, run=other.id)


def _remedies(together: Sequence[Run]) -> bool:
    """Draws what each remedy did for the rarest class; returns whether the runs differ in their remedy."""
    from core.workflows.remedies import remedy_of, table

    if len({remedy_of(caches.experiment(run)) for run in together}) < 2:
        return False
    rows = table(together)
    if not rows:
        components.note(_("The recall of the rarest class under each remedy is drawn here once a run has finished."))
        return True
    caption = _("The rarest class: {name}").format(name=rows[0].rarest)
    first, columns = rows[0], (_("its recall"), _("balanced accuracy"), _("accuracy"))
    head = "".join(f'<th scope="col">{escape(title)}</th>' for title in (_("Remedy"), *columns))
    body = "".join(
        f'<tr><th scope="row">{escape(_(titles.REMEDIES[row.remedy]))}</th>'
        + "".join(f"<td>{_with_interval(row, name)}</td>" for name in ("recall", "balanced_accuracy", "accuracy"))
        + "</tr>"
        for row in rows
    )
    style.send("watching.css")
    st.html(
        f'<div class="bl-scroll"><table class="bl-stages"><caption>{escape(caption)}'
        f"</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )
    held = _("test") if first.split == "test" else _("validation")
    components.note(
        _n(
            "{n} image of it was learned from, {judged} of the {split} images judge it. In brackets 95 %\u00a0"
            "intervals: where they overlap, the runs do not say which remedy is better.",
            "{n} images of it were learned from, {judged} of the {split} images judge it. In brackets 95 %\u00a0"
            "intervals: where they overlap, the runs do not say which remedy is better.",
            first.learned,
        ).format(n=first.learned, judged=first.judged, split=held),
        term="recall",
    )
    return True


def _with_interval(row: Remedied, name: str) -> str:
    low, high = (number_format.percent(end) for end in row.intervals[name])
    return escape(f"{number_format.percent(row.figures[name])} ({low} – {high})")


def _label(run: Run) -> str:
    """Returns a run's name, with its test accuracy where it has one."""
    accuracy = run.status().test_accuracy
    return run.name if accuracy is None else f"{run.name} · {number_format.percent(accuracy)}"


def _members(run: Run, runs: Sequence[Run]) -> list[Run]:
    """Returns the runs of the same series, the oldest first; none where the run is of no series."""
    name = run_list.series_of(run)
    return [other for other in reversed(runs) if run_list.series_of(other) == name] if name else []


def _figure(name: str, spread: Spread) -> Figure:
    title, written = SHOWN[name]
    each = ", ".join(written(value) for value in spread.values)
    around = "" if spread.deviation is None else f"± {written(spread.deviation)}"
    return Figure(_(title), written(spread.mean), around, exact=each)


def _rest(found: Summary) -> str:
    """Says how many runs of the series do not count, with a space before."""
    text = ""
    if found.live:
        text += " " + _n("{n} is still at work or waits.", "{n} are still at work or wait.", len(found.live)).format(
            n=len(found.live)
        )
    if found.left_out:
        text += " " + _n(
            "{n} ended without finishing and does not count.",
            "{n} ended without finishing and do not count.",
            len(found.left_out),
        ).format(n=len(found.left_out))
    return text
