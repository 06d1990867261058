"""Uploaded zip archives, unpacked with distrust.

Only image files are taken out, to a folder of the upload's own, and nothing is left behind when anything is wrong.
Sizes are counted while bytes come out, because what an archive states of itself may be wrong.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import struct
import tempfile
import time
import unicodedata
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from core import settings, uploads
from core.data.folders.passed_over import Note, write_notes
from core.data.folders.zip_names import decoded_names
from core.data.images import CONVERTIBLE, SUFFIXES
from core.errors import InputError
from core.messages import Progress

MAX_ENTRIES = 200_000
"""Most entries of an archive."""

MAX_RATIO = 100
"""Most bytes that may come out for each byte of the archive, beyond the first :data:`FREE_BYTES`."""

FREE_BYTES = 50_000_000
"""So many bytes may come out whatever the archive's size."""

_DIRECTORY_BYTES = 100_000_000
_CHUNK = 1 << 20
_STALE_SECONDS = 24 * 3600
_PART = ".part-"
_UNIX = 3
_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".zst")
_Entry = tuple[PurePosixPath, zipfile.ZipInfo]
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)
"""Ways of packing that are unpacked."""


def unpack_zip(
    file: Path | bytes | BinaryIO,
    name: str,
    destination_root: Path | None = None,
    *,
    progress: Progress | None = None,
    beside: Callable[[PurePosixPath], bool] = lambda _: False,
) -> Path:
    """Unpacks the images of a zip archive into a new folder.

    Args:
        file: The archive: a path, its bytes, or a stream that can seek.
        name: The archive's name, which the folder is named after.
        destination_root: Where the folder is made; the folder of uploads by default.
        progress: Called with images unpacked and all; what it raises ends the work, and nothing is left behind.
        beside: Which files, other than images, are taken out too.

    Returns:
        The new folder. It holds image files only, in the archive's folders, and what was left out as
        :mod:`core.data.folders.passed_over` keeps it.

    Raises:
        InputError: The archive is damaged, encrypted, too large, holds no images, holds another archive or links,
            or has entries that lead outside it. Nothing is left behind.
    """
    root = destination_root if destination_root is not None else settings.uploads_dir()
    try:
        with opened(file) as stream, as_input_errors(name):
            size = stream.seek(0, os.SEEK_END)
            _check_upload(stream, size, name)
            with zipfile.ZipFile(stream) as archive:
                images, notes = _accepted(archive, size, name, beside)
                root.mkdir(parents=True, exist_ok=True)
                _sweep(root)
                inside = root.is_relative_to(settings.uploads_dir())
                used = uploads.usage(None if inside else destination_root)
                uploads.check_room(sum(info.file_size for _, info in images), name, root, used)
                return _extract(archive, images, notes, root, name, allowed=_allowed_bytes(size), progress=progress)
    except OSError as error:
        raise InputError(
            "{name} could not be unpacked: {reason}.", name=name, reason=error.strerror or type(error).__name__
        ) from error


@contextmanager
def opened(file: Path | bytes | BinaryIO) -> Iterator[BinaryIO]:
    """Opens what an archive was given as."""
    if isinstance(file, str | Path):
        with Path(file).open("rb") as stream:
            yield stream
    elif isinstance(file, bytes | bytearray | memoryview):
        yield BytesIO(file)
    else:
        yield file


@contextmanager
def as_input_errors(name: str) -> Iterator[None]:
    """Turns what a damaged archive raises into one sentence."""
    try:
        yield
    except InputError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, struct.error, UnicodeError, ValueError) as error:
        raise InputError("{name} is not a zip archive, or it is damaged.", name=name) from error
    except (NotImplementedError, RuntimeError) as error:
        raise InputError(
            "{name} is packed in a way that cannot be unpacked here. Make an ordinary zip of it.", name=name
        ) from error


def _check_upload(stream: BinaryIO, size: int, name: str) -> None:
    uploads.check_size(size, name)
    check_table_of_contents(stream, size, name)


def check_table_of_contents(stream: BinaryIO, size: int, name: str) -> None:
    """Makes sure that an archive's table of contents, which is read into memory at once, is not too long.

    Raises:
        InputError: It is.
    """
    if _directory_bytes(stream, size) > _DIRECTORY_BYTES:
        raise _too_many(name)


def _directory_bytes(stream: BinaryIO, size: int) -> int:
    """Returns how long the archive states its table of contents to be, which would all be read into memory at once."""
    tail = min(size, 22 + 65535 + 20 + 56)
    stream.seek(size - tail)
    data = stream.read(tail)
    end = data.rfind(b"PK\x05\x06")
    if end < 0 or len(data) < end + 22:
        return 0
    stated = int.from_bytes(data[end + 12 : end + 16], "little")
    large = data.rfind(b"PK\x06\x06", 0, end)  # the record of archives beyond 4 GB
    if large >= 0:
        stated = max(stated if stated != 0xFFFFFFFF else 0, int.from_bytes(data[large + 40 : large + 48], "little"))
    return min(stated, size)


