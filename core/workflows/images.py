"""Images for an experiment: opened, decoded, cleared of what cannot be read, and divided."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core import settings
from core.data.folders.listed import open_listed
from core.data.images import Unreadable
from core.data.pixel_store import PixelStore
from core.data.revisions import store as revisions
from core.data.sources import Dataset, is_embedded, open_spec
from core.errors import InputError
from core.messages import Progress
from core.runs.files import read_json
from core.runs.store import Run
from core.specs import DataSpec, Preprocessing
from core.workflows.data_check.dividing import divide

DATA_FILE = "data.json"
"""What a run notes of its images: a fingerprint, and those that it left out, by their place in the list."""


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
    dataset: Dataset,
    spec: DataSpec,
    prep: Preprocessing,
    *,
    canvas: bool,
    divided: bool = False,
    progress: Progress | None = None,
) -> Decoded:
    """Decodes every image once, leaves out the unreadable ones and divides the rest.

    Args:
        dataset: As it was opened.
        spec: Shares and seed of the division.
        prep: Resize and crop.
        canvas: Keep a margin around the crop for augmentation.
        divided: Keep the division that the images come with.
        progress: Called with images decoded and images altogether; what it raises ends the work.

    Raises:
        InputError: Too few images are left to train and validate on.
    """
    store = PixelStore(dataset, prep, canvas=canvas, max_bytes=settings.pixel_cache_limit())
    unreadable = store.fill(progress=progress)
    readable = dataset.without(bad.key for bad in unreadable)
    if not divided:
        readable = divide(readable, spec)
    for name in ("train", "val"):
        if not readable.positions(name):
            raise InputError(
                "{source} leaves no image for the split {split}. Add images, or change the shares.",
                source=dataset.title,
                split=name,
            )
    return Decoded(readable, store, unreadable)


def open_source(run: Run, *, roots: Sequence[Path] | None = None) -> Dataset:
    """Opens the source of a run, as the revision has it that the run was given; its folder may bring that.

    Raises:
        InputError: As for :func:`core.data.sources.open_spec`.
    """
    spec = run.experiment.data
    if spec.revision:
        revisions.adopt(run.path)
    return open_spec(spec, roots=roots)


def reopen(run: Run, *, roots: Sequence[Path] | None = None) -> Dataset:
    """Opens the images of a run again, divided as they were when it was trained.

    A folder's images are taken from the run's own list: what has come to stand beside them since does not matter.
    Images that have gone since are left out.

    Raises:
        InputError: The images are not there any more, or none of them is in the run's split.
        RunMissing: The run is gone.
    """
    spec = run.experiment.data
    rows = [(row["key"], row["label"], row["split"]) for row in run.split_rows()]
    if rows and not is_embedded(spec.source):
        return open_listed(spec.source, rows, run.classes(), roots=roots)
    dataset = open_source(run, roots=roots)
    dataset = dataset.relabelled(run.classes()) if run.classes() else dataset
    recorded = {key: split for key, _, split in rows}
    items = tuple(replace(item, split=recorded[item.key]) for item in dataset.items if item.key in recorded)
    if not items:
        raise InputError(
            "None of the images that {run} was trained on is found in {source} any more.",
            run=run.name,
            source=spec.source,
        )
    return replace(dataset, items=items)


def listed_again(run: Run, *, roots: Sequence[Path] | None = None) -> Dataset | None:
    """Opens a folder's images as a run listed them when it began, those that could not be read among them.

    Returns:
        The images in their former order, or ``None`` where they are to be listed anew: embedded data, or a run that
        has not listed them, or did so before it noted what it left out.
    """
    spec = run.experiment.data
    rows = [(row["key"], row["label"], row["split"]) for row in run.split_rows()]
    left_out = read_json(run.path / DATA_FILE).get("left_out")
    if not rows or is_embedded(spec.source) or not isinstance(left_out, list):
        return None
    try:
        for position, key, label in left_out:
            rows.insert(int(position), (str(key), str(label), ""))
    except (TypeError, ValueError, OverflowError):  # the note is damaged
        return None
    return open_listed(spec.source, rows, run.classes(), roots=roots)


def learned_from(run: Run, dataset: Dataset, *, roots: Sequence[Path] | None = None) -> frozenset[str]:
    """Returns the keys of images that a run learned from or was chosen by, as equal files or as its own data.

    Args:
        run: The run; where its images are gone nothing is recognised.
        dataset: Images that it is to be judged on.
        roots: Folders that the run's own images must lie under.
    """
    try:
        own = reopen(run, roots=roots)
    except InputError:
        return frozenset()
    seen = [item.key for item in own.items if item.split in ("train", "val")]
    if dataset.root is None or own.root is None:
        return frozenset(seen) & {item.key for item in dataset.items} if dataset.name == own.name else frozenset()
    known: dict[int, list[Path]] = defaultdict(list)
    for key in seen:
        path = own.reader.path(key)
        if path is not None and path.is_file():
            known[path.stat().st_size].append(path)
    digests: dict[int, set[bytes]] = {}
    found = set()
    for item in dataset.items:
        path = dataset.reader.path(item.key)
        if path is None or not path.is_file() or (size := path.stat().st_size) not in known:
            continue
        if size not in digests:
            digests[size] = {_digest(other) for other in known[size]}
        if _digest(path) in digests[size]:
            found.add(item.key)
    return frozenset(found)


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
