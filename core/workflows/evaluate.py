"""Judging a run: on the images it held out, or on others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from core import settings
from core.data.division.relatives import equal_files, joined, relatives
from core.data.images import Unreadable
from core.data.pixel_store import PixelStore
from core.data.sources import Dataset, open_dataset
from core.errors import InputError
from core.evaluation.figures import Figures, judge
from core.evaluation.metrics import Scores, score
from core.evaluation.predictions import Predictions, predict_store, read_predictions
from core.runs.store import Run
from core.workflows.checkpoints import network_at
from core.workflows.images import learned_from, open_source, reopen


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A run's figures on a set of images.

    Attributes:
        split: ``val``, ``test``, or ``all`` for images that were not divided.
        scores: The figures.
        predictions: What they were counted from.
        unreadable: Images of the split that were left out, with the reason.
        seen: How many images were left out because the run had learned from them.
        groups: Group of each image, where the run's division keeps related images together; see
            :attr:`core.specs.DataSpec.group_by`.
    """

    split: str
    scores: Scores
    predictions: Predictions
    unreadable: tuple[Unreadable, ...] = ()
    seen: int = 0
    groups: tuple[int, ...] | None = None

    def figures(self) -> Figures:
        """Returns the figures with their 95 % intervals, over groups where there are groups."""
        return judge(self.predictions.labels, self.predictions.probabilities, self.groups)


def recorded(run: Run) -> dict[str, Evaluation]:
    """Returns the evaluations that the run itself left behind, by split (``test`` and ``val``).

    Raises:
        RunMissing: The run is gone.
    """
    predictions = read_predictions(run.path / "predictions.parquet", run.classes())
    if predictions is None:
        return {}
    found = {}
    for split in ("test", "val"):
        part = predictions.only(split)
        if part.keys:
            found[split] = Evaluation(split, score(part.labels, part.probabilities, part.classes), part)
    return found


def grouped(run: Run, found: Evaluation, *, roots: Sequence[Path] | None = None) -> Evaluation:
    """Returns an evaluation with the groups of its images, which what a run left behind does not hold.

    Args:
        run: Whose own images were judged.
        found: The evaluation.
        roots: Folders that the images must lie under, links resolved; ``None`` for no limit.

    Raises:
        InputError: The division keeps groups together, and the images cannot be opened any more.
    """
    if found.groups is not None:
        return found
    return replace(found, groups=groups_of(run, found.predictions.keys, roots=roots))


def groups_of(run: Run, keys: Sequence[str], *, roots: Sequence[Path] | None = None) -> tuple[int, ...] | None:
    """Returns the group of some of a run's own images, as its division formed them; ``None`` where it formed none.

    Args:
        run: The run.
        keys: The images.
        roots: Folders that they must lie under, links resolved; ``None`` for no limit.

    Raises:
        InputError: The division keeps groups together, and the images cannot be opened any more.
    """
    if not run.experiment.data.group_by:
        return None
    return _groups(run, reopen(run, roots=roots), keys, roots)


def evaluate(
    run: Run, source: str | None = None, *, checkpoint: str = "best", roots: Sequence[Path] | None = None
) -> Evaluation:
    """Judges a run anew.

    Args:
        run: With weights.
        source: Other images: their test split, else their validation split, else all of them; without those that the
            run learned from. By default the images of the run itself, divided as they were.
        checkpoint: Which weights, as for :func:`core.workflows.checkpoints.network_at`; ``start`` is before training.
        roots: Folders that the images must lie under, links resolved; ``None`` for no limit.

    Raises:
        InputError: There are no such weights, or the images cannot be opened, have classes that the run does not
            know, or are all known to it.
    """
    network = network_at(run, checkpoint, roots=roots)
    whole = open_dataset(source, roots=roots, classes=network.classes) if source else reopen(run, roots=roots)
    splits = {item.split for item in whole.items}
    split = next((name for name in ("test", "val") if name in splits), "all")
    dataset = whole.subset(i for i, item in enumerate(whole.items) if split in ("all", item.split))
    seen = learned_from(run, dataset, roots=roots) if source else frozenset()
    dataset = dataset.without(seen)
    if seen and not len(dataset):
        raise InputError(
            "{run} learned from all {count} images of {source}, so they say nothing of new ones. Give others.",
            count=len(seen),
            source=source,
            run=run.name,
        )
    with PixelStore(dataset, network.preprocessing, canvas=False, max_bytes=settings.pixel_cache_limit()) as store:
        unreadable = store.fill()
        bad = {image.key for image in unreadable}
        positions = [place for place, item in enumerate(dataset.items) if item.key not in bad]
        probabilities = predict_store(network, store, positions, torch.device("cpu"))
    items = [dataset.items[position] for position in positions]
    labels = np.asarray([item.label for item in items], dtype=np.int64)
    predictions = Predictions(
        keys=tuple(item.key for item in items),
        splits=(split,) * len(items),
        labels=labels,
        probabilities=probabilities,
        classes=network.classes,
    )
    scores = score(labels, probabilities, network.classes)
    groups = None if source else _groups(run, whole, predictions.keys, roots)
    return Evaluation(split, scores, predictions, unreadable, len(seen), groups)


def _groups(run: Run, dataset: Dataset, keys: Sequence[str], roots: Sequence[Path] | None) -> tuple[int, ...] | None:
    """Returns the group of some images of the run's whole set as its division formed it; ``None`` if it formed none."""
    spec = run.experiment.data
    if not spec.group_by:
        return None
    near: Sequence[Sequence[str]] = ()
    if spec.group_by == "near":
        from core.workflows.data_check.check import look_alikes

        wanted = set(keys)
        near = look_alikes(dataset.subset(i for i, item in enumerate(dataset.items) if item.key in wanted))
    elif spec.revision or spec.group_by.startswith("column:"):  # the run's own list of images knows neither
        source = open_source(run, roots=roots)
        dataset = replace(dataset, columns=source.columns, filed=source.filed)
    every = [item.key for item in dataset.items]  # a part may be one group, or have none, where the whole has several
    together = joined(equal_files(dataset, keys), relatives(dataset, every, spec.group_by, near))
    group_of = {key: number for number, group in enumerate(together) for key in group}
    alone = iter(range(len(together), len(together) + len(keys)))
    return tuple(group_of[key] if key in group_of else next(alone) for key in keys)
