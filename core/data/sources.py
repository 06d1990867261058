"""Where images come from: embedded data sets, and folders with one folder a class."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from core import settings
from core.data import embedded
from core.data.dataset import UNSPLIT, Dataset, Item, shuffle_key
from core.data.embedded import EMBEDDED
from core.data.folders import class_folders
from core.data.revisions import store as revisions
from core.data.revisions.applying import revised
from core.data.revisions.record import Revision
from core.errors import InputError
from core.messages import Sentence
from core.specs import DataSpec

__all__ = ["EMBEDDED", "UNSPLIT", "Dataset", "Item", "Sentence", "is_embedded", "open_dataset", "open_spec", "revise"]

_LONGEST_NAME = 60


def is_embedded(source: str) -> bool:
    """Tells whether a source names an embedded data set, with or without options."""
    return source.strip().partition("?")[0] in EMBEDDED


def open_dataset(
    source: str,
    *,
    roots: Sequence[Path] | None = None,
    seed: int = 0,
    images_per_class: int | None = None,
    classes: Sequence[str] | None = None,
) -> Dataset:
    """Lists the images of an embedded data set or of a folder; decodes none of them.

    Args:
        source: A name in :data:`EMBEDDED`, with options after a question mark where it takes
            some (``shapes?per_class=50&size=128``), or a folder's path.
        roots: Folders that a path must lie under, links resolved; None for no limit. A relative path is looked
            for under each of them.
        seed: Seed of generated images and of ``images_per_class``.
        images_per_class: At most so many images of each class (and split), chosen at random.
        classes: Label by this list, such as a trained network's classes; a single class is then enough.

    Raises:
        InputError: There is no such data set, or its folder is missing, empty, outside ``roots`` or without
            two classes.
    """
    source = named(str(source).strip())
    name, _, options = source.partition("?")
    if is_embedded(source):
        dataset = dataclasses.replace(embedded.open_embedded(name, options, seed=seed), name=source)
    else:
        dataset = class_folders.open_folder(source, roots=roots, least_classes=2 if classes is None else 1)
    if classes is not None:
        dataset = dataset.relabelled(classes)
    return _limited(dataset, DataSpec(source, seed=seed, images_per_class=images_per_class))


def open_spec(spec: DataSpec, *, roots: Sequence[Path] | None = None) -> Dataset:
    """Opens the images that a spec names; see :func:`open_dataset`.

    Raises:
        InputError: As there, one of the classes that it chooses is not there, or its revision is not stored here or
            does not fit the images.
    """
    revision = revisions.load(spec.revision) if spec.revision else None
    return _chosen(spec, open_dataset(spec.source, roots=roots, seed=spec.seed), revision)


def revise(
    spec: DataSpec,
    revision: Revision,
    *,
    roots: Sequence[Path] | None = None,
    check: Callable[[DataSpec], object] = lambda _: None,
) -> DataSpec:
    """Stores a revision of a spec's source, and returns the spec that it is in force for.

    The classes that the spec chooses are called as the revision calls them.

    Args:
        spec: The images, with the revision that was in force before; :func:`core.data.revisions.store.of` returns it.
        revision: What is to be in force; one without changes takes the files as they lie.
        roots: Folders that the images must lie under.
        check: Called with the new spec; what it refuses is not in the history.

    Raises:
        InputError: As for :func:`open_spec`, it cannot be stored, or ``check`` refuses it. Nothing is stored then.
    """
    opened = open_dataset(spec.source, roots=roots, seed=spec.seed)
    revision = dataclasses.replace(revision, source=opened.name)
    before, after = dict(revisions.of(opened.name, spec.revision).merged), dict(revision.merged)
    now: dict[str, list[str]] = {}
    for name in opened.classes:
        now.setdefault(before.get(name, name), []).append(after.get(name, name))
    classes = dict.fromkeys(new for chosen in spec.classes for new in now.get(chosen, [chosen]))
    caps = {new: most for name, most in spec.class_caps for new in now.get(name, [name])}
    new = dataclasses.replace(spec, classes=tuple(classes), class_caps=tuple(caps.items()), revision=revision.hash)
    _chosen(new, opened, revision)
    known = revisions.is_stored(revision)
    revisions.save(revision)
    try:
        check(new)
    except InputError:
        if not known:
            revisions.forget(revision)
        raise
    return new


def _chosen(spec: DataSpec, dataset: Dataset, revision: Revision | None) -> Dataset:
    """Returns what of a source a spec chooses, as a revision has it."""
    dataset = revised(dataset, revision) if revision is not None else dataset
    dataset = dataset.only(spec.classes) if spec.classes else dataset
    return _limited(dataset, spec)


def absolute_source(source: str) -> str:
    """Returns a source that means the same from any working folder: a folder's full path, an embedded set's name."""
    if source.partition("?")[0] in EMBEDDED:
        return source
    return str(Path(named(source)).expanduser().absolute())


def named(source: str) -> str:
    """Returns the folder of an imported source where its name is given and no folder of that name is nearer."""
    if not source or is_embedded(source) or "/" in source or source.startswith(".") or len(source) > _LONGEST_NAME:
        return source
    path = settings.uploads_dir() / source
    return str(path) if "\0" not in source and not Path(source).is_dir() and path.is_dir() else source


def _limited(dataset: Dataset, spec: DataSpec) -> Dataset:
    """Keeps as many images of each class and split as a spec takes of them, in their former order.

    Raises:
        InputError: It names a class that is not there.
    """
    caps = dict(spec.class_caps)
    if spec.images_per_class is None and spec.class_share == 1 and not caps:
        return dataset
    for name, cap in caps.items():
        if name not in dataset.classes:
            raise InputError(
                "{title} has no class {name} of which there could be at most {most} images. Its classes: {known}.",
                title=dataset.title,
                name=name,
                most=cap,
                known=", ".join(dataset.classes[:10]),
            )
    images = Counter((item.split, item.label) for item in dataset.items)
    most = {
        (split, label): min(
            spec.images_per_class or count,
            caps.get(dataset.classes[label], count),
            max(1, round(spec.class_share * count)),
        )
        for (split, label), count in images.items()
    }
    taken: Counter[tuple[str, int]] = Counter()
    kept = []
    for index in sorted(range(len(dataset)), key=lambda i: shuffle_key(spec.seed, dataset.items[i].key)):
        item = dataset.items[index]
        if taken[item.split, item.label] < most[item.split, item.label]:
            taken[item.split, item.label] += 1
            kept.append(index)
    return dataset.subset(sorted(kept))
