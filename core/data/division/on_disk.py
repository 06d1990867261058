"""A division as folders: ``train``, ``val`` and ``test`` with a folder a class, and what it is known by again."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path

from core.data.dataset import Dataset, Item
from core.data.division.relatives import below_class
from core.data.encoding import png
from core.errors import InputError
from core.messages import Progress


def fingerprint(dataset: Dataset, progress: Progress | None = None) -> str:
    """Returns a digest of which pictures stand in which split and class.

    It depends neither on names nor on the order of files, so a division that was written to disk is known again by it.
    A picture counts by the bytes of its file, or of the file that would be written.

    Raises:
        InputError: An image cannot be read.
    """
    rows = []
    for number, item in enumerate(dataset.items, 1):
        content = hashlib.blake2b(stored(dataset, item), digest_size=16).hexdigest()
        rows.append(f"{item.split}\0{dataset.classes[item.label]}\0{content}")
        if progress is not None and (number % 64 == 0 or number == len(dataset)):
            progress(number, len(dataset))
    return hashlib.blake2b("\n".join(sorted(rows)).encode("utf-8"), digest_size=16).hexdigest()


def write_division(dataset: Dataset, target: Path, progress: Progress | None = None) -> Path:
    """Writes the images of a divided data set as folders of splits and classes; see :func:`new_folder`.

    Args:
        dataset: The images; each has a split.
        target: The folder; it must not be there yet, or be empty.
        progress: Called with the images written and all.

    Raises:
        InputError: The folder is not empty or cannot be written, or an image cannot be read. Nothing is left behind.
    """
    with new_folder(target) as part:
        for number, item in enumerate(dataset.items, 1):
            place(part, dataset, item).write_bytes(stored(dataset, item))
            if progress is not None and (number % 64 == 0 or number == len(dataset)):
                progress(number, len(dataset))
    return target


def place(folder: Path, dataset: Dataset, item: Item, mark: str = "", ending: str = "") -> Path:
    """Returns a new path for an image below its split and class; the folders above it are made.

    Args:
        folder: Where the splits stand.
        dataset: What the image belongs to.
        item: The image.
        mark: Is put to its name.
        ending: Of the file; by default that of the image's own, or ``.png``.
    """
    below = below_class(dataset, item.key, item.label)
    ending = ending or (below.suffix if dataset.reader.path(item.key) is not None else ".png")
    stem = below.stem if below.suffix else below.name
    above = folder / item.split / dataset.classes[item.label] / below.parent
    above.mkdir(parents=True, exist_ok=True)
    path = above / f"{stem}{mark}{ending}"
    number = 1
    while path.exists():
        number += 1
        path = above / f"{stem}{mark}-{number}{ending}"
    return path


class new_folder:  # noqa: N801 - a context manager, used like a function
    """Makes a folder that appears when all of it is written: a hidden one beside it takes its name at the end.

    Raises:
        InputError: There is something in its place, or it cannot be written.
    """

    def __init__(self, target: Path) -> None:
        self.target = Path(target)

    def __enter__(self) -> Path:
        try:
            if self.target.exists() and (not self.target.is_dir() or any(self.target.iterdir())):
                raise InputError(
                    "{path} is there already and not empty. Name a new folder to write to.", path=str(self.target)
                )
            self.target.parent.mkdir(parents=True, exist_ok=True)
            self.part = Path(tempfile.mkdtemp(prefix=".part-", dir=self.target.parent))
        except OSError as error:
            raise self._unwritten(error) from error
        self.part.chmod(0o755)
        return self.part

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        try:
            if kind is None:
                if self.target.exists():
                    self.target.rmdir()
                self.part.rename(self.target)
        except OSError as failed:
            raise self._unwritten(failed) from failed
        finally:
            shutil.rmtree(self.part, ignore_errors=True)
        if isinstance(error, OSError):
            raise self._unwritten(error) from error

    def _unwritten(self, error: OSError) -> InputError:
        return InputError(
            "{path} cannot be written: {reason}.", path=str(self.target), reason=error.strerror or str(error)
        )


def stored(dataset: Dataset, item: Item) -> bytes:
    """Returns the bytes of an image's file, or of the file that is written where it has none."""
    path = dataset.reader.path(item.key)
    if path is None:
        return png(dataset.reader.load(item.key), repeats=True)
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError("{name} is not there (any more).", name=item.key) from error
