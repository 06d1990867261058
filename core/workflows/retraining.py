"""Training again on images that were repaired since, so that the two runs can be compared picture by picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from core.data.revisions import store
from core.data.revisions.record import Revision
from core.data.sources import open_dataset, open_spec, revise
from core.runs.store import Run
from core.specs import DataSpec, Experiment
from core.workflows.data_check.dividing import divide


def revision_of(spec: DataSpec, *, roots: Sequence[Path] | None = None) -> Revision:
    """Returns the revision of some images that is in force; one without changes where they are as their files lie.

    Raises:
        InputError: The images are not there, or the revision is not known here.
    """
    return store.of(open_dataset(spec.source, roots=roots, seed=spec.seed).name, spec.revision)


def repaired(run: Run, revision: Revision, *, roots: Sequence[Path] | None = None) -> DataSpec:
    """Returns a run's images with another revision in force, every other image in the split in which the run had it.

    A division that is made anew would deal a few others out differently, too, and what has come of the repair could not
    be told from that.

    Args:
        run: The run.
        revision: What was changed.
        roots: Folders that the images must lie under, links resolved; ``None`` for no limit.

    Raises:
        InputError: As for :func:`core.data.sources.revise` and :func:`core.workflows.data_check.dividing.divide`.
    """
    before = {row["key"]: row["split"] for row in run.split_rows()}
    spec = revise(run.experiment.data, revision, roots=roots)
    own = dict(revision.moved)
    astray = {
        item.key: before[item.key]
        for item in divide(open_spec(spec, roots=roots), spec).items
        if item.key in before and item.key not in own and item.split != before[item.key]
    }
    if not astray:
        return spec
    return revise(spec, replace(revision, moved=tuple(sorted({**own, **astray}.items()))), roots=roots)


def again(run: Run, data: DataSpec, name: str) -> Experiment:
    """Returns the experiment that trains as a run did, on other data, under another name."""
    return replace(run.experiment, data=data, name=name[:120], series="")
