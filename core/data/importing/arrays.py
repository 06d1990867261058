"""Arrays of images: NumPy's files, IDX as of MNIST, CIFAR's and STL-10's binaries, tables of pixels.

Nothing in them is executed: NumPy's files are read without pickles, and what a file states of its size is compared
with what it has before anything is made room for.
"""

from __future__ import annotations

import gzip
import math
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core import settings
from core.errors import InputError

MOST_SIDE = 4096
"""Side of an image in an array at most, in pixels."""
LETTERS = tuple(chr(65 + place) for place in range(26))
FASHION = ("T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
CIFAR = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
STL = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")
_IMAGES = ("images", "x", "data", "arr_0", "image", "features", "pixels")
_LABELS = ("labels", "y", "label", "targets", "target", "arr_1", "classes")
_SPLITS = {"train": "train", "test": "test", "val": "val", "valid": "val", "validation": "val"}


@dataclass(frozen=True, slots=True)
class Block:
    """Images of one split.

    Attributes:
        images: uint8 ``N x H x W`` or ``N x H x W x 3``.
        labels: Name of each one's class, ``N``.
        split: ``train``, ``val``, ``test``, or empty.
    """

    images: NDArray[np.uint8]
    labels: Sequence[str]
    split: str = ""


def numpy_blocks(path: Path) -> Iterator[Block]:
    """Reads ``.npz`` with images and labels (``x_train`` and its like for splits), or ``.npy`` with labels beside it.

    Raises:
        InputError: The arrays are not there, do not fit together, or the file is no such file.
    """
    if path.suffix.lower() == ".npy":
        candidates = [path.with_name(name) for name in (f"{path.stem}_labels.npy", f"{path.stem}-labels.npy")]
        candidates += [path.with_name(name) for name in ("labels.npy", "y.npy")]
        if "images" in path.stem or path.stem.lower().startswith("x"):
            other = path.stem.replace("images", "labels").replace("x", "y", 1).replace("X", "y", 1)
            candidates.insert(0, path.with_name(f"{other}.npy"))
        labels = next((place for place in candidates if place.is_file() and place != path), None)
        if labels is None:
            raise InputError(
                "{name} holds no labels, and there is no {known} beside it.", name=path.name, known=candidates[0].name
            )
        yield Block(pixels(_npy(path), path.name), _named(_npy(labels), (), labels.name))
        return
    arrays = _npz(path)
    lower = {name.lower(): value for name, value in arrays.items()}
    names = next((tuple(map(str, lower[key])) for key in ("class_names", "names", "label_names") if key in lower), ())
    found = False
    for word, split in {"": "", **_SPLITS}.items():
        images = next((lower[key] for base in _IMAGES if (key := _key(base, word, lower)) is not None), None)
        labels_ = next((lower[key] for base in _LABELS if (key := _key(base, word, lower)) is not None), None)
        if images is not None and labels_ is not None:
            found = True
            yield Block(pixels(images, path.name), _named(labels_, names, path.name), split)
    if not found:
        raise InputError(
            "{name} holds {found}, but no images with labels. Name them images and labels, or x_train, y_train, x_test "
            "and y_test.",
            name=path.name,
            found=", ".join(list(arrays)[:8]) or "–",
        )


def _key(base: str, word: str, known: dict[str, NDArray[np.generic]]) -> str | None:
    names = (f"{base}_{word}", f"{word}_{base}") if word else (base,)
    return next((name for name in names if name in known), None)


def _npy(path: Path) -> NDArray[np.generic]:
    try:
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except (ValueError, OSError, EOFError) as error:
        raise _unread(path, error) from error


def _npz(path: Path) -> dict[str, NDArray[np.generic]]:
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(info.file_size for info in archive.infolist())
        if size > settings.upload_quota() or size > 100 * path.stat().st_size + 50_000_000:
            raise InputError("{name} grows far too much when it is unpacked. It was not opened.", name=path.name)
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except InputError:
        raise
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error, MemoryError) as error:
        raise _unread(path, error) from error


def _unread(path: Path, error: Exception) -> InputError:
    if "pickle" in str(error).lower() or "object" in str(error).lower():
        return InputError(
            "{name} holds Python objects, which could carry out anything when they are read. Save plain numbers.",
            name=path.name,
        )
    return InputError("{name} is damaged or cut short, or not a NumPy file.", name=path.name)


