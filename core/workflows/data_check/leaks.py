"""Copies of one picture in different splits, which a run looks for before it begins."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from core.data.dataset import Dataset
from core.data.division.relatives import equal_files
from core.data.revisions.record import Revision
from core.workflows.data_check.check import LEAST_SIDE, check

if TYPE_CHECKING:
    from core.data.pixel_store import PixelStore

MOST = 50_000
"""Pictures beyond which only equal files are looked for. So many are looked at in a fraction of the time in which they
are decoded for training; comparing all pairs of thumbnails takes ten seconds or so of the processor."""


@dataclass(frozen=True, slots=True)
class Leaks:
    """Leaks that nobody set aside.

    Attributes:
        groups: Keys of copies that stand in different splits, in groups.
        changed: Whether copies that were changed were looked for, or equal files alone.
    """

    groups: tuple[tuple[str, ...], ...]
    changed: bool


def open_leaks(dataset: Dataset, revision: Revision, store: PixelStore) -> Leaks:
    """Returns the copies in different splits by what all pictures look like in small; no network looks at them.

    Args:
        dataset: Divided images that can be read.
        revision: Says which groups a person set aside.
        store: Their pixels, for images without files, which need not be drawn once more then.
    """
    if len(dataset) > MOST:
        split_of = {item.key: item.split for item in dataset.items}
        equal = equal_files(dataset, split_of)
        found, changed = tuple(group for group in equal if len({split_of[key] for key in group}) > 1), False
    else:
        found, changed = check(_loaded(dataset, store), features=False).leaks, True
    return Leaks(tuple(group for group in found if not revision.keeps(group)), changed)


def _loaded(dataset: Dataset, store: PixelStore) -> Dataset:
    """Returns images without files as they were decoded, but for those that are too small to be compared."""
    if dataset.path(0) is not None or min(dataset.load(0).size) < LEAST_SIDE:
        return dataset
    return dataclasses.replace(dataset, reader=_Stored(store))


class _Stored:
    """Reads images from where they were decoded to."""

    def __init__(self, store: PixelStore) -> None:
        self._store = store
        self._place = {item.key: place for place, item in enumerate(store.dataset.items)}

    def load(self, key: str) -> Image.Image:
        return Image.fromarray(self._store.batch([self._place[key]])[0].permute(1, 2, 0).numpy())

    def mask(self, key: str) -> None:  # noqa: ARG002 - as readers have it
        return None

    def path(self, key: str) -> Path | None:  # noqa: ARG002 - as readers have it
        return None
