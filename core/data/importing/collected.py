"""The folder that an import fills: hidden until it is complete, then a source by its name."""

from __future__ import annotations

import json
import os
import re
import shutil
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from types import TracebackType

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core import settings, uploads
from core.data.encoding import png
from core.data.folders.archive import hidden_folder
from core.data.folders.class_folders import COLUMNS_FILE
from core.data.folders.passed_over import Note, write_notes
from core.data.images import CONVERTIBLE, read_image
from core.errors import InputError
from core.messages import Progress

MOST_CLASSES = 10_000
"""Classes of an import at most: more are numbers or names of files, not classes."""
MOST_IMAGES = 2_000_000
_MOST_COLUMNS = 30
_MOST_BYTES = 100_000_000
_REPORTED = 64
_ENDINGS = {
    "JPEG": ".jpg",
    "PNG": ".png",
    "GIF": ".gif",
    "WEBP": ".webp",
    "BMP": ".bmp",
    "TIFF": ".tif",
    "AVIF": ".avif",
}
_NAME = re.compile(r"[^\W_][\w-]{0,59}")


class Collected:
    """Takes images in and becomes a data source when it is left without an error; else nothing is left behind.

    Args:
        name: What the source is called: letters, digits, ``-`` and ``_``.
        origin: What the images come from, for sentences.
        root: Where imported sources lie; by default the folder of uploads.
        progress: Called with images taken in and all, 0 where that is not known; what it raises ends the work.

    Raises:
        InputError: The name cannot be used or is taken, or there is no room.
    """

    def __init__(self, name: str, origin: str, root: Path | None = None, progress: Progress | None = None) -> None:
        self.name, self.origin = unicodedata.normalize("NFC", name), origin
        self.root = root if root is not None else settings.uploads_dir()
        self.count = 0
        self.expected = 0
        self._progress = progress
        self.notes: list[Note] = []
        self._classes: dict[str, str] = {}
        self._folders: set[str] = set()
        self._columns: dict[str, dict[str, str]] = defaultdict(dict)
        self._written = 0
        self._splits: set[str] = set()
        if not _NAME.fullmatch(self.name):
            raise InputError(
                "{name} cannot be the name of a data source. Use up to 60 letters, digits, - and _, a letter or digit "
                "first.",
                name=name[:80],
            )
        self._refuse_taken()

    def __enter__(self) -> Collected:
        try:
            self.part = hidden_folder(self.root)
            self._room = min(settings.upload_quota() - uploads.usage(self.root), shutil.disk_usage(self.root).free)
        except OSError as error:
            raise self._unwritten(error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish()
        except OSError as failed:
            raise self._unwritten(failed) from failed
        finally:
            shutil.rmtree(self.part, ignore_errors=True)
        if isinstance(error, OSError) and not isinstance(error, InputError):
            raise self._unwritten(error) from error

    @property
    def path(self) -> Path:
        """The folder that it becomes."""
        return self.root / self.name

    def refuse_many_classes(self, labels: Iterable[str]) -> None:
        """Refuses labels of more classes than an import may have, before an image is taken in."""
        known: set[str] = set()
        for label in labels:
            known.add(label)
            if len(known) > MOST_CLASSES:
                raise self._many_classes(label)

    def add_pixels(self, pixels: NDArray[np.uint8], label: str, stem: str, split: str = "") -> None:
        """Takes in an image as an array, uint8 HxW or HxWx3."""
        self.add_bytes(png(Image.fromarray(pixels), repeats=True), ".png", label, stem, split)

    def add_bytes(
        self, data: bytes, ending: str, label: str, stem: str, split: str = "", columns: Mapping[str, str] | None = None
    ) -> None:
        """Takes in an image as the bytes of a file."""
        self._written += len(data)
        if self._written > self._room:
            raise InputError(
                "There is no room for the images of {origin}: all uploads together may take {quota} MB. Delete an "
                "older one first.",
                origin=self.origin,
                quota=round(settings.upload_quota() / 1e6),
            )
        self._place(label, stem, ending, split, columns or {}).write_bytes(data)

    def add_checked(
        self, data: bytes, name: str, label: str, split: str = "", columns: Mapping[str, str] | None = None
    ) -> bool:
        """Takes in the bytes of a file that nobody checked: one that cannot be decoded is passed over and noted.

        Returns:
            Whether it was taken in.
        """
        file = PurePosixPath(name)
        if file.suffix.lower() in CONVERTIBLE:
            self.pass_over("convertible", name)
            return False
        try:
            if len(data) > _MOST_BYTES:
                raise InputError("{name} is larger than an image may be.", name=name)
            kind = read_image(data, name=name, least=32).format
        except InputError as error:
            self.pass_over("unreadable", name, str(error))
            return False
        self.add_bytes(data, _ENDINGS.get(kind, ".png"), label, file.stem, split, columns)
        return True

    def add_file(self, path: Path, label: str, split: str = "", columns: Mapping[str, str] | None = None) -> None:
        """Takes in a file, which is not copied where a link to it does."""
        place = self._place(label, path.stem, path.suffix.lower(), split, columns or {})
        try:
            os.link(path, place)
        except OSError:
            self._written += path.stat().st_size
            shutil.copyfile(path, place)

    def pass_over(self, kind: str, name: str, value: str = "") -> None:
        """Notes what was left out; see :data:`core.data.folders.passed_over.SENTENCES`."""
        self.notes.append(Note(kind, name[:200], value))

    def _place(self, label: str, stem: str, ending: str, split: str, columns: Mapping[str, str]) -> Path:
        self.count += 1
        if self._progress is not None and self.count % _REPORTED == 0:
            self._progress(self.count, max(self.expected, self.count) if self.expected else 0)
        self._splits.add(split)
        if self.count > MOST_IMAGES:
            raise InputError("{origin} holds more than {most} images.", origin=self.origin, most=MOST_IMAGES)
        folder = self.part / split / self._folder(label)
        folder.mkdir(parents=True, exist_ok=True)
        plain = _plain(stem) or str(self.count)
        place, number = folder / f"{plain}{ending}", 1
        while place.exists():
            number += 1
            place = folder / f"{plain}~{number}{ending}"
        key = place.relative_to(self.part).as_posix()
        for name, value in columns.items():
            if name in self._columns or len(self._columns) < _MOST_COLUMNS:
                self._columns[name][key] = value[:200]
        return place

    def _folder(self, label: str) -> str:
        """Returns the folder of a class; names that differ only by what a folder cannot be called stay apart."""
        if label not in self._classes:
            if len(self._classes) >= MOST_CLASSES:
                raise self._many_classes(label)
            plain = _plain(label)
            if not plain:
                raise InputError(
                    "{origin} has a class called {name}, which no folder can be called.",
                    origin=self.origin,
                    name=repr(label[:60]),
                )
            number, folder = 1, plain
            while folder in self._folders:
                number += 1
                folder = f"{plain}~{number}"
            self._folders.add(folder)
            self._classes[label] = folder
        return self._classes[label]

    def _finish(self) -> None:
        if not self.count:
            raise InputError("{origin} holds no images that can be read.", origin=self.origin)
        if len(self._splits) > 1 and "" in self._splits:
            raise InputError(
                "Some images of {origin} stand in a split and others in none. Give each one a split, or none.",
                origin=self.origin,
            )
        if len(self._classes) < 2:
            raise InputError(
                "{origin} holds a single class, {name}. Two are needed.",
                origin=self.origin,
                name=next(iter(self._classes)),
            )
        write_notes(self.part, self.notes)
        if self._columns:
            text = json.dumps(self._columns, ensure_ascii=False)
            (self.part / COLUMNS_FILE).write_text(text, encoding="utf-8")
        self.part.chmod(0o755)
        self._refuse_taken()
        try:
            self.part.rename(self.path)
        except OSError:
            self._refuse_taken()  # somebody else took the name just now
            raise

    def _refuse_taken(self) -> None:
        if self.path.exists() or self.path.is_symlink():
            raise InputError("There is a data source {name} already. Choose another name.", name=self.name)

    def _many_classes(self, example: str) -> InputError:
        return InputError(
            "{origin} has more than {most} classes, such as {example}. Is that the column of the classes?",
            origin=self.origin,
            most=MOST_CLASSES,
            example=example[:60],
        )

    def _unwritten(self, error: OSError) -> InputError:
        return InputError(
            "{origin} could not be imported: {reason}.",
            origin=self.origin,
            reason=error.strerror or type(error).__name__,
        )


def _plain(text: str) -> str:
    """Returns a name that a folder or file can have: no separators, no control characters, no leading dot."""
    text = unicodedata.normalize("NFC", text).strip()
    text = "".join(
        "-" if unicodedata.category(sign) in ("Cc", "Cs", "Cf") or sign in '/\\:*?"<>|' else sign for sign in text
    )
    text = text.lstrip(".").strip()
    return text.encode("utf-8")[:120].decode("utf-8", "ignore").rstrip(". ")
