"""The table of all runs: a row a run, or a series; what tells runs apart is seen without scrolling."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from statistics import fmean
from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError, RunMissing
from core.runs.status import LIVE
from pages.ui.kit import components
from pages.ui.kit.page_states import guarded
from pages.ui.runs import run_panel
from pages.ui.session import caches, choices, run_list
from pages.ui.text import augmentation_words, display_names, glossary, number_format
from pages.ui.text.i18n import _, _n, translate_error

if TYPE_CHECKING:
    from streamlit.elements.lib.column_types import ColumnConfig

    from core.runs.store import Run
    from core.specs import Experiment

LISTED = 5
"""Most runs of which it is said what cannot be read."""
ROW_PX, TALLEST_PX = 38, 460


@dataclass(frozen=True, slots=True)
class Row:
    """What the table shows of a run, or of a series; shares are percent."""

    ids: tuple[str, ...]
    name: str
    state: str
    test: float | None
    validation: float | None
    curve: Sequence[float]
    recipe: str
    augmentation: str
    backbone: str
    started: datetime | None
    data: str
    learned: str
    time: float
    fault: str = ""
    leaky: str = ""

    @property
    def duration(self) -> str:
        """How long it took."""
        return number_format.duration(self.time) if self.time else number_format.DASH


@guarded
def draw(was_alive: bool) -> None:
    """Draws the table, and chooses the run whose row is clicked; as a fragment it renews itself."""
    import pandas as pd

    runs = run_list.listed()
    if was_alive and not any(run.state in LIVE for run in runs):
        st.rerun()
    rows = _rows(runs)
    if not rows:
        return
    columns = _columns(rows)
    if not any(row.leaky for row in rows):
        del columns["leaky"]
    event = st.dataframe(
        pd.DataFrame(
            {name: [getattr(row, name) for row in rows] for name in columns}, index=[row.ids[0] for row in rows]
        ),
        hide_index=True,
        key="bl-runs",
        on_select="rerun",
        selection_mode="single-row",
        height=min(ROW_PX * (len(rows) + 1) + 2, TALLEST_PX),
        row_height=ROW_PX,
        placeholder=number_format.DASH,
        alt=_("Table of all runs with state, accuracies, recipe, augmentation, backbone and when they were started."),
        column_config=columns,
    )
    components.note(
        _n(
            "{n} run. Choose its row to open, rename, download or delete it.",
            "{n} runs, the newest first. Choose a row to open, rename, download or delete it.",
            len(runs),
        ).format(n=len(runs))
    )
    for row in [row for row in rows if row.fault][:LISTED]:
        components.note(f"{row.name}: {row.fault}")
    picked = event["selection"]["rows"]
    if picked and picked[0] < len(rows) and choices.run_id() not in rows[picked[0]].ids:
        choices.choose_run(rows[picked[0]].ids[0])
        st.rerun()


def _columns(rows: Sequence[Row]) -> dict[str, ColumnConfig]:
    config = st.column_config
    lowest = min((value for row in rows for value in row.curve), default=0.0)
    return {
        "name": config.TextColumn(_("Run"), width=215),
        "state": config.TextColumn(_("State"), width=85),
        "test": config.NumberColumn(_("Test"), width=68, format="%.1f %%", help=_("Test accuracy.")),
        "validation": config.NumberColumn(
            _("Validation"), width=82, format="%.1f %%", help=_("Best validation accuracy.")
        ),
        "leaky": config.TextColumn(
            _("Leak"),
            width=70,
            help=_("Leaky: copies of the same picture stand in more than one split, so the accuracy flatters the run."),
        ),
        "curve": config.LineChartColumn(
            _("Curve"),
            width=76,
            y_min=lowest,
            y_max=1,
            help=_("Validation accuracy by epoch; all on one scale, which begins at the lowest value of all."),
        ),
        "recipe": config.TextColumn(_("Recipe"), width=110),
        "augmentation": config.TextColumn(_("Augmentation"), width=98, help=glossary.explain("augmentation")),
        "backbone": config.TextColumn(_("Backbone"), width=125),
        "started": config.DatetimeColumn(_("Started"), width=110, format="D MMM, HH:mm"),
        "data": config.TextColumn(_("Data"), width=110),
        "learned": config.TextColumn(_("Learned"), width=75, help=_("Parameters that learned in the kept weights.")),
        "duration": config.TextColumn(_("Time"), width=85),
    }


def _rows(runs: Sequence[Run]) -> list[Row]:
    """Returns a row a run, the newest first; the runs of a series share the row of their newest."""
    labels, groups = run_list.labels(runs), dict[str, list[Row]]()
    for run in runs:
        row = _row(run, labels[run.id])
        if row is not None:
            groups.setdefault(run_list.series_of(run) or run.id, []).append(row)
    return [rows[0] if len(rows) == 1 else _together(rows, series) for series, rows in groups.items()]


def _row(run: Run, name: str) -> Row | None:
    """Returns a run's row; ``None`` for one that went away in between."""
    try:
        status, (spec, fault) = run.status(), experiment(run)
    except RunMissing:
        return None
    label, _symbol, _tone = components.STATES["unreadable" if spec is None else status.state]
    dash = number_format.DASH
    return Row(
        ids=(run.id,),
        name=name,
        state=_(label),
        test=_percent(status.test_accuracy),
        validation=_percent(status.val_accuracy or status.best_val_accuracy),
        curve=caches.course(run),
        recipe=dash if spec is None else display_names.preset(spec.training.preset),
        augmentation=dash if spec is None else augmentation_words.title(spec.augment),
        backbone=dash if spec is None else display_names.backbone(spec.model.backbone),
        started=run_list.moment(run),
        data=dash if spec is None else display_names.data(spec.data.source),
        learned=number_format.count(run_panel.learned(run, status)),
        time=status.seconds or 0.0,
        fault=run_panel.reasons(status) or (translate_error(fault) if fault else ""),
        leaky=_("Leaky") if status.leaks and status.leaks.groups else "",
    )


def _together(rows: Sequence[Row], series: str) -> Row:
    """Returns the row of a series, means over its runs; or of a study, whose runs differ and have none."""
    from core.workflows.studies.members import part_of

    study = part_of(series) is not None
    done = _(components.STATES["finished"][0])
    finished = [row for row in rows if row.state == done]
    base = rows[-1].name.partition(" · seed ")[0].partition(" · fold ")[0].partition(" · remedy ")[0]
    name = _("{name} · series of {n}").format(name=base, n=len(rows))
    if study:
        name = _("{name} · study of {n}").format(name=base.partition(" · ")[0], n=len(rows))
    return replace(
        rows[0],
        ids=tuple(i for row in rows for i in row.ids),
        name=name,
        state=done if len(finished) == len(rows) else _("{n} of {total}").format(n=len(finished), total=len(rows)),
        test=None if study else _mean(row.test for row in finished),
        validation=None if study else _mean(row.validation for row in finished),
        time=sum(row.time for row in rows),
        fault=next((row.fault for row in rows if row.fault), ""),
        leaky=next((row.leaky for row in rows if row.leaky), ""),
    )


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def experiment(run: Run) -> tuple[Experiment | None, InputError | None]:
    """Returns what a run does, or why that cannot be read.

    Raises:
        RunMissing: It went away.
    """
    try:
        return caches.experiment(run), None
    except RunMissing:
        raise
    except InputError as error:
        return None, error