def _accepted(
    archive: zipfile.ZipFile, size: int, name: str, beside: Callable[[PurePosixPath], bool]
) -> tuple[list[_Entry], list[Note]]:
    """Checks every entry; returns the image files with the paths they will have, and the notes on others."""
    entries = archive.infolist()
    if len(entries) > MAX_ENTRIES:
        raise _too_many(name)
    images: dict[PurePosixPath, zipfile.ZipInfo] = {}
    texts, guessed = decoded_names(entries)
    notes = [Note("guessed", name, guessed)] if guessed else []
    for info, found in zip(entries, texts, strict=True):
        literal = "/" in found and info.create_system == _UNIX and os.sep == "/"  # a letter beside the separator
        text = found if literal else found.replace("\\", "/")
        path = safe_path(text, name)
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise InputError(
                "{name} holds {entry}, which is a link or a device. Pack the files themselves.",
                name=name,
                entry=str(path),
            )
        if text.endswith("/") or is_litter(path):
            continue
        if info.flag_bits & 0x1:
            raise InputError("{name} is encrypted. Pack it again without a password.", name=name)
        if path.suffix.lower() in _ARCHIVES:
            raise InputError(
                "{name} holds another archive, {entry}. Unpack that one first.", name=name, entry=str(path)
            )
        if path.suffix.lower() not in SUFFIXES and not beside(path):
            notes.append(Note("convertible" if path.suffix.lower() in CONVERTIBLE else "no image", str(path)))
            continue
        if info.compress_type not in METHODS:
            raise NotImplementedError(info.compress_type)
        if path in images:
            raise InputError("{name} holds {entry} twice.", name=name, entry=str(path))
        images[path] = info
    unread = Counter(PurePosixPath(note.name).suffix.lower() for note in notes if note.kind == "convertible")
    if not images and unread:
        raise InputError(
            "{name} holds no images that are read here, but {found}. Save them as JPEG or PNG.",
            name=name,
            found=", ".join(f"{count} {ending}" for ending, count in unread.most_common(3)),
        )
    if not images:
        raise InputError("{name} holds no images. Pack one folder of images for each class.", name=name)
    if sum(info.file_size for info in images.values()) > _allowed_bytes(size):
        raise _bomb(name)
    return list(images.items()), notes


def safe_path(text: str, name: str) -> PurePosixPath:
    """Returns the path of an entry of ``name``, or refuses one that could lead anywhere else."""
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if text.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", text) or re.match(r"[A-Za-z]:", text) or "\0" in text:
        raise InputError(
            "{name} holds {entry}, which leads outside the archive. It was not unpacked.", name=name, entry=text[:100]
        )
    if any(len(part.encode("utf-8", "replace")) > 255 for part in parts) or len(text) > 1000:
        raise InputError("{name} holds a name that is too long: {entry}.", name=name, entry=text[:60] + "…")
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in text):
        raise InputError("{name} holds a name with control characters: {entry}.", name=name, entry=repr(text[:60]))
    return PurePosixPath(*parts)


def is_litter(path: PurePosixPath) -> bool:
    """Returns whether a file is one that systems leave beside a person's own."""
    return any(part.startswith(".") or part in ("__MACOSX", "@eaDir") for part in path.parts)


def _allowed_bytes(size: int) -> int:
    return max(FREE_BYTES, MAX_RATIO * size)


def _extract(
    archive: zipfile.ZipFile,
    images: list[_Entry],
    notes: list[Note],
    root: Path,
    name: str,
    *,
    allowed: int,
    progress: Progress | None,
) -> Path:
    """Writes the images to a hidden folder and gives it its name when all are there."""
    part = hidden_folder(root)
    try:
        written = 0
        for number, (path, info) in enumerate(images):
            if progress is not None and number % 64 == 0:
                progress(number, len(images))
            target = part / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(info) as source, target.open("xb") as file:
                while chunk := source.read(_CHUNK):
                    written += len(chunk)
                    if written > allowed:
                        raise _bomb(name)
                    file.write(chunk)
        write_notes(part, notes)
        part.chmod(0o755)
        return _named(part, root, _slug(name))
    except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
        raise InputError("{name} holds a file and a folder of the same name.", name=name) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _named(part: Path, root: Path, slug: str) -> Path:
    """Renames the finished folder to the first name that is free."""
    for number in range(1, 1000):
        target = root / (slug if number == 1 else f"{slug}-{number}")
        if target.exists() or target.is_symlink():
            continue
        try:
            return part.rename(target)
        except OSError:
            if not target.exists():  # somebody else took the name just now: try the next; anything else is an error
                raise
    raise InputError("There are too many uploads named {name}. Delete some first.", name=slug)


def _slug(name: str) -> str:
    """Makes a folder's name of an archive's: letters and digits of any script, and dashes."""
    stem = Path(name.replace("\\", "/")).name
    stem = stem[:-4] if stem.lower().endswith(".zip") else stem
    slug = re.sub(r"[^\w\u200c]+", "-", unicodedata.normalize("NFC", stem)).strip("-_\u200c")
    return slug[:60] or "upload"


def hidden_folder(root: Path) -> Path:
    """Makes a folder beside the uploads that no page lists, for what is not complete yet."""
    root.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=_PART, dir=root))


def _sweep(root: Path) -> None:
    """Deletes what an interrupted process left half unpacked a day or longer ago."""
    for part in root.glob(_PART + "*"):
        if time.time() - part.stat().st_mtime > _STALE_SECONDS:
            shutil.rmtree(part, ignore_errors=True)


def _too_many(name: str) -> InputError:
    return InputError("{name} holds more than {limit} entries.", name=name, limit=MAX_ENTRIES)


def _bomb(name: str) -> InputError:
    return InputError("{name} grows far too much when it is unpacked. It was not unpacked.", name=name)
