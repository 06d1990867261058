"""Files that can be made again: each written in one step, all together bounded, what is damaged made anew."""

from __future__ import annotations

import hashlib
import math
import os
import re
import shutil
import time
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from core import settings

LEFTOVERS = 86_400.0
"""Seconds after which what an interrupted process left behind is removed."""
NOTED = 60.0
"""Seconds between two notes that a file was used."""
DAMAGED = (
    OSError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    SyntaxError,
    zlib.error,
    zipfile.BadZipFile,
)
"""What reading a damaged file raises, whatever its format."""

_Value = TypeVar("_Value")


def name_of(text: str) -> str:
    """Returns the name of a file: a digest of a text that says all that its contents depend on."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=20).hexdigest()


def beside(path: Path) -> Path:
    """Returns a new name in a file's folder, for what will take its place when it is complete."""
    return path.with_name(f".{path.name}.{uuid4().hex}")


def remove_leftovers(folder: Path, spared: Collection[str] = (), *, older_than: float = 0.0) -> None:
    """Removes what killed processes left of files that they were replacing, in a folder and all below it.

    Args:
        folder: The folder.
        spared: Names of files that others may be replacing now.
        older_than: Seconds since it was written; where nobody else writes into the folder, none.
    """
    latest = time.time() - older_than
    for path in [*folder.rglob(".*")]:
        found = re.fullmatch(r"\.(.+)\.[0-9a-f]{32}", path.name)
        if found and found[1] not in spared:
            with suppress(OSError):
                if path.stat().st_mtime <= latest:
                    path.unlink()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Replaces a file in one step, so that a reader sees the old or the new content, never a part.

    Args:
        path: The file; its folder exists.

    Yields:
        A path to write to. What was written takes the file's place if the block ends well, else it is removed.

    Raises:
        OSError: The file cannot be replaced; the old content stays.
    """
    temporary = beside(path)
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class DiskCache:
    """A folder of files of one kind, which processes share.

    Attributes:
        place: The folder, below that of the settings unless it is absolute; made when first written to.
        suffix: How the files' names end, as in ``.npz``.
        max_bytes: What all files together may take.
        max_files: How many there may be.
    """

    place: Path | str
    suffix: str
    max_bytes: float = math.inf
    max_files: float = math.inf

    @property
    def folder(self) -> Path:
        """The folder (it need not exist yet)."""
        return settings.cache_dir() / self.place

    def path(self, name: str) -> Path:
        """Returns the path of a file, whether it is there or not."""
        return self.folder / f"{name}{self.suffix}"

    def read(self, name: str, load: Callable[[Path], _Value]) -> _Value | None:
        """Reads a file, which counts as used then.

        Args:
            name: As :func:`name_of` makes it.
            load: Reads it; where it raises one of :data:`DAMAGED`, the file is removed.

        Returns:
            What ``load`` returned; ``None`` where there is no file, or it is damaged.
        """
        path = self.path(name)
        try:
            found = load(path)
        except DAMAGED as error:
            if not (isinstance(error, OSError) and error.errno):  # else the system cannot read it, for now
                self._remove(path)
            return None
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > NOTED:
                os.utime(path)
        return found

    def write(self, contents: Mapping[str, bytes]) -> None:
        """Keeps files by name, each in one step. What cannot be written is not kept: it can be made again."""
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            for name, content in contents.items():
                with replacing(self.path(name)) as temporary:
                    temporary.write_bytes(content)
        self.prune()

    def files(self) -> list[tuple[float, int, Path]]:
        """Returns the files with the time of their last use and their size in bytes, the longest unused first."""
        found = []
        for path in self.folder.glob(f"[!.]*{self.suffix}"):
            with suppress(OSError):
                state = path.stat()
                found.append((state.st_mtime, state.st_size, path))
        return sorted(found)

    def prune(self, size: int = 0) -> None:
        """Removes what was unused for longest until ``size`` more bytes fit, and what was left behind long ago."""
        files = self.files()
        total, count = sum(known for _, known, _ in files) + size, len(files)
        for _, known, path in files:
            fits = not size or size <= shutil.disk_usage(self.folder).free
            if total <= self.max_bytes and count <= self.max_files and fits:
                break
            self._remove(path)
            total, count = total - known, count - 1
        for pattern in (f".*{self.suffix}.*", "*.lock"):
            for path in self.folder.glob(pattern):
                with suppress(OSError):
                    if time.time() - path.stat().st_mtime > LEFTOVERS:
                        path.unlink()

    def _remove(self, path: Path) -> None:
        with suppress(OSError):
            path.unlink()
