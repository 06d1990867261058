"""Files that a browser sent: one or several, or a whole folder, become a data source.

Names and bytes are distrusted. The files lie in a hidden folder until the source is complete, and nothing of them
is left when anything is wrong or the work is cut off.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

from core import settings, uploads
from core.data.folders.archive import hidden_folder, is_litter, safe_path, unpack_zip
from core.data.folders.passed_over import Note, write_notes
from core.data.images import CONVERTIBLE, SUFFIXES
from core.data.importing.collected import Collected
from core.data.importing.importer import KINDS, TABLES, import_data
from core.data.sources import is_embedded, open_dataset
from core.errors import InputError
from core.file_names import file_name
from core.messages import Progress

ENDINGS = ("zip", "csv", "tsv", "txt", "xlsx", "xlsm", "jsonl", "npz", "npy", "parquet", "bin", "gz")
"""Endings of the files that are imported, beside those of pictures; IDX files have none."""
MOST_FILES = 200_000
_INSIDE = (".csv", ".tsv", ".xlsx", ".jsonl", ".npz", ".npy", ".parquet", ".bin")
"""Files of a zip that are imported where it holds no pictures in folders of classes."""
_TOGETHER = (".bin", ".parquet")
"""Kinds of which the files of one folder are one set."""


class Incoming(NamedTuple):
    """A file that was sent.

    Attributes:
        name: Its name; within a folder that was sent its path, the folder's name first.
        stream: Its bytes.
    """

    name: str
    stream: BinaryIO


def import_files(files: Sequence[Incoming], name: str = "", *, progress: Progress | None = None) -> Path:
    """Makes a data source of files that were sent together.

    That is one file of a kind that :func:`core.data.importing.importer.import_data` reads; a table with the pictures
    it names; arrays with their labels; or the pictures of a folder with one folder a class.

    Args:
        files: What was sent.
        name: What the source is called; by default after the files, with a number where that name is taken.
        progress: Called with images taken in and all, 0 where that is not known.

    Returns:
        The source's folder among the uploads.

    Raises:
        InputError: A file is of no kind that is read, damaged, too large, or one that it needs is missing; a name
            leads elsewhere; or the name of the source cannot be used. Nothing is left behind.
    """
    if not files:
        raise InputError("No files were sent.")
    if len(files) > MOST_FILES:
        raise InputError("{count} files are too many at once. Pack them into a zip.", count=len(files))
    sent = [(safe_path(file.name.replace("\\", "/"), file.name[:100]), file.stream) for file in files]
    sent = [(path, stream) for path, stream in sent if path.name and not is_litter(path)]
    zips = [path for path, _ in sent if path.suffix.lower() == ".zip"]
    if len(zips) == 1 == len(sent):
        return _unpacked(sent[0][1], zips[0].name, name, progress)
    staged = hidden_folder(settings.uploads_dir())
    try:
        _stage(sent, staged)
        return _imported(staged, [path for path, _ in sent], name, progress)
    except OSError as error:
        raise InputError(
            "The files could not be imported: {reason}.", reason=error.strerror or type(error).__name__
        ) from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def import_zip(path: Path, name: str, *, progress: Progress | None = None) -> Path:
    """Makes a data source of a zip on this machine, whatever importable files it holds.

    Args:
        path: The zip: of folders of pictures, of a table with its pictures, or of arrays with their labels.
        name: What the source is called.
        progress: Called with images taken in and all, 0 where that is not known.

    Returns:
        The source's folder.

    Raises:
        InputError: As for :func:`import_files`.
    """
    if is_embedded(name):
        raise InputError("{name} is a built-in data set. Choose another name.", name=name)
    try:
        with path.open("rb") as stream:
            return import_files([Incoming(path.name, stream)], name, progress=progress)
    except OSError as error:
        raise InputError("{path} cannot be read: {reason}.", path=str(path), reason=error.strerror) from error


def import_staged(staged: Path, name: str, *, progress: Progress | None = None) -> Path:
    """Makes a data source of files that lie in a hidden folder of the uploads, where something fetched them.

    Args:
        staged: The folder; it becomes the source where it holds pictures in folders of classes.
        name: What the source is called.
        progress: Called with images taken in and all, 0 where that is not known.

    Returns:
        The source's folder.

    Raises:
        InputError: As for :func:`import_files`. Links are not followed.
    """
    for path in staged.rglob("*"):
        if path.is_symlink():
            path.unlink()
    zips = [path for path in _files(staged) if path.suffix.lower() == ".zip"]
    paths = _files(staged)
    if len(zips) == 1 == len(paths):
        return import_zip(staged / zips[0], name, progress=progress)
    return _imported(staged, paths, name, progress)


def free_name(text: str) -> str:
    """Returns a name for a source after a text: letters, digits and dashes, with a number where it is taken."""
    stem = file_name(text, 50).strip("_-") or "upload"
    name, number = stem, 1
    while is_embedded(name) or (settings.uploads_dir() / name).exists():
        number += 1
        name = f"{stem}-{number}"
    return name


def import_classes(classes: Mapping[str, Sequence[Incoming]], name: str, *, progress: Progress | None = None) -> Path:
    """Makes a data source of pictures that were put into classes by hand.

    Args:
        classes: For each class its pictures; at least two have some.
        name: What the source is called.
        progress: Called with pictures taken in and all.

    Returns:
        The source's folder among the uploads. Files that are no pictures are left out and noted.

    Raises:
        InputError: A class has no name or no picture that can be read, there is a single one, or there is no room.
            Nothing is left behind.
    """
    labels = [label.strip() for label in classes]
    if len(classes) < 2 or not all(labels):
        raise InputError("Name at least two classes.")
    if len(set(labels)) < len(labels):
        raise InputError("Two classes are called {name}.", name=max(labels, key=labels.count))
    if is_embedded(name):
        raise InputError("{name} is a built-in data set. Choose another name.", name=name)
    with Collected(name, name, progress=progress) as target:
        target.expected = sum(map(len, classes.values()))
        for label, files in zip(labels, classes.values(), strict=True):
            taken = 0
            for file in files:
                uploads.check_size(_size(file.stream), file.name[:100])
                plain = PurePosixPath(file.name.replace("\\", "/")).name
                taken += target.add_checked(file.stream.read(), plain, label)
            if not taken:
                raise InputError("The class {name} has no picture that can be read.", name=label)
    return target.path


def _size(stream: BinaryIO) -> int:
    size = stream.seek(0, 2)
    stream.seek(0)
    return size


def _stage(sent: Sequence[tuple[PurePosixPath, BinaryIO]], staged: Path) -> None:
    """Writes the files down below the hidden folder."""
    needed = 0
    for path, stream in sent:
        size = _size(stream)
        if path.suffix.lower() not in SUFFIXES:  # an empty picture is left out with the unreadable ones
            uploads.check_size(size, path.name)
        needed += size
    root = settings.uploads_dir()
    uploads.check_room(needed, sent[0][0].parts[0] if sent else "", root, uploads.usage())
    for path, stream in sent:
        target = staged / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            raise InputError("{name} was sent twice.", name=str(path))
        with target.open("xb") as file:
            shutil.copyfileobj(stream, file)


def _imported(staged: Path, paths: Sequence[PurePosixPath], name: str, progress: Progress | None) -> Path:
    pictures = [path for path in paths if path.suffix.lower() in SUFFIXES]
    others = [path for path in paths if path.suffix.lower() not in SUFFIXES]
    main = _main(others, has_pictures=bool(pictures))
    if main is None:
        return _adopted(staged, pictures, others, name)
    together = main.suffix.lower() in _TOGETHER or "idx3" in main.name
    source = (staged / main).parent if together and len(others) > 1 else staged / main
    called = name or free_name(main.parts[0] if len(main.parts) > 1 else _stem(main.name))
    return import_data(source, called, progress=progress)


def _stem(name: str) -> str:
    return name[:-3].rpartition(".")[0] or name[:-3] if name.lower().endswith(".gz") else PurePosixPath(name).stem


def _main(others: Sequence[PurePosixPath], *, has_pictures: bool) -> PurePosixPath | None:
    """Returns the file that the others belong to; ``None`` where pictures stand for themselves."""
    tables = [path for path in others if path.suffix.lower() in TABLES]
    noted = [path for path in tables if path.stem == "metadata"]
    arrays = [path for path in others if path.suffix.lower() in (".npz", ".npy", *_TOGETHER) or _may_be_idx(path)]
    images = [path for path in arrays if not _holds_labels(path)]
    if arrays and not has_pictures:
        apart = [path for path in images if path.suffix.lower() in (".npz", ".npy")]
        if len(apart) > 1:
            raise InputError(
                "{first} and {second} both hold images. Send one with its labels, or save all arrays into one npz.",
                first=apart[0].name,
                second=apart[1].name,
            )
        return (images or arrays)[0]
    if len(noted or tables) > 1:
        raise InputError(
            "{first} and {second} are two tables. Send one of them, with the pictures that it names.",
            first=tables[0].name,
            second=tables[1].name,
        )
    if tables:
        return (noted or tables)[0]
    if not has_pictures and others:
        return next((path for path in others if path.suffix.lower() == ".zip"), others[0])
    return None


def _may_be_idx(path: PurePosixPath) -> bool:
    return path.suffix.lower() == ".gz" or "idx3" in path.name or "idx1" in path.name


def _holds_labels(path: PurePosixPath) -> bool:
    stem = path.stem.lower()
    return "idx1" in path.name or "labels" in stem or stem.endswith("_y") or stem == "y" or stem.startswith("y_")


def _adopted(staged: Path, pictures: Sequence[PurePosixPath], others: Sequence[PurePosixPath], name: str) -> Path:
    """Makes a source of pictures that came in folders, one a class, as they are."""
    if not pictures:
        raise InputError("No file is of a kind that is imported. These are: {known}.", known=KINDS)
    if max(len(path.parts) for path in pictures) < 2:
        raise InputError(
            "{count} pictures came without folders, so their classes are not known. Put them into classes of your own.",
            count=len(pictures),
        )
    for path in others:
        (staged / path).unlink()
    kinds = ((path, "convertible" if path.suffix.lower() in CONVERTIBLE else "no image") for path in others)
    write_notes(staged, [Note(kind, str(path)) for path, kind in kinds])
    open_dataset(str(staged))
    target = Collected(name or free_name(pictures[0].parts[0]), pictures[0].parts[0])
    staged.chmod(0o755)
    staged.rename(target.path)
    return target.path


def _unpacked(stream: BinaryIO, sent: str, name: str, progress: Progress | None) -> Path:
    """Makes a source of a zip: of its folders of pictures, else of the table or the arrays that it holds."""
    called = Collected(name or free_name(PurePosixPath(sent).stem), sent).name
    try:
        return _usable(unpack_zip(stream, f"{called}.zip", progress=progress))
    except InputError as error:
        staged = hidden_folder(settings.uploads_dir())
        try:
            inner = unpack_zip(stream, sent, staged, beside=_is_inside)
            paths = _files(inner)
            if not any(map(_is_inside, paths)):
                raise error
            return _imported(inner, paths, called, progress)
        except InputError as second:
            raise error if second.template == error.template else second from None
        finally:
            shutil.rmtree(staged, ignore_errors=True)


def _files(folder: Path) -> list[PurePosixPath]:
    found = [PurePosixPath(path.relative_to(folder)) for path in sorted(folder.rglob("*")) if path.is_file()]
    return [path for path in found if not is_litter(path)]


def _is_inside(path: PurePosixPath) -> bool:
    return path.suffix.lower() in _INSIDE or "idx3" in path.name or "idx1" in path.name


def _usable(folder: Path) -> Path:
    """Returns a source that can be opened; one that cannot be trained on is taken away again."""
    try:
        open_dataset(str(folder))
    except InputError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder
