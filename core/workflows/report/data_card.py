"""What a check found of a run's images, as a report has it: the report card of the data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from core.data.dataset import Dataset
from core.data.revisions import store as revisions
from core.errors import InputError
from core.runs.store import Run
from core.translations import Words
from core.workflows.data_check.findings import open_findings
from core.workflows.data_check.report import Check


@dataclass(frozen=True, slots=True)
class Card:
    """A report card.

    Attributes:
        checked: When the images were checked.
        featured: Whether the network's features were used: without them neither labels nor odd pictures were judged.
        images: How many of the run's images can be read.
        rows: Tone, title, how many and why of each kind of finding that is still open, the gravest first.
    """

    checked: str
    featured: bool
    images: int
    rows: tuple[tuple[str, str, int, str], ...]


def of(run: Run, check: tuple[Check, float] | None, dataset: Dataset, _: Words) -> Card | None:
    """Returns what a check found of a run's images and is still open; ``None`` where there was no check.

    Args:
        run: The run.
        check: What was found of the images as they lie there, and when (Unix seconds).
        dataset: Its images, labelled and divided as they were when it was trained.
        _: The language.
    """
    if check is None:
        return None
    (found, when), spec = check, run.experiment.data
    try:
        revision = revisions.of(spec.source, spec.revision)
    except InputError:  # the revision is gone: nothing is known of what was set aside
        revision = revisions.of(spec.source)
    now = found.on(dataset)
    rows = [(row.kind.tone, _(row.kind.title), len(row.units), _(row.kind.why)) for row in open_findings(now, revision)]
    return Card(
        datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%d %H:%M UTC"),
        now.featured,
        sum(now.classes.values()),
        tuple(rows),
    )
