"""The rows of the table of runs: what it shows of a run, or of a series, made once for each state of their files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from statistics import fmean
from typing import TYPE_CHECKING

from core.runs.status import LIVE
from pages.ui.kit import components
from pages.ui.plan import settings_table
from pages.ui.runs import run_panel
from pages.ui.session import caches, run_list
from pages.ui.text import augmentation_words, display_names, i18n, number_format
from pages.ui.text.i18n import _, translate_error

if TYPE_CHECKING:
    from core.runs.listing.index import Entry
    from core.specs import Experiment


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
    tags: tuple[str, ...] = ()
    group: str = ""
    note: str = ""
    archived: bool = False
    experiment: Experiment | None = None
    fault: str = ""
    leaky: str = ""

    @property
    def duration(self) -> str:
        """How long it took."""
        return number_format.duration(self.time) if self.time else number_format.DASH

    def setting(self, name: str) -> str:
        """Returns what was set under a name of :func:`pages.ui.plan.settings_table.words`; empty for nothing."""
        return settings(self.experiment).get(name, "")


def rows_of(entries: Sequence[Entry]) -> list[Row]:
    """Returns a row a run, the newest first; the runs of a series share the row of their newest."""
    labels, groups = run_list.labels([entry.run for entry in entries]), dict[str, list[Row]]()
    for entry in entries:
        series = entry.experiment.series if entry.experiment else ""
        groups.setdefault(series or entry.run.id, []).append(_row(entry, labels[entry.run.id]))
    return [rows[0] if len(rows) == 1 else _together(rows, series) for series, rows in groups.items()]


def _row(entry: Entry, name: str) -> Row:
    """Returns a run's row, made once for each state of the run."""
    key = (entry.run.id, name, i18n.language(), id(entry))
    if entry.status.state in LIVE:
        return _made(entry, name)
    return caches.remember("table rows", key, lambda: (_made(entry, name), entry), entries=2048)[0]


def _made(entry: Entry, name: str) -> Row:
    run, status, spec = entry.run, entry.status, entry.experiment
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
        tags=entry.notes.tags,
        group=entry.notes.group,
        note=entry.notes.note,
        archived=entry.notes.archived,
        experiment=spec,
        fault=run_panel.reasons(status) or (translate_error(entry.fault) if entry.fault else ""),
        leaky=_("Leaky") if status.leaks and status.leaks.groups else "",
    )


def settings(experiment: Experiment | None) -> dict[str, str]:
    """Returns what was set in words, made once."""
    if experiment is None:
        return {}
    key = (id(experiment), i18n.language())
    made = caches.remember("setting words", key, lambda: (settings_table.words(experiment), experiment), entries=2048)
    return made[0]


def _together(rows: Sequence[Row], series: str) -> Row:
    """Returns the row of a series, means over its runs; or of a study, whose runs differ and have none."""
    from core.workflows.studies.members import part_of, varies

    job = part_of(series)
    study = job is not None and varies(job)
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
        tags=tuple(sorted({tag for row in rows for tag in row.tags})),
        note="\n".join(row.note for row in rows if row.note),
        archived=all(row.archived for row in rows),
        fault=next((row.fault for row in rows if row.fault), ""),
        leaky=next((row.leaky for row in rows if row.leaky), ""),
    )


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
