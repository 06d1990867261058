"""Features of a frozen part, kept: in memory, and in files that runs and processes share.

A file is named by all that its contents depend on (:func:`key_of`), written beside its place and moved there when it is
complete, and its bytes are compared with their digest before they are believed. What was not used for longest is
removed for what is new.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import BinaryIO, NamedTuple

import torch
import torchvision
from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open
from torch import Tensor

from core import settings
from core.device import memory_free
from core.disk_cache import DiskCache, beside, name_of

MEMORY_SHARE = 0.4
"""Share of the memory free now that features may take."""
DISK_SHARE = 0.5
"""Share of the disk free now that a file may take."""
POLL_SECONDS = 0.2
"""Seconds between two checks whether another process has finished the same features."""
_SUFFIX, _NAME, _DIGEST = ".safetensors", "features", 64
_TYPES = {torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16", torch.float64: "F64"}
FILE_FORMAT = "1"
"""Of the files, and of what is computed into them."""


class Form(NamedTuple):
    """What the features of one image look like.

    Attributes:
        shape: As the network gives them.
        dtype: Their type.
        order: Their axes as they lie in memory, the slowest first; channels last for most maps.
    """

    shape: tuple[int, ...]
    dtype: torch.dtype
    order: tuple[int, ...]

    @classmethod
    def of(cls, batch: Tensor) -> Form:
        """Returns the form of a batch of features, ``B x ...``."""
        strides = batch.stride()[1:]
        order = sorted(range(len(strides)), key=lambda axis: (-strides[axis], axis))
        return cls(tuple(batch.shape[1:]), batch.dtype, tuple(order))

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """The shape as it lies in memory."""
        return tuple(self.shape[axis] for axis in self.order)

    @property
    def bytes(self) -> int:
        """Bytes an image."""
        return prod(self.shape) * self.dtype.itemsize


class Features:
    """The features of some images.

    Args:
        values: ``N x form.stored_shape``, contiguous.
        form: What one image's look like.
    """

    def __init__(self, values: Tensor, form: Form) -> None:
        self.values, self.form = values, form
        self._back = (0, *(form.order.index(axis) + 1 for axis in range(len(form.order))))

    def rows(self, index: Tensor) -> Tensor:
        """Returns a new tensor ``B x form.shape`` with some rows, laid out as the network laid them out."""
        return self.values.index_select(0, index).permute(self._back)

    def put(self, start: int, batch: Tensor) -> Tensor:
        """Takes in a batch of features from a row on; returns it as it lies in memory."""
        stored = self.to_stored(batch)
        self.values[start : start + len(batch)] = stored
        return stored

    def to_stored(self, batch: Tensor) -> Tensor:
        """Returns a batch of features as it lies in memory, contiguous."""
        return batch.permute(0, *(axis + 1 for axis in self.form.order)).contiguous()


def free_memory_bytes() -> int:
    """Returns how many bytes of features may be kept in memory now."""
    return min(settings.feature_memory_limit(), int(MEMORY_SHARE * memory_free(torch.device("cpu"))))


def key_of(parts: Sequence[object], device: torch.device) -> str:
    """Returns the name of features: a digest of everything that their values depend on.

    Args:
        parts: The frozen part's digest, the images' digest and how they were changed, preprocessing, precision, batch.
        device: Where they are computed.
    """
    kind = torch.cuda.get_device_name(device) if device.type == "cuda" else torch.backends.cpu.get_cpu_capability()
    place = (FILE_FORMAT, torch.__version__, torchvision.__version__, device.type, kind, torch.get_num_threads())
    return name_of(repr((*place, *parts)))


@dataclass(frozen=True, slots=True)
class FeatureStore:
    """The folder of the files.

    Attributes:
        folder: Where they are; made when first written to.
        limit: Bytes that all files together may take.
    """

    folder: Path
    limit: int

    @classmethod
    def own(cls) -> FeatureStore:
        """Returns the store that the settings name."""
        return cls(settings.cache_dir() / "features", settings.feature_files_limit())

    @property
    def _cache(self) -> DiskCache:
        return DiskCache(self.folder, _SUFFIX, self.limit)

    def free_bytes(self) -> int:
        """Returns how many bytes a new file may have; older files would be removed for it."""
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self.folder).free + sum(size for _, size, _ in self._cache.files())
            return min(self.limit, int(DISK_SHARE * free))
        return 0

    def open(self, key: str, form: Form, count: int) -> Features | None:
        """Returns kept features, mapped from their file; ``None`` if there are none, or they are damaged."""
        values = self._cache.read(key, partial(_load, form=form, count=count))
        return None if values is None else Features(values, form)

    def writer(self, key: str, form: Form, count: int) -> Writer | None:
        """Returns what writes features to their file, older ones removed; ``None`` if there is no room for it."""
        size = count * form.bytes
        if form.dtype not in _TYPES or size > self.free_bytes():
            return None
        try:
            self._cache.prune(size)
            return Writer(self._cache.path(key), form, count)
        except OSError:
            return None

    def wait_for_lock(self, key: str) -> Iterator[FileLock | None]:
        """Waits until no other process computes the same features.

        Yields:
            ``None`` while it waits; last the lock, held, for the caller to release, unless the folder cannot be
            written.
        """
        lock = FileLock(self.folder / f"{key}.lock", timeout=0)
        while True:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                lock.acquire()
            except Timeout:
                yield None
                time.sleep(POLL_SECONDS)
            except OSError:
                return
            else:
                yield lock
                return


class Writer:
    """Writes features into a file of the safetensors format, a batch at a time.

    Args:
        path: The file; it is there once all is written.
        form: What one image's features look like.
        count: Number of images.

    Raises:
        OSError: It cannot be written.
    """

    def __init__(self, path: Path, form: Form, count: int) -> None:
        self._path, self._size = path, count * form.bytes
        self._temporary = beside(path)
        entry = {"dtype": _TYPES[form.dtype], "shape": [count, *form.stored_shape], "data_offsets": [0, self._size]}
        self._entry, self._found, self._written = entry, hashlib.blake2b(digest_size=_DIGEST // 2), 0
        self._file: BinaryIO = self._temporary.open("wb")
        self._file.write(self._head("0" * _DIGEST))

    def _head(self, digest: str) -> bytes:
        text = json.dumps({"__metadata__": {"digest": digest}, _NAME: self._entry}).encode()
        text += b" " * (-len(text) % 8)
        return len(text).to_bytes(8, "little") + text

    def add(self, stored: Tensor) -> None:
        """Appends a batch as :meth:`Features.to_stored` gives it.

        Raises:
            OSError: The disk is full.
        """
        data = _bytes(stored)
        self._found.update(data)
        self._written += self._file.write(data)

    def close(self) -> None:
        """Puts the file in its place, if it is complete.

        Raises:
            OSError: It cannot be written.
        """
        if self._written != self._size:
            self.give_up()
            return
        self._file.seek(0)
        self._file.write(self._head(self._found.hexdigest()))
        self._file.close()
        self._temporary.replace(self._path)

    def give_up(self) -> None:
        """Removes what was written."""
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            self._temporary.unlink(missing_ok=True)


def _load(path: Path, form: Form, count: int) -> Tensor:
    """Maps a file's features.

    Raises:
        ValueError: The file is damaged, or holds something else.
    """
    try:
        with safe_open(path, framework="pt") as file:
            digest = (file.metadata() or {}).get("digest")
            values: Tensor = file.get_tensor(_NAME)
    except (SafetensorError, RuntimeError) as error:
        raise ValueError("no whole file of features") from error
    if values.shape != (count, *form.stored_shape) or values.dtype != form.dtype or _digest(values) != digest:
        raise ValueError("other features")
    return values


def _bytes(values: Tensor) -> memoryview:
    return memoryview(values.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())  # type: ignore[arg-type]


def _digest(values: Tensor) -> str:
    return hashlib.blake2b(_bytes(values), digest_size=_DIGEST // 2).hexdigest() if values.numel() else ""
