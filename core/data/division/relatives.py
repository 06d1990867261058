"""Which images belong together, so that a division must not tear them apart."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path, PurePosixPath

from PIL import ExifTags, Image

from core.data.dataset import Dataset
from core.errors import InputError

GAP = 30
"""Seconds between two pictures of one burst, where nobody says otherwise."""
_COPY = re.compile(
    r"(?P<stem>.+?)(?:"
    r"[ _.\-]+(?:copy|aug\w*?|flip\w*?|rot\w*?|crop\w*?|mirror\w*?|shift\w*?|zoom\w*?)?[ _.\-]*\(?\d+\)?"
    r"|[ _.\-]+(?:copy|aug|flip|rot|crop|mirror|shift|zoom)[a-z]*)",
    re.IGNORECASE,
)
"""What a file's name becomes without the number of the copy, slice or frame at its end."""


def relatives(
    dataset: Dataset, keys: Sequence[str], how: str, near: Iterable[Sequence[str]] = ()
) -> tuple[tuple[str, ...], ...]:
    """Returns images in groups that must stay together; images without relatives are left out.

    Args:
        dataset: The images.
        keys: Which of them are to be grouped.
        how: As :attr:`core.specs.DataSpec.group_by` has it.
        near: Groups of look-alikes, for ``near``.

    Raises:
        InputError: Nothing can be grouped in this way.
    """
    kind, _, name = how.partition(":")
    if kind == "near":
        wanted = set(keys)
        groups = [[key for key in group if key in wanted] for group in near]
        return tuple(tuple(group) for group in groups if len(group) > 1)
    group_of = {"folder": _by_folder, "stem": _by_stem, "column": _by_column, "pattern": _by_pattern, "exif": _by_time}[
        kind
    ]
    named = group_of(dataset, name)
    found: dict[str, list[str]] = defaultdict(list)
    for key in keys:
        if (group := named(key)) is not None:
            found[group].append(key)
    if len(found) == 1 and len(keys) > 1 and len(next(iter(found.values()))) == len(keys):
        raise InputError(
            "Grouped by {how}, all images of {title} fall into the one group {group}. Choose another way to group.",
            how=how,
            title=dataset.title,
            group=next(iter(found)),
        )
    return tuple(tuple(group) for group in found.values() if len(group) > 1)


def joined(*groupings: Iterable[Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    """Returns the groups of several groupings as one: who is related in any of them stands in one group."""
    parent: dict[str, str] = {}

    def root(key: str) -> str:
        parent.setdefault(key, key)
        while parent[key] != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    for groups in groupings:
        for first, *others in groups:
            for other in others:
                parent[root(other)] = root(first)
    found: dict[str, list[str]] = defaultdict(list)
    for key in parent:
        found[root(key)].append(key)
    return tuple(tuple(group) for group in found.values() if len(group) > 1)


def equal_files(dataset: Dataset, keys: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Returns the keys of equal files in groups; files are read only where another has the same size.

    Args:
        dataset: The images; those without a file of their own have no copies.
        keys: Keys to look among.
    """
    of_size: dict[int, list[tuple[str, Path]]] = defaultdict(list)
    for key in keys:
        try:
            path = dataset.reader.path(key)
            if path is None:
                return ()
            of_size[path.stat().st_size].append((key, path))
        except (OSError, InputError):  # gone, or not to be read: whoever loads it raises it
            continue
    groups: dict[bytes, list[str]] = defaultdict(list)
    for alike in of_size.values():
        if len(alike) > 1:
            for key, path in alike:
                with suppress(OSError), path.open("rb") as file:
                    groups[hashlib.file_digest(file, "sha256").digest()].append(key)
    return tuple(tuple(group) for group in groups.values() if len(group) > 1)


def below_class(dataset: Dataset, key: str, label: int) -> PurePosixPath:
    """Returns an image's path below the folder of its class: ``p1/3.png`` of ``train/cats/p1/3.png``."""
    parts = PurePosixPath(key).parts
    name = dataset.filed.get(key, dataset.classes[label])
    place = next((i for i, part in enumerate(parts[:-1]) if unicodedata.normalize("NFC", part) == name), None)
    return PurePosixPath(*parts[place + 1 :]) if place is not None else PurePosixPath(parts[-1])


def stem_of(key: str) -> str:
    """Returns a file's name without its ending and the number of the copy: ``aug_0`` of ``cats/aug_0_17.png``."""
    stem = PurePosixPath(key).stem
    found = _COPY.fullmatch(stem)
    return found["stem"] if found else stem


def _by_folder(dataset: Dataset, _name: str) -> Callable[[str], str | None]:
    folders = {item.key: below_class(dataset, item.key, item.label).parent for item in dataset.items}
    if not any(folder.parts for folder in folders.values()):
        raise InputError(
            "The images of {title} lie directly in the folders of their classes, so they cannot be grouped by folder. "
            "Put those that belong together in a folder of their own there.",
            title=dataset.title,
        )
    return lambda key: folders[key].as_posix() if folders[key].parts else None


def _by_stem(_dataset: Dataset, _name: str) -> Callable[[str], str | None]:
    return stem_of


def _by_time(dataset: Dataset, name: str) -> Callable[[str], str | None]:
    """Groups pictures of one camera into bursts: each was taken at most so many seconds after the one before."""
    gap = int(name or GAP)
    taken = sorted(row for item in dataset.items if (row := _taken(dataset, item.key)) is not None)
    if not taken:
        raise InputError(
            "No picture of {title} records when it was taken (EXIF, DateTimeOriginal). Choose another way to group.",
            title=dataset.title,
        )
    burst: dict[str, str] = {}
    before: tuple[str, datetime] | None = None
    first = ""
    for camera, when, key in taken:
        if before is None or before[0] != camera or (when - before[1]).total_seconds() > gap:
            first = f"{camera} {when}".strip()
        before, burst[key] = (camera, when), first
    return burst.get


def _taken(dataset: Dataset, key: str) -> tuple[str, datetime, str] | None:
    """Returns camera, time and key of a picture that records when it was taken; ``None`` for others."""
    try:
        path = dataset.reader.path(key)
        if path is None:
            return None
        with Image.open(path) as image:
            exif = image.getexif()
            when = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.DateTimeOriginal)
            camera = str(exif.get(ExifTags.Base.Model, ""))[:60].strip("\0 ")
        return camera, datetime.strptime(str(when)[:19], "%Y:%m:%d %H:%M:%S"), key
    except (OSError, InputError, ValueError, SyntaxError, TypeError, KeyError, Image.DecompressionBombError):
        return None  # no picture, or no time: whoever loads it raises what is wrong


def _by_column(dataset: Dataset, name: str) -> Callable[[str], str | None]:
    if name not in dataset.columns:
        raise InputError(
            "{title} has no column {name} to group by. Its columns: {known}.",
            title=dataset.title,
            name=name,
            known=", ".join(sorted(dataset.columns)) or "–",
        )
    values = dataset.columns[name]
    return lambda key: values.get(key) or None


def _by_pattern(dataset: Dataset, name: str) -> Callable[[str], str | None]:
    pattern = re.compile(name)

    def group(key: str) -> str | None:
        found = pattern.search(key)
        return None if found is None else (found[1] if pattern.groups else found[0])

    if not any(group(item.key) for item in dataset.items):
        raise InputError(
            "The pattern {pattern} is found in no name of {title}, such as {example}. Write one that names the group, "
            "such as {known}.",
            pattern=name,
            title=dataset.title,
            example=dataset.items[0].key,
            known=r"pattern:(p\d+)",
        )
    return group
