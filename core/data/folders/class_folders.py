"""Folders of images: one folder a class, with or without ``train``, ``val`` and ``test`` above them."""

from __future__ import annotations

import json
import os
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from core.data.dataset import Dataset, Item
from core.data.decoding import SetDepth
from core.data.folders.passed_over import SENTENCES, read_notes
from core.data.folders.reader import FolderReader, is_under, locate
from core.data.folders.split_names import look_like_divisions, splits_of
from core.data.images import CONVERTIBLE, SUFFIXES
from core.errors import InputError
from core.messages import Sentence

COLUMNS_FILE = ".columns.json"
"""What an import notes beside its images: for each column of its table a value by key."""
_DEPTH = 8
_WRAPPERS = _DEPTH
_IGNORED = 1000
_SILENT = frozenset({"__macosx", "@eadir", "thumbs.db", "desktop.ini"})


def open_folder(source: str, *, roots: Sequence[Path] | None = None, least_classes: int = 2) -> Dataset:
    """Lists the images of a folder with one folder a class.

    A layout of ``train`` with ``val`` or ``test`` beside it is taken as it is, by any of the names of
    :func:`core.data.folders.split_names.split_of`; a single wrapping folder is looked through, around all and within
    each split. Files that are no images by their name, and links out of ``roots``, are passed over and reported in
    ``ignored``. Names of classes are compared and given in Unicode's composed form (NFC).

    Raises:
        InputError: The folder is missing, outside ``roots``, empty, holds fewer than ``least_classes`` classes, or its
            folders look like divisions by names that are not known.
    """
    path = locate(source, roots)
    scan = _Scan(path, None if roots is None else tuple(Path(root).resolve() for root in roots))
    base, splits = _layout(scan)
    scan.root, outer = base, base
    while outer != path:
        outer = outer.parent
        for stray in scan.entries(outer)[1]:
            scan.pass_over(stray, "{name} is in no class folder.")
    if splits:
        listed = {split: scan.classes(folder) for split, folder in splits.items()}
    else:
        listed = {"": scan.classes(base)}
    classes = _class_names(source, listed, least_classes, scan)
    items = tuple(
        Item(key, label, split)
        for split, found in listed.items()
        for label, name in enumerate(classes)
        for key in found.get(name, ())
    )
    return Dataset(
        name=str(path),
        title=path.name,
        classes=classes,
        items=items,
        presplit=bool(splits),
        reader=FolderReader(base, scan.roots, SetDepth(base, [item.key for item in items])),
        root=base,
        columns=_columns(path) if base == path else {},
        ignored=(*((note.name, note.sentence) for note in read_notes(path)), *scan.ignored.items()),
    )


def _columns(path: Path) -> dict[str, dict[str, str]]:
    try:
        found = json.loads((path / COLUMNS_FILE).read_text(encoding="utf-8"))
        return {str(name): {str(key): str(value) for key, value in rows.items()} for name, rows in found.items()}
    except (OSError, ValueError, AttributeError):
        return {}


