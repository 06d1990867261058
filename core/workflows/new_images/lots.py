"""Images that somebody gives to try a network: pictures, zips or a folder are kept as one lot, and forgotten again.

Names and bytes are distrusted, as those of uploads are. A lot lies in a hidden folder of the uploads, counts as one of
them, and goes when it is :data:`DAYS` old, when :data:`MOST_LOTS` newer ones are there, or when somebody says so.
"""

from __future__ import annotations

import re
import secrets
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from core import settings, uploads
from core.data.folders.archive import hidden_folder, is_litter, safe_path, unpack_zip
from core.data.folders.passed_over import Note, read_notes, write_notes
from core.data.images import CONVERTIBLE, SUFFIXES
from core.data.importing.uploaded import MOST_FILES, Incoming
from core.errors import InputError
from core.messages import Progress

DAYS, MOST_LOTS = 7, 30


@dataclass(frozen=True, slots=True)
class Lot:
    """Images that were given together.

    Attributes:
        path: The folder that they lie in.
    """

    path: Path

    @property
    def id(self) -> str:
        """Its name in the address."""
        return self.path.name

    @property
    def notes(self) -> tuple[Note, ...]:
        """What of the files is no image that is read here."""
        folders = (self.path, *sorted(path for path in self.path.iterdir() if path.is_dir()))
        return tuple(note for folder in folders for note in read_notes(folder))

    def forget(self) -> None:
        """Deletes the images."""
        shutil.rmtree(self.path, ignore_errors=True)


def lots_dir() -> Path:
    """Returns the folder that lots lie in."""
    return settings.uploads_dir() / ".tried"


def open_lot(name: str) -> Lot:
    """Returns the lot of this id, and never a folder elsewhere.

    Raises:
        InputError: There is none (any more).
    """
    path = lots_dir() / name
    if not re.fullmatch(r"[\w-]{1,60}", name) or not path.is_dir() or path.is_symlink():
        raise InputError("These images are not kept here any more. Give them again.")
    return Lot(path)


def take(files: Sequence[Incoming], *, progress: Progress | None = None) -> Lot:
    """Keeps images that were sent together.

    Args:
        files: Pictures, zips, or a folder's files, named by their paths below it.
        progress: Called with files taken in and all; what it raises ends the work.

    Returns:
        The lot. Files that are no pictures are left out and noted; which pictures can be read is seen when they are.

    Raises:
        InputError: No file is a picture, a zip is damaged or hostile, a name leads elsewhere, or there is no room.
            Nothing is left behind.
    """
    if len(files) > MOST_FILES:
        raise InputError("{count} files are too many at once. Pack them into a zip.", count=len(files))
    sent = [(safe_path(file.name.replace("\\", "/"), file.name[:100]), file.stream) for file in files]
    sent = [(path, stream) for path, stream in sent if path.name and not is_litter(path)]
    staged = hidden_folder(settings.uploads_dir())
    try:
        notes = _stage(sent, staged, progress)
        write_notes(staged, notes)
        staged.chmod(0o755)
        lots_dir().mkdir(parents=True, exist_ok=True)
        _sweep()
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
        return Lot(staged.rename(lots_dir() / f"{stamp}-{secrets.token_hex(4)}"))
    except OSError as error:
        raise InputError(
            "The files could not be kept: {reason}.", reason=error.strerror or type(error).__name__
        ) from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _stage(sent: Sequence[tuple[PurePosixPath, BinaryIO]], staged: Path, progress: Progress | None) -> list[Note]:
    """Writes the pictures down below the hidden folder; returns what was left out."""
    pictures = [(path, stream) for path, stream in sent if path.suffix.lower() in SUFFIXES]
    zips = [(path, stream) for path, stream in sent if path.suffix.lower() == ".zip"]
    if not pictures and not zips:
        raise InputError(
            "None of the files is a picture that is read here, nor a zip. These are: {known}.",
            known=", ".join(sorted(ending[1:] for ending in SUFFIXES)),
        )
    needed = sum(_size(stream) for _path, stream in pictures)
    if pictures:
        uploads.check_room(needed, pictures[0][0].parts[0], settings.uploads_dir(), uploads.usage())
    for number, (path, stream) in enumerate(pictures):
        if progress is not None and number % 64 == 0:
            progress(number, len(pictures))
        target = _free(staged / path)
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            shutil.copyfileobj(stream, file)
    for path, stream in zips:
        unpack_zip(stream, path.name, staged, progress=progress)
    kinds = {path: "convertible" if path.suffix.lower() in CONVERTIBLE else "no image" for path, _stream in sent}
    taken = {path for path, _stream in (*pictures, *zips)}
    return [Note(kind, str(path)) for path, kind in kinds.items() if path not in taken]


def _size(stream: BinaryIO) -> int:
    size = stream.seek(0, 2)
    stream.seek(0)
    return size


def _free(path: Path) -> Path:
    """Returns the path, with a number in its name where another picture has it: phones call all alike."""
    found, number = path, 1
    while found.exists():
        number += 1
        found = path.with_name(f"{path.stem} ({number}){path.suffix}")
    return found


def _sweep() -> None:
    """Forgets what is old."""
    kept = sorted((path for path in lots_dir().iterdir() if path.is_dir()), reverse=True)
    for place, path in enumerate(kept):
        try:
            old = time.time() - path.stat().st_mtime > DAYS * 24 * 3600
        except OSError:
            continue
        if old or place >= MOST_LOTS:
            shutil.rmtree(path, ignore_errors=True)
