"""Images that were listed once, opened again whatever stands beside them now."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from core.data.dataset import Dataset, Item
from core.data.decoding import SetDepth
from core.data.folders.reader import FolderReader, locate
from core.errors import InputError

_MOST_BASES, _WRAPPERS = 200, 8


def open_listed(
    source: str, rows: Sequence[tuple[str, str, str]], classes: Sequence[str], *, roots: Sequence[Path] | None = None
) -> Dataset:
    """Opens images that were listed once, whatever has come to stand beside them since.

    Args:
        source: The folder, as :func:`open_folder` took it.
        rows: For each image its key, its class and its split, as it was listed.
        classes: All classes in the order of their labels.
        roots: Folders that it must lie under.

    Returns:
        Those of the images that are still there, in the order of ``rows`` and with their splits.

    Raises:
        InputError: The folder is missing or outside ``roots``, or none of the images is found below it.
    """
    path = locate(source, roots)
    base = _base_of(path, [key for key, _, _ in rows])
    place = {name: label for label, name in enumerate(classes)}
    items = tuple(
        Item(key, place[name], split) for key, name, split in rows if name in place and (base / key).is_file()
    )
    if not items:
        raise InputError("None of the {count} images is found in {source} any more.", count=len(rows), source=source)
    limits = None if roots is None else tuple(Path(root).resolve() for root in roots)
    return Dataset(
        name=str(path),
        title=path.name,
        classes=tuple(classes),
        items=items,
        presplit=True,
        reader=FolderReader(base, limits, SetDepth(base, [item.key for item in items])),
        root=base,
    )


def _base_of(path: Path, keys: Sequence[str], sample: int = 16) -> Path:
    """Returns the folder that keys are relative to: the source, or one that it wraps."""
    some = keys[:: max(1, len(keys) // sample)]
    found: dict[Path, int] = {}
    level = [path]
    for _ in range(_WRAPPERS + 1):
        found |= {folder: sum((folder / key).is_file() for key in some) for folder in level}
        if max(found.values()) == len(some):
            break
        level = [inner for folder in level for inner in _folders_in(folder)][:_MOST_BASES]
    return max(found, key=lambda folder: found[folder])


def _folders_in(folder: Path) -> list[Path]:
    try:
        return sorted(inner for inner in folder.iterdir() if inner.is_dir() and not inner.name.startswith("."))
    except OSError:
        return []
