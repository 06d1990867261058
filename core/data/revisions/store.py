"""Where revisions are stored: a file for each, below the first folder that data may be read from."""

from __future__ import annotations

import dataclasses
import json
import re
import time
from pathlib import Path

from core import settings
from core.data.revisions.record import Revision
from core.disk_cache import name_of, replacing
from core.errors import InputError, storage_error

FILE = "revision.json"
"""What a run's folder calls the revision of its images."""
_HASH = re.compile(r"[0-9a-f]{20}")
_LEAST = 4  # digits of a hash that are enough where no other begins with them


def save(revision: Revision) -> Revision:
    """Stores a revision; the same changes again keep the parent and the time that they were first stored with.

    Args:
        revision: One without changes needs no file; a name replaces the one that is stored.

    Returns:
        The revision as it is stored.

    Raises:
        StorageError: The disk is full, or the folder cannot be written.
    """
    if not revision.changed:
        return revision
    path = _folder(revision.source) / f"{revision.hash}.json"
    known = _read(path)
    if known is not None:
        if not revision.name or revision.name == known.name:
            return known
        revision = dataclasses.replace(known, name=revision.name)
    elif not revision.made:
        revision = dataclasses.replace(revision, made=time.time())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            temporary.write_text(_json(revision), encoding="utf-8")
    except OSError as error:
        raise storage_error(error) or InputError(
            "The revision cannot be stored under {path}: {reason}.", path=str(path.parent), reason=error.strerror
        ) from error
    return revision


def is_stored(revision: Revision) -> bool:
    """Whether the same changes of the same source are stored already."""
    return _read(_folder(revision.source) / f"{revision.hash}.json") is not None


def forget(revision: Revision) -> None:
    """Takes a revision out of its source's history; no run may have been started with it."""
    if revision.changed:
        (_folder(revision.source) / f"{revision.hash}.json").unlink(missing_ok=True)


def load(digest: str) -> Revision:
    """Returns a revision by its hash.

    Raises:
        InputError: None of this hash is stored here, or its file is damaged.
    """
    if _HASH.fullmatch(digest):
        for path in settings.revisions_dir().glob(f"*/{digest}.json"):
            found = _read(path)
            if found is not None:
                return found
    raise InputError(
        "There is no revision {hash} here, or its file is damaged. Choose another one of the source's history, or take "
        "the files as they lie.",
        hash=digest[:40],
    )


def of(source: str, digest: str = "") -> Revision:
    """Returns the revision of a source that is in force: that of a hash, or one without changes.

    Raises:
        InputError: As for :func:`load`.
    """
    return load(digest) if digest else Revision(source)


def history(source: str) -> list[Revision]:
    """Returns all revisions of a source, the newest first; damaged files are passed over.

    Args:
        source: As a data set's ``name`` has it.
    """
    found = (_read(path) for path in _folder(source).glob("*.json"))
    return sorted((one for one in found if one is not None), key=lambda one: (-one.made, one.hash))


def find(source: str, reference: str) -> Revision:
    """Returns a source's revision by its hash, the beginning of it, or its name.

    Raises:
        InputError: There is none, or more than one.
    """
    known = history(source)
    for found in (
        [one for one in known if one.hash == reference],
        [one for one in known if one.name == reference][:1],  # of those of one name the newest
        [one for one in known if len(reference) >= _LEAST and one.hash.startswith(reference)],
    ):
        if len(found) == 1:
            return found[0]
        if found:
            raise InputError(
                "The revisions of {source} that begin with {hash} are several.", source=source, hash=reference
            )
    if _HASH.fullmatch(reference):
        return load(reference)
    raise InputError(
        "{source} has no revision {name}. See its history: python -m core data history {source}",
        source=source,
        name=reference[:80],
    )


def write_into(folder: Path, digest: str) -> None:
    """Puts a revision into a run's folder, so that the run can be opened where it is not stored.

    Raises:
        InputError: As for :func:`load`.
        OSError: It cannot be written.
    """
    with replacing(folder / FILE) as temporary:
        temporary.write_text(_json(load(digest)), encoding="utf-8")


def adopt(folder: Path) -> None:
    """Stores the revision of a run's folder, where there is one that is not stored here; a damaged one is not."""
    path = folder / FILE
    found = _read(path, named=False)
    if found is not None and not (_folder(found.source) / f"{found.hash}.json").is_file():
        save(found)


def _folder(source: str) -> Path:
    return settings.revisions_dir() / name_of(source)[:16]


def _json(revision: Revision) -> str:
    return json.dumps(revision.as_record(), indent=1, ensure_ascii=True) + "\n"


def _read(path: Path, *, named: bool = True) -> Revision | None:
    """Reads a file; ``None`` where it is damaged, or (``named``) holds other changes than its name says."""
    try:
        found = Revision.from_record(json.loads(path.read_bytes()))
    except (OSError, ValueError, RecursionError):  # an InputError among them
        return None
    return found if not named or found.hash == path.stem else None
