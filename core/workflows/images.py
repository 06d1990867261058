"""Images for an experiment: opened, decoded, cleared of what cannot be read, and divided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core import settings
from core.data.images import Unreadable
from core.data.pixel_store import PixelStore
from core.data.sources import Dataset, open_dataset
from core.data.splits import split
from core.errors import InputError
from core.messages import Progress
from core.runs.store import Run
from core.specs import DataSpec, Preprocessing


@dataclass(frozen=True, slots=True)
class Decoded:
    """A data set in memory, every image's split known, and what had to be left out.

    Attributes:
        dataset: Only images that can be read; each item has a split.
        store: The pixels, of all images that were listed.
        unreadable: What was left out, with the reason.
    """

    dataset: Dataset
    store: PixelStore
    unreadable: tuple[Unreadable, ...]

    def positions(self, name: str) -> list[int]:
        """Returns where the images of a split stand in the store."""
        wanted = {item.key for item in self.dataset.items if item.split == name}
        return [place for place, item in enumerate(self.store.dataset.items) if item.key in wanted]


def decode(
    dataset: Dataset, spec: DataSpec, prep: Preprocessing, *, canvas: bool, progress: Progress | None = None
) -> Decoded:
    """Decodes every image once, leaves out the unreadable ones and divides the rest.

    Args:
        dataset: As it was opened.
        spec: Shares and seed of the division.
        prep: Resize and crop.
        canvas: Keep room around the crop for augmentation.
        progress: Called with images decoded and images altogether; what it raises ends the work.

    Raises:
        InputError: Too few images are left to train and validate on.
    """
    store = PixelStore(dataset, prep, canvas=canvas, max_bytes=settings.pixel_cache_limit())
    unreadable = store.fill(progress=progress)
    readable = split(dataset.without(bad.key for bad in unreadable), spec)
    for name in ("train", "val"):
        if not readable.positions(name):
            raise InputError(
                "{source} leaves no image for the split {split}. Add images, or change the shares.",
                source=dataset.title,
                split=name,
            )
    return Decoded(readable, store, unreadable)


def reopen(run: Run, *, roots: Sequence[Path] | None = None) -> Dataset:
    """Opens the images of a run again, divided as they were when it was trained.

    Images that have gone since are left out.

    Raises:
        InputError: The images are not there any more, or none of them is in the run's split.
        RunMissing: The run is gone.
    """
    spec = run.experiment.data
    dataset = open_dataset(
        spec.source, roots=roots, seed=spec.seed, images_per_class=spec.images_per_class, classes=run.classes() or None
    )
    recorded = {row["key"]: row["split"] for row in run.split_rows()}
    items = tuple(replace(item, split=recorded[item.key]) for item in dataset.items if item.key in recorded)
    if not items:
        raise InputError(
            "None of the images that {run} was trained on is found in {source} any more.",
            run=run.name,
            source=spec.source,
        )
    return replace(dataset, items=items)
