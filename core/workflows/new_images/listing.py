"""New images as a list that a network can be asked about, with what their folders say of their classes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from core.data.dataset import Dataset, Item
from core.data.decoding import SetDepth
from core.data.folders.reader import FolderReader, locate
from core.data.images import SUFFIXES
from core.errors import InputError


def images_below(folder: str | Path, classes: Sequence[str], *, roots: Sequence[Path] | None = None) -> Dataset:
    """Lists all images below a folder, whatever folders they lie in.

    Args:
        folder: The folder.
        classes: The network's classes. They label nothing here, see :func:`truth`.
        roots: Folders that it must lie under, links resolved; ``None`` for no limit.

    Raises:
        InputError: There is no such folder, or no image below it.
    """
    root = locate(str(folder), roots)
    keys = sorted(_below(root))
    if not keys:
        raise InputError("The folder {path} holds no pictures.", path=str(folder))
    limits = None if roots is None else tuple(Path(root).resolve() for root in roots)
    return _listed(str(root), keys, classes, FolderReader(root, limits, SetDepth(root, keys)), root)


def images_of(paths: Sequence[Path], classes: Sequence[str]) -> Dataset:
    """Lists images by their own paths, in the order given; that each is there is seen when it is read."""
    here = Path()
    keys = [str(path) for path in paths]
    return _listed("", keys, classes, FolderReader(here, None, SetDepth(here, keys)), None)


def _listed(name: str, keys: Sequence[str], classes: Sequence[str], reader: FolderReader, root: Path | None) -> Dataset:
    return Dataset(
        name=name,
        title=Path(name).name,
        classes=tuple(classes),
        items=tuple(Item(key, 0) for key in keys),
        presplit=False,
        reader=reader,
        root=root,
    )


def _below(root: Path) -> Iterable[str]:
    for folder, inner, files in os.walk(root):  # links to folders are not followed
        inner[:] = [name for name in inner if not name.startswith(".")]
        for name in files:
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES:
                yield (Path(folder) / name).relative_to(root).as_posix()


def truth(keys: Sequence[str], classes: Sequence[str]) -> tuple[list[int], dict[str, int]]:
    """Returns what the folders of images say of their classes.

    Args:
        keys: Paths; the last folder of each is held against the classes, small letters counting as large ones where
            that leaves no doubt.
        classes: The network's classes.

    Returns:
        The label of each image, -1 where its folder is named after no class; and the folders that are named after
        none, with how many images lie in each.
    """
    exact = {name: label for label, name in enumerate(classes)}
    folded = Counter(name.casefold() for name in classes)
    loose = {name.casefold(): label for label, name in enumerate(classes) if folded[name.casefold()] == 1}
    folders = [PurePosixPath(key.replace("\\", "/")).parent.name for key in keys]
    labels = [exact.get(name, loose.get(name.casefold(), -1)) for name in folders]
    unseen = Counter(name for name, label in zip(folders, labels, strict=True) if label < 0 and name)
    return labels, dict(unseen.most_common())
