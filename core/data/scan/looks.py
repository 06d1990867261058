"""A quick look at every picture: a gray thumbnail, a few figures, and whether the file can be read at all.

JPEG files are decoded in gray at an eighth to all of their size, whichever is just enough, which is more than twice as
fast as in full; a file that was cut short is noticed all the same.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.data.dataset import Dataset
from core.data.decoding import BROKEN, LARGE_PIXELS
from core.data.images import FORMATS, Unreadable, read_image
from core.data.threads import WORKERS
from core.disk_cache import DiskCache, name_of
from core.errors import InputError
from core.messages import Progress

THUMB = 32
"""Side of the gray thumbnails, in pixels."""
_LEAST = 64
_MOST_BYTES = 100_000_000
_CACHE = DiskCache("looks", ".npz", max_bytes=1e9)
_VERSION = 2
_WORD = "U12"


@dataclass(frozen=True, slots=True)
class Looks:
    """What the pictures of a set look like; rows are those that can be read.

    Attributes:
        positions: Place of each in the data set's items, ``N``.
        digests: Digest of each file, ``N`` of 16 bytes.
        sizes: Width and height in pixels, ``N x 2``.
        thumbs: Gray thumbnails, uint8 ``N x 32 x 32``.
        figures: Mean and deviation of brightness (0..255), and sharpness, float32 ``N x 3``; the sharpness is the
            deviation of the Laplacian over that of the picture, both at 64 x 64 pixels.
        modes: Pillow's name of each one's colour mode, ``N``.
        formats: Name of each file's format, ``N``; empty for images without files.
        unreadable: Those that cannot be used.
    """

    positions: NDArray[np.int64]
    digests: NDArray[np.bytes_]
    sizes: NDArray[np.int64]
    thumbs: NDArray[np.uint8]
    figures: NDArray[np.float32]
    modes: NDArray[np.str_]
    formats: NDArray[np.str_]
    unreadable: tuple[Unreadable, ...]

    def __len__(self) -> int:
        return len(self.positions)


def look_at(dataset: Dataset, progress: Progress | None = None) -> Looks:
    """Looks at every picture, by threads; a second look at unchanged files is read from the cache.

    Args:
        dataset: The images.
        progress: Called with images looked at and all.
    """
    name = _identity(dataset)
    if name is not None and (known := _CACHE.read(name, _load)) is not None:
        if progress is not None:
            progress(len(dataset), len(dataset))
        return known
    rows: list[_Look] = []
    positions, unreadable = [], []
    with ThreadPoolExecutor(WORKERS) as pool:
        for index, found in enumerate(pool.map(lambda i: _tried(dataset, i), range(len(dataset)))):
            if isinstance(found, InputError):
                unreadable.append(Unreadable(dataset.items[index].key, str(found), found))
            else:
                rows.append(found)
                positions.append(index)
            if progress is not None and (index % 64 == 63 or index + 1 == len(dataset)):
                progress(index + 1, len(dataset))
    looks = Looks(
        positions=np.array(positions, dtype=np.int64),
        digests=np.array([row.digest for row in rows], dtype="V16"),
        sizes=np.array([row.size for row in rows], dtype=np.int64).reshape(-1, 2),
        thumbs=np.array([row.thumb for row in rows], dtype=np.uint8).reshape(-1, THUMB, THUMB),
        figures=np.array([row.figures for row in rows], dtype=np.float32).reshape(-1, 3),
        modes=np.array([row.mode for row in rows], dtype=_WORD),
        formats=np.array([row.format for row in rows], dtype=_WORD),
        unreadable=tuple(unreadable),
    )
    if name is not None and not unreadable:  # what cannot be read may be readable the next time
        _CACHE.write({name: _saved(looks)})
    return looks


@dataclass(frozen=True, slots=True)
class _Look:
    digest: bytes
    size: tuple[int, int]
    thumb: NDArray[np.uint8]
    figures: tuple[float, float, float]
    mode: str
    format: str


def _tried(dataset: Dataset, index: int) -> _Look | InputError:
    key = dataset.items[index].key
    try:
        path = dataset.path(index)
        if path is None:
            image = dataset.load(index)
            return _seen(image.tobytes(), image.size, image.convert("L"), image.mode)
        if path.stat().st_size > _MOST_BYTES:
            decoded = read_image(path, name=key, least=_LEAST)
            file = str(path.stat()).encode()
            return _seen(file, decoded.size, decoded.image.convert("L"), decoded.mode, decoded.format)
        data = path.read_bytes()
        return _quick(data) or _slow(data, key)
    except InputError as error:
        return error
    except OSError:
        return InputError("{name} is not there (any more).", name=key)


def _quick(data: bytes) -> _Look | None:
    """Looks at a JPEG file; ``None`` for all other files and for what had better be read with care."""
    if not data.startswith(b"\xff\xd8"):
        return None
    try:
        with Image.open(BytesIO(data), formats=("JPEG",)) as image:
            size, mode = image.size, image.mode
            if size[0] * size[1] > LARGE_PIXELS:
                return None
            image.draft("L", (_LEAST, _LEAST))
            image.load()
            return _seen(data, size, image if image.mode == "L" else image.convert("L"), mode, "JPEG")
    except BROKEN:
        return None


def _slow(data: bytes, key: str) -> _Look:
    if not data:
        raise InputError("{name} is empty: it holds no bytes.", name=key)
    decoded = read_image(data, name=key, least=_LEAST)
    return _seen(data, decoded.size, decoded.image.convert("L"), decoded.mode, decoded.format)


def _seen(data: bytes, size: tuple[int, int], gray: Image.Image, mode: str = "", kind: str = "") -> _Look:
    digest = hashlib.blake2b(data, digest_size=16).digest()
    thumb = gray.resize((THUMB, THUMB), Image.Resampling.BOX)
    middle = np.asarray(gray.resize((_LEAST, _LEAST), Image.Resampling.BOX), dtype=np.float32)
    mean = float(middle.mean())
    flat = middle.ravel()
    spread = math.sqrt(max(0.0, float(flat @ flat) / flat.size - mean * mean))
    edges = (
        4 * middle[1:-1, 1:-1] - middle[:-2, 1:-1] - middle[2:, 1:-1] - middle[1:-1, :-2] - middle[1:-1, 2:]
    ).ravel()
    sharp = math.sqrt(float(edges @ edges) / edges.size) / max(spread, 1.0)  # the mean of the edges is about 0
    return _Look(digest, size, np.asarray(thumb), (mean, spread, sharp), mode, kind)


def _identity(dataset: Dataset) -> str | None:
    """Returns a name for the files as they are now; ``None`` for images without files."""
    rows: list[object] = [_VERSION, FORMATS]
    for index, item in enumerate(dataset.items):
        try:
            path = dataset.path(index)
            if path is None:
                return None
            state = path.stat()
        except (OSError, InputError):
            return None
        rows.append((item.key, state.st_size, state.st_mtime_ns, state.st_ino))
    return name_of(repr((str(dataset.root), rows)))


def _saved(looks: Looks) -> bytes:
    stream = BytesIO()
    np.savez(
        stream,
        positions=looks.positions,
        digests=looks.digests,
        sizes=looks.sizes,
        thumbs=looks.thumbs,
        figures=looks.figures,
        modes=looks.modes,
        formats=looks.formats,
    )
    return stream.getvalue()


def _load(path: Path) -> Looks:
    with np.load(path, allow_pickle=False) as file:
        return Looks(**{name: file[name] for name in file.files}, unreadable=())


def groups_of(values: Sequence[bytes] | NDArray[np.bytes_]) -> list[list[int]]:
    """Returns the rows of equal values in groups of two or more."""
    found: dict[bytes, list[int]] = {}
    for row, value in enumerate(values):
        found.setdefault(bytes(value), []).append(row)
    return [rows for rows in found.values() if len(rows) > 1]
