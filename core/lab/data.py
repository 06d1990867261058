"""Images for an experiment: opened, cleared of what cannot be read, and divided."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core.data.health import inspect
from core.data.images import Unreadable
from core.data.sources import Dataset, open_dataset
from core.data.splits import split
from core.errors import InputError
from core.runs.store import Run
from core.specs import DataSpec


@dataclass(frozen=True, slots=True)
class Divided:
    """A data set with every image's split, and what had to be left out.

    Attributes:
        dataset: Only images that can be read; each item has a split.
        unreadable: What was left out, with the reason.
    """

    dataset: Dataset
    unreadable: tuple[Unreadable, ...]


def divide(
    spec: DataSpec,
    *,
    roots: Sequence[Path] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Divided:
    """Opens the images of a spec, leaves out the unreadable ones and divides the rest.

    Args:
        spec: Source, shares and seed.
        roots: Folders that the source must lie under; ``None`` allows any.
        progress: Called with images checked and images altogether.

    Raises:
        InputError: There are no such images, or too few to train and validate on.
    """
    dataset = open_dataset(spec.source, roots=roots, seed=spec.seed, images_per_class=spec.images_per_class)
    unreadable: tuple[Unreadable, ...] = ()
    if dataset.root is not None:
        unreadable = inspect(dataset, progress).unreadable
        dataset = dataset.without(bad.key for bad in unreadable)
    divided = Divided(split(dataset, spec), unreadable)
    for name in ("train", "val"):
        if not divided.dataset.positions(name):
            raise InputError(
                "{source} leaves no image for the split {split}. Add images, or change the shares.",
                source=dataset.title,
                split=name,
            )
    return divided


def reopen(run: Run, *, roots: Sequence[Path] | None = None) -> Dataset:
    """Opens the images of a run again, divided as they were when it was trained.

    Images that have gone since are left out.

    Raises:
        InputError: The images are not there any more, or none of them is in the run's split.
        RunMissing: The run is gone.
    """
    spec = run.experiment.data
    dataset = open_dataset(spec.source, roots=roots, seed=spec.seed, images_per_class=spec.images_per_class)
    recorded = {row["key"]: row["split"] for row in run.split_rows()}
    items = tuple(replace(item, split=recorded[item.key]) for item in dataset.items if item.key in recorded)
    if not items:
        raise InputError(
            "None of the images that {run} was trained on is found in {source} any more.",
            run=run.name,
            source=spec.source,
        )
    return replace(dataset, items=items)
