"""Any file that holds labelled images becomes a data source of a name."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from core.data.folders.archive import unpack_zip
from core.data.importing.arrays import Block, binary_blocks, idx_blocks, numpy_blocks
from core.data.importing.collected import Collected
from core.data.importing.parquet import collect_parquet
from core.data.importing.tables import collect_files, is_pixels, pixel_block
from core.data.sources import is_embedded, open_dataset
from core.errors import InputError
from core.messages import Progress

TABLES = (".csv", ".tsv", ".txt", ".xlsx", ".xlsm", ".jsonl")
_METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
KINDS = "zip, csv, tsv, xlsx, npz, npy, IDX (also gz), CIFAR's and STL-10's bin, parquet, a folder with metadata.csv"


def import_data(
    source: Path | str,
    name: str,
    *,
    roots: Sequence[Path] | None = None,
    root: Path | None = None,
    progress: Progress | None = None,
) -> Path:
    """Makes a data source of a file; afterwards it is opened by its name like any other.

    Args:
        source: The file, or a folder that holds IDX files, CIFAR's or STL-10's binaries, or ``metadata.csv``.
        name: What the source is called.
        roots: Further folders in which files that a table names may lie.
        root: Where sources lie; by default the folder of uploads.
        progress: Called with images taken in and all, where that is known.

    Returns:
        The source's folder.

    Raises:
        InputError: The file is of no kind that is read, damaged, or leads elsewhere; or the name cannot be used.
            Nothing is left behind.
    """
    path = Path(source).expanduser()
    if is_embedded(name):
        raise InputError("{name} is a built-in data set. Choose another name.", name=name)
    if not path.exists():
        raise InputError("There is no file {path}.", path=str(path))
    if path.is_file() and path.stat().st_size == 0:
        raise InputError("{name} is empty: it holds no bytes.", name=path.name)
    ending = path.suffix.lower()
    if path.is_file() and ending == ".zip":
        target = Collected(name, path.name, root)
        folder = unpack_zip(path, f"{target.name}.zip", target.root, progress=progress)
    else:
        with Collected(name, path.name, root, progress) as target:
            if path.is_dir():
                _collect_folder(path, target, roots)
            else:
                _collect_file(path, target, roots)
        folder = target.path
    try:
        open_dataset(str(folder))
    except InputError:  # its splits or classes are none that can be trained on
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def _collect_file(path: Path, target: Collected, roots: Sequence[Path] | None) -> None:
    ending = path.suffix.lower()
    if ending in TABLES:
        if ending in (".csv", ".tsv", ".txt") and is_pixels(path):
            _take_in([pixel_block(path)], target)
        else:
            collect_files(path, target, roots)
    elif ending in (".npz", ".npy"):
        _take_in(numpy_blocks(path), target)
    elif ending == ".parquet":
        collect_parquet(path, target)
    elif ending == ".bin":
        _take_in(binary_blocks(path), target)
    elif "idx" in path.name.lower() or _is_idx(path):
        _take_in(idx_blocks(path), target)
    else:
        raise InputError("{name} is of no kind that is imported. These are: {known}.", name=path.name, known=KINDS)


def _collect_folder(path: Path, target: Collected, roots: Sequence[Path] | None) -> None:
    noted = next((path / name for name in _METADATA if (path / name).is_file()), None)
    if noted is not None and noted.suffix != ".parquet":
        collect_files(noted, target, roots)
    elif any("idx3" in place.name for place in path.iterdir()):
        _take_in(idx_blocks(path), target)
    elif any(path.glob("*.bin")):
        _take_in(binary_blocks(path), target)
    elif any(path.glob("*.parquet")):
        for place in sorted(path.glob("*.parquet")):
            collect_parquet(place, target)
    else:
        raise InputError(
            "The folder {name} holds nothing that needs importing. A folder with one folder a class is a source as it "
            "is.",
            name=path.name,
        )


def _is_idx(path: Path) -> bool:
    if path.suffix.lower() == ".gz":
        return True
    with path.open("rb") as file:
        return file.read(3) == b"\0\0\x08"


def _take_in(blocks: Iterable[Block], target: Collected) -> None:
    for block in blocks:
        target.expected += len(block.images)
        if len(block.images) != len(block.labels):
            raise InputError(
                "{name} has {images} images and {labels} labels: they do not belong together.",
                name=target.origin,
                images=len(block.images),
                labels=len(block.labels),
            )
        for number, (pixels, label) in enumerate(zip(block.images, block.labels, strict=True)):
            target.add_pixels(pixels, label, f"{number:06d}", block.split)