@dataclass
class _Scan:
    """Reads folders, following links only to where they may lead, and notes what it passes over."""

    root: Path
    roots: tuple[Path, ...] | None
    ignored: dict[str, Sentence] = field(default_factory=dict)

    def entries(self, folder: Path) -> tuple[list[Path], list[Path]]:
        """Returns the folders and the image files directly in a folder, each sorted by name."""
        folders, images = [], []
        try:
            with os.scandir(folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            self.pass_over(folder, "{name} cannot be read: {reason}.", reason=error.strerror or str(error))
            return [], []
        for entry in entries:
            if entry.name.lower() in _SILENT or self._hidden(entry) or not self._allowed(entry):
                continue
            if entry.is_dir():
                folders.append(Path(entry.path))
            elif not entry.is_file():
                self.pass_over(Path(entry.path), "{name} is a broken link or no ordinary file.")
            elif (suffix := os.path.splitext(entry.name)[1].lower()) in SUFFIXES:  # noqa: PTH122 - much faster
                images.append(Path(entry.path))
            elif suffix in CONVERTIBLE:
                self.pass_over(Path(entry.path), SENTENCES["convertible"])
            else:
                self.pass_over(Path(entry.path), SENTENCES["no image"])
        return folders, images

    def classes(self, folder: Path) -> dict[str, list[str]]:
        """Returns the keys of each class's images; classes without images are passed over."""
        found: dict[str, list[str]] = {}
        folders, strays = self.entries(folder)
        for path in strays:
            self.pass_over(path, "{name} is in no class folder.")
        for path in folders:
            keys = self._images_below(path, _DEPTH, frozenset())
            name = unicodedata.normalize("NFC", path.name)
            if keys:
                found[name] = sorted([*found.get(name, ()), *keys])
            else:
                self.pass_over(path, "{name} holds no images.")
        return found

    def _images_below(self, folder: Path, depth: int, above: frozenset[str]) -> list[str]:
        real = os.path.realpath(folder)
        if depth == 0 or real in above:
            self.pass_over(folder, "{name} is nested too deep or leads back to itself.")
            return []
        folders, images = self.entries(folder)
        keys = [path.relative_to(self.root).as_posix() for path in images]
        for inner in folders:
            keys += self._images_below(inner, depth - 1, above | {real})
        return keys

    def _hidden(self, entry: os.DirEntry[str]) -> bool:
        """Tells whether an entry is hidden by a leading dot; a folder that looks like a class is reported."""
        if not entry.name.startswith("."):
            return False
        if self._holds_images(entry):
            self.pass_over(
                Path(entry.path), "{name} begins with a dot, so it counts as hidden. Rename it if it is a class."
            )
        return True

    @staticmethod
    def _holds_images(entry: os.DirEntry[str]) -> bool:
        if not entry.is_dir(follow_symlinks=False):
            return False
        try:
            return any(os.path.splitext(name)[1].lower() in SUFFIXES for name in os.listdir(entry.path))  # noqa: PTH122, PTH208
        except OSError:
            return False

    def _allowed(self, entry: os.DirEntry[str]) -> bool:
        try:
            entry.name.encode("utf-8")
        except UnicodeEncodeError:
            self.pass_over(Path(entry.path), "{name} has a name that is not valid text.")
            return False
        if self.roots is None or not entry.is_symlink() or is_under(Path(os.path.realpath(entry.path)), self.roots):
            return True
        self.pass_over(Path(entry.path), "{name} is a link to outside the folders that may be read.")
        return False

    def pass_over(self, path: Path, template: str, **values: object) -> None:
        """Notes an entry that is not used; the template names it as ``{name}``."""
        if len(self.ignored) < _IGNORED:
            key = path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else path.name
            key = key.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
            self.ignored.setdefault(key, Sentence(template, {"name": key, **values}))


def _layout(scan: _Scan) -> tuple[Path, dict[str, Path]]:
    """Finds the folder that holds the classes, or the folders of the splits (train first), behind wrappers."""
    base = scan.root
    for _ in range(_WRAPPERS):
        folders, _images = scan.entries(base)
        splits = _splits(scan, folders)
        if "train" in splits and len(splits) > 1:
            return base, _unwrapped(scan, splits)
        if splits:  # a lone train, beside it splits without classes
            return splits["train"], {}
        if len(folders) != 1 or not scan.entries(folders[0])[0]:
            break
        base = folders[0]
    scan.ignored.clear()
    inside = {path.name: [inner.name for inner in scan.entries(path)[0]] for path in scan.entries(base)[0]}
    if look_like_divisions(inside) and not any(scan.entries(base / name)[1] for name in inside):
        raise InputError(
            "The folders {folders} each hold the same folders, {inside}: they look like divisions of the images, not "
            "like classes. Name them train, val and test, or give the folder of one of them.",
            folders=", ".join(sorted(inside)),
            inside=", ".join(sorted(next(iter(inside.values())))),
        )
    scan.ignored.clear()
    return base, {}


def _unwrapped(scan: _Scan, splits: dict[str, Path]) -> dict[str, Path]:
    """Looks through a folder that stands alone in each split, such as ``train/images/cats``."""
    for _ in range(_WRAPPERS):
        inside = {split: scan.entries(path) for split, path in splits.items()}
        if any(len(folders) != 1 or images for folders, images in inside.values()):
            break
        inner = {split: folders[0] for split, (folders, _) in inside.items()}
        if not all(scan.entries(path)[0] for path in inner.values()):
            break
        splits = inner
    return splits


def _splits(scan: _Scan, folders: list[Path]) -> dict[str, Path]:
    """Returns the folder of each split, or nothing when these folders are no splits.

    A split without class folders does not count: its pictures are in no class. Then ``train`` may stand alone.
    """
    meant = splits_of([path.name for path in folders])
    named = [(meant[path.name], path) for path in folders if path.name in meant]
    found: dict[str, Path] = {}
    if not named or not any(scan.entries(path)[0] for _, path in named):
        return found
    for split, path in named:
        if split in found:
            raise InputError(
                "The folders {first} and {second} mean the same split. Keep one of them.",
                first=found[split].name,
                second=path.name,
            )
        found[split] = path
    if "train" not in found:
        if len(named) == len(folders) and len(named) > 1:
            raise InputError(
                "There are the splits {found} but none to train on. Add a folder train.", found=", ".join(sorted(found))
            )
        return {}
    if len(found) < 2 or not scan.entries(found["train"])[0]:
        return {}
    classless = {path: len(scan.entries(path)[1]) for path in found.values() if not scan.entries(path)[0]}
    scan.ignored.clear()
    for path in folders:
        if path not in found.values():
            scan.pass_over(path, "{name} stands beside the splits and is not used.")
    for path, count in classless.items():
        scan.pass_over(path, "{name} is no split, as it has no class folders: {n} pictures in no class.", n=count)
    return {
        split: found[split] for split in ("train", "val", "test") if split in found and found[split] not in classless
    }


def _class_names(
    source: str, listed: dict[str, dict[str, list[str]]], least_classes: int, scan: _Scan
) -> tuple[str, ...]:
    """Returns the classes in order, or raises what is wrong with them."""
    first = listed.get("train", listed.get("", {}))
    for split, found in listed.items():
        for name in sorted(set(found) - set(first)):
            raise InputError(
                "The split {split} has the class {name}, which the training images lack. Rename or remove it.",
                split=split,
                name=name,
            )
    if not first:
        _nothing(source, scan)
    if len(first) < least_classes:
        folders, images = scan.entries(scan.root / next(iter(first)))
        if folders and not images:  # with fewer it would have been looked through
            raise InputError(
                "In {path} more than {most} folders stand one within another before the images come. Choose the one "
                "that holds the folders of the classes.",
                path=source,
                most=_WRAPPERS,
            )
        raise InputError(
            "{path} holds a single class, {name}. Put the images of each class in a folder of its own, two at least.",
            path=source,
            name=next(iter(first)),
        )
    return tuple(sorted(first))


def _nothing(source: str, scan: _Scan) -> NoReturn:
    if scan.entries(scan.root)[1]:
        raise InputError(
            "{path} holds images but no class folders. Put the images of each class in a folder of its own.",
            path=source,
        )
    unread = Counter(ending for key in scan.ignored if (ending := Path(key).suffix.lower()) in CONVERTIBLE).most_common(
        3
    )
    if unread:
        raise InputError(
            "{path} holds no images that are read here, but {found}. Save them as JPEG or PNG.",
            path=source,
            found=", ".join(f"{count} {ending}" for ending, count in unread),
        )
    raise InputError(
        "{path} holds no images. Put the images of each class in a folder of its own, such as cats and dogs.",
        path=source,
    )
