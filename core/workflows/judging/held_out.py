"""Some pictures that a run held out, decoded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core import settings
from core.data.dataset import shuffle_key
from core.data.pixel_store import PixelStore
from core.errors import InputError
from core.models.network import Network
from core.runs.store import Run
from core.workflows.evaluate import groups_of
from core.workflows.images import reopen

PICTURES = 100
"""Pictures that are looked at unless more are asked for."""
SPLITS = ("test", "val", "train")


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Pictures with their pixels.

    Attributes:
        split: Where they stand.
        keys: Their keys.
        labels: Their classes, ``N``.
        store: Their pixels; a picture's position is its place in ``keys``, by ``positions``.
        positions: Places in the store.
        of: How many pictures the split has.
    """

    split: str
    keys: tuple[str, ...]
    labels: NDArray[np.int64]
    store: PixelStore
    positions: tuple[int, ...]
    of: int


def splits_of(run: Run) -> dict[str, int]:
    """Returns the splits of a run's pictures that can be judged, test first, with how many pictures each has."""
    rows = [row["split"] for row in run.split_rows()]
    return {split: rows.count(split) for split in SPLITS if split in rows}


@contextmanager
def held_out(
    run: Run,
    network: Network,
    *,
    split: str = "",
    most: int = PICTURES,
    canvas: bool = False,
    roots: Sequence[Path] | None = None,
) -> Iterator[HeldOut]:
    """Opens pictures of a run's split, the same ones each time.

    Args:
        run: The run.
        network: Whose input size they get.
        split: ``test``, ``val`` or ``train``; by default the first of them that the run has.
        most: Pictures at most, drawn by lot; 0 for all.
        canvas: Keep a margin round what the network sees.
        roots: Folders that they must lie under, links resolved; ``None`` for no limit.

    Raises:
        InputError: The run has no such split, or its images are not there any more.
    """
    dataset = reopen(run, roots=roots)
    there = {item.split for item in dataset.items}
    split = split or next((name for name in SPLITS if name in there), "")
    if split not in there:
        raise InputError(
            "{run} has no images in the split {split}. Choose from: {known}.",
            run=run.name,
            split=split[:40],
            known=", ".join(name for name in SPLITS if name in there),
        )
    every = dataset.positions(split)
    drawn = sorted(every, key=lambda place: shuffle_key(0, dataset.items[place].key))[: most or None]
    dataset = dataset.subset(sorted(drawn))
    with PixelStore(dataset, network.preprocessing, canvas=canvas, max_bytes=settings.pixel_cache_limit()) as store:
        bad = {image.key for image in store.fill()}
        rows = [(place, item) for place, item in enumerate(dataset.items) if item.key not in bad]
        if not rows:
            raise InputError(
                "None of the {n} images of the split {split} can be read any more.", n=len(dataset), split=split
            )
        labels = np.asarray([item.label for _, item in rows], dtype=np.int64)
        keys = tuple(item.key for _, item in rows)
        yield HeldOut(split, keys, labels, store, tuple(place for place, _ in rows), len(every))


def related(run: Run, keys: Sequence[str], *, roots: Sequence[Path] | None = None) -> tuple[int, ...] | None:
    """Returns the group of each picture, as the run's division formed them.

    Args:
        run: The run.
        keys: Pictures of its own.
        roots: Folders that they must lie under, links resolved; ``None`` for no limit.

    Returns:
        ``None`` where it formed none, or none can be formed of these pictures: then each counts by itself.
    """
    try:
        return groups_of(run, keys, roots=roots)
    except InputError:
        return None
