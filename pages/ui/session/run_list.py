"""The runs that people are shown: what tells them apart, which belong together, and which are the lab's helpers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import streamlit as st

from core import settings
from core.errors import InputError
from pages.ui.session import caches

if TYPE_CHECKING:
    from core.runs.listing.index import Entry
    from core.runs.store import Run
    from core.specs import Experiment


def listed(*, weights: bool = False, chosen: str | None = None) -> list[Run]:
    """Returns the runs that people started, the newest first: without the helpers of the shortcut lab.

    Args:
        weights: Whether only runs whose weights can be loaded are returned.
        chosen: Id of a run that is returned even if it is a helper, because a link led to it.
    """
    return [entry.run for entry in entries(chosen=chosen) if entry.run.has_weights or not weights]


def entries(*, chosen: str | None = None) -> list[Entry]:
    """Returns the same runs with what a list shows of them; files that are as they were are not read again."""
    return [entry for entry in caches.entries() if entry.run.id == chosen or not _of_lab(entry.experiment)]


def is_helper(run: Run) -> bool:
    """Whether the shortcut lab started a run: its images lie where the lab writes them."""
    try:
        return _of_lab(caches.experiment(run))
    except InputError:
        return False


def _of_lab(experiment: Experiment | None) -> bool:
    if experiment is None:
        return False
    above = Path(experiment.data.source).parents
    return any(folder in above for folder in settings.lab_dirs())


def series_of(run: Run) -> str:
    """Returns the id of the series that a run belongs to; empty for none."""
    try:
        return caches.experiment(run).series
    except InputError:
        return ""


def labels(runs: Sequence[Run]) -> dict[str, str]:
    """Returns ``{id: name}`` of runs; of those that share a name each bears when it was started, too.

    A widget tells its options apart by their labels alone: of two that look the same it would always take the first.
    """
    names = {entry.run.path: entry.name for entry in caches.entries()}
    found = {run.id: names.get(run.path) or run.name for run in runs}
    for form in ("%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", None):
        counts = Counter(found.values())
        for run in runs:
            if counts[found[run.id]] > 1:
                when = moment(run)
                found[run.id] = f"{run.name} · {run.id[-4:] if form is None or when is None else when.strftime(form)}"
    return found


def moment(run: Run) -> datetime | None:
    """Returns when a run was made, by the person's clock; ``None`` where its folder's name does not say."""
    try:
        made = datetime.strptime(run.id.partition("-")[0], "%Y%m%dT%H%M%SZ")
    except ValueError:
        return None
    return made.replace(tzinfo=UTC).astimezone(timezone())


def timezone() -> tzinfo:
    """Returns the person's time zone; the world's where the browser does not say."""
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (ValueError, LookupError, OSError):
        return UTC