def pixels(array: NDArray[np.generic], name: str) -> NDArray[np.uint8]:
    """Returns images as uint8 ``N x H x W (x 3)``, whatever way round and in whatever range they were saved.

    Raises:
        InputError: They are no images.
    """
    if array.dtype.kind not in "uifb" or array.ndim < 2:
        raise InputError(
            "{name} holds {kind} of the shape {shape}, which are no images.",
            name=name,
            kind=str(array.dtype),
            shape=" x ".join(map(str, array.shape)),
        )
    if array.ndim == 2:
        array = array.reshape(len(array), *_square(array.shape[1], name))
    elif array.ndim == 4 and array.shape[1] in (1, 3, 4) and array.shape[3] not in (1, 3, 4):
        array = np.moveaxis(array, 1, 3)
    if array.ndim not in (3, 4) or (array.ndim == 4 and array.shape[3] not in (1, 3, 4)):
        raise InputError(
            "{name} has the shape {shape}. Images are N x H x W, or N x H x W x 3.",
            name=name,
            shape=" x ".join(map(str, array.shape)),
        )
    if not len(array) or max(array.shape[1:3]) > MOST_SIDE or min(array.shape[1:3]) < 1:
        raise InputError("{name} holds no images of 1 to {most} pixels a side.", name=name, most=MOST_SIDE)
    if array.ndim == 4:
        array = array[..., 0] if array.shape[3] == 1 else array[..., :3]
    return array.astype(np.uint8) if array.dtype == np.uint8 else _scaled(array, name)


def _square(count: int, name: str) -> tuple[int, ...]:
    side = math.isqrt(count)
    if side * side == count and side > 1:
        return (side, side)
    side = math.isqrt(count // 3)
    if side > 1 and 3 * side * side == count:
        return (3, side, side)
    raise InputError("{name} has {count} values an image, which make no square.", name=name, count=count)


def _scaled(array: NDArray[np.generic], name: str) -> NDArray[np.uint8]:
    values = array.astype(np.float32)
    low, high = float(values.min()), float(values.max())
    if not math.isfinite(low) or not math.isfinite(high):
        raise InputError("{name} holds values that are no numbers.", name=name)
    if array.dtype.kind == "f" or array.dtype == np.bool_:
        if -1.0 <= low < 0.0 and high <= 1.0:
            values = (values + 1.0) * 127.5
        elif low >= 0.0 and high <= 1.0:
            values = values * 255.0
        elif low < 0.0 or high > 255.0:
            values = (values - low) * (255.0 / max(high - low, 1e-12))
    elif low < 0 or high > 255:
        values = (values - min(low, 0.0)) * (255.0 / max(high - min(low, 0.0), 1.0))
    return np.rint(values).clip(0, 255).astype(np.uint8)


def _named(labels: NDArray[np.generic], names: Sequence[str], name: str) -> list[str]:
    if labels.ndim == 2 and labels.shape[1] > 1 and labels.dtype.kind in "uifb":  # one-hot
        labels = labels.argmax(axis=1)
    labels = labels.reshape(-1)
    if labels.dtype.kind in "US":
        return [value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value) for value in labels]
    if labels.dtype.kind not in "uifb":
        raise InputError("{name} holds labels that are neither numbers nor names.", name=name)
    whole = labels.astype(np.int64)
    if labels.dtype.kind == "f" and not (whole == labels).all():
        raise InputError("{name} holds labels that are no whole numbers.", name=name)
    return [names[value] if 0 <= value < len(names) else str(value) for value in whole.tolist()]


def idx_blocks(path: Path) -> Iterator[Block]:
    """Reads IDX images, as of MNIST, with the labels beside them; of a folder, all that are there.

    Raises:
        InputError: The labels are missing, or a file is cut short or none such.
    """
    files = [path]
    if path.is_dir():
        files = sorted(place for place in path.iterdir() if "images" in place.name.lower() and "idx3" in place.name)
    for file in files:
        name = file.name.lower()
        beside = file.with_name(file.name.replace("images", "labels").replace("idx3", "idx1"))
        if beside == file or not beside.is_file():
            raise InputError(
                "{name} holds no labels, and there is no {known} beside it.", name=file.name, known=beside.name
            )
        images, labels = _idx(file), _idx(beside)
        if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels):
            raise InputError(
                "{name} has {images} images and {other} has {labels} labels: they do not belong together.",
                name=file.name,
                images=len(images),
                other=beside.name,
                labels=len(labels),
            )
        names: Sequence[str] = FASHION if "fashion" in str(file).lower() else ()
        if "emnist" in name:  # saved with rows and columns exchanged
            images = images.transpose(0, 2, 1)
        if "letters" in name:
            names = ("", *LETTERS)
        split = "test" if "t10k" in name or "test" in name else "train" if len(files) > 1 else ""
        yield Block(images, _named(labels, names, beside.name), split)


def _idx(path: Path) -> NDArray[np.uint8]:
    limit = settings.upload_quota()
    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
            head = file.read(4)
            if len(head) < 4 or head[:3] != b"\0\0\x08" or not 1 <= head[3] <= 4:
                raise InputError("{name} is no IDX file of bytes.", name=path.name)
            shape = np.frombuffer(file.read(4 * head[3]), dtype=">u4").astype(np.int64)
            expected = int(np.prod(shape))
            if len(shape) != head[3] or expected > limit or (len(shape) == 3 and shape[1:].max() > MOST_SIDE):
                raise InputError("{name} states a size that cannot be: {shape}.", name=path.name, shape=shape.tolist())
            data = file.read(expected + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError("{name} is damaged or cut short.", name=path.name) from error
    if len(data) != expected:
        raise InputError(
            "{name} is cut short or too long: it states {expected} bytes and has {found}.",
            name=path.name,
            expected=expected,
            found=len(data),
        )
    return np.frombuffer(data, dtype=np.uint8).reshape(shape.tolist())


def binary_blocks(path: Path) -> Iterator[Block]:
    """Reads CIFAR-10's, CIFAR-100's or STL-10's binaries; of a folder, all that are there.

    Raises:
        InputError: The size fits neither, or the labels are missing.
    """
    files = [path]
    if path.is_dir():
        files = [place for place in sorted(path.glob("*.bin")) if not place.stem.endswith("_y")]
        files = [place for place in files if not place.stem.startswith("unlabeled")]
    for file in files:
        stem = file.stem.lower()
        split = "test" if "test" in stem else "train" if len(files) > 1 else ""
        if file.stat().st_size > settings.upload_quota():
            raise InputError("{name} is larger than all uploads together may be.", name=file.name)
        data = np.frombuffer(file.read_bytes(), dtype=np.uint8)
        if stem.endswith("_x"):
            images = _stl(file, data)
            labels = file.with_name(file.name[: -len("X.bin")] + "y.bin")
            if not labels.is_file():
                raise InputError(
                    "{name} holds no labels, and there is no {known} beside it.", name=file.name, known=labels.name
                )
            numbers = np.frombuffer(labels.read_bytes(), dtype=np.uint8)
            if len(numbers) != len(images):
                raise InputError("{name} and {other} do not belong together.", name=file.name, other=labels.name)
            names = ("", *_lines(path, "class_names.txt", STL))
            yield Block(images, _named(numbers, names, labels.name), split)
        elif len(data) and len(data) % 3073 == 0 and (len(data) % 3074 or "batch" in stem):
            rows = data.reshape(-1, 3073)
            yield Block(
                _planes(rows[:, 1:], 32), _named(rows[:, 0], _lines(path, "batches.meta.txt", CIFAR), file.name), split
            )
        elif len(data) and len(data) % 3074 == 0:
            rows = data.reshape(-1, 3074)
            yield Block(
                _planes(rows[:, 2:], 32), _named(rows[:, 1], _lines(path, "fine_label_names.txt", ()), file.name), split
            )
        else:
            raise InputError(
                "{name} has {size} bytes, which is neither CIFAR's nor STL-10's form, or it is cut short.",
                name=file.name,
                size=len(data),
            )


def _planes(rows: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    return rows.reshape(-1, 3, side, side).transpose(0, 2, 3, 1)


def _stl(file: Path, data: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if not len(data) or len(data) % (3 * 96 * 96):
        raise InputError("{name} is cut short: it holds no whole number of pictures of 96 x 96.", name=file.name)
    return data.reshape(-1, 3, 96, 96).transpose(0, 3, 2, 1)


def _lines(path: Path, name: str, usual: Sequence[str]) -> Sequence[str]:
    folder = path if path.is_dir() else path.parent
    try:
        lines = (folder / name).read_text(encoding="utf-8")[:20_000].split("\n")
    except (OSError, UnicodeDecodeError):
        return usual
    return tuple(line.strip() for line in lines if line.strip()) or usual
