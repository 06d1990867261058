"""Decoded images in memory, and batches of them.

Measured on photographs of 21 kB: decoding and resizing cost about 3.5 CPU-ms an image, copying it from memory 0.05.
So each image is decoded once, by threads (Pillow lets go of the interpreter's lock), and kept as bytes of 0..255;
normalising waits until the batch is on its device.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock

import numpy as np
import torch

from core.data.dataset import Dataset
from core.data.images import Unreadable, canvas, fit, margin
from core.data.threads import WORKERS
from core.device import memory_free
from core.errors import InputError
from core.messages import Progress
from core.specs import Preprocessing

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""Images (uint8, BxCxHxW), labels (int64, B) and positions in the data set (int64, B)."""


class PixelStore:
    """The images of a data set as uint8 tensors, decoded once and kept in memory as far as they fit.

    Args:
        dataset: The images; positions below are positions in its items.
        prep: Size and interpolation.
        canvas: Keep squares of ``prep.resize`` with a margin for augmentation, rather than the centre crop of
            ``prep.crop`` that the network sees.
        max_bytes: Room for decoded images; half of the memory that is free now is never exceeded. Images beyond
            it are decoded each time.

    Attributes:
        side: Height and width of the stored images, in pixels.
        labels: int64 tensor with the label of every item.
        capacity: Number of images that the memory holds.
    """

    def __init__(self, dataset: Dataset, prep: Preprocessing, *, canvas: bool = False, max_bytes: int) -> None:
        self.dataset = dataset
        self.prep = prep
        self.canvas = canvas
        self.side = prep.resize if canvas else prep.crop
        self.labels = torch.tensor([item.label for item in dataset.items], dtype=torch.long)
        free_bytes = max(0, min(max_bytes, memory_free(torch.device("cpu")) // 2))
        self.capacity = min(len(dataset), free_bytes // (3 * self.side * self.side))
        # numpy, not torch: copies in threads of our own would each wake a team of OpenMP threads
        self._pixels = np.empty((self.capacity, self.side, self.side, 3), dtype=np.uint8)
        self._slots: dict[int, int] = {}
        self._fingerprints: dict[bytes, str] = {}
        self._wholes: dict[bytes, str] = {}
        self._lock = Lock()
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="decode")

    def __len__(self) -> int:
        return len(self.dataset)

    @property
    def cached(self) -> int:
        """Number of images in memory now."""
        return len(self._slots)

    def batch(self, positions: Sequence[int] | torch.Tensor) -> torch.Tensor:
        """Returns images as uint8 of shape Bx3xHxW, in channels-last memory order.

        Args:
            positions: Positions in the data set, in any order, repeats allowed.

        Raises:
            InputError: An image cannot be read (any more); the message names it.
        """
        wanted = positions.tolist() if isinstance(positions, torch.Tensor) else list(positions)
        with self._lock:
            slots = [self._slots.get(position, -1) for position in wanted]
        if slots and min(slots) >= 0:
            return torch.from_numpy(self._pixels[slots]).permute(0, 3, 1, 2)
        pixels = np.empty((len(wanted), self.side, self.side, 3), dtype=np.uint8)
        missing: dict[int, list[int]] = {}
        for row, (position, slot) in enumerate(zip(wanted, slots, strict=True)):
            if slot >= 0:
                pixels[row] = self._pixels[slot]
            else:
                missing.setdefault(position, []).append(row)
        for rows, decoded in zip(missing.values(), self._pool.map(self._decoded, missing), strict=True):
            pixels[rows] = decoded
        return torch.from_numpy(pixels).permute(0, 3, 1, 2)

    def fill(self, positions: Sequence[int] | None = None, progress: Progress | None = None) -> tuple[Unreadable, ...]:
        """Decodes images ahead, into memory while they fit, and finds those that cannot be read.

        Args:
            positions: Which; all by default.
            progress: Called with the number done and the number of all, now and then.

        Returns:
            The images that cannot be read, for ``Dataset.without``.
        """
        wanted = list(range(len(self))) if positions is None else list(positions)
        unreadable = []
        for done, (position, error) in enumerate(zip(wanted, self._pool.map(self._tried, wanted), strict=True), 1):
            if error is not None:
                unreadable.append(Unreadable(self.dataset.items[position].key, str(error), error))
            if progress is not None and (done % 16 == 0 or done == len(wanted)):
                progress(done, len(wanted))
        return tuple(unreadable)

    def fingerprint(self) -> str:
        """Returns a fingerprint of the keys and labels of all images, and of their pixels if all are in memory."""
        with self._lock:
            slots = sorted(self._slots.items()) if self.capacity >= len(self) else []
        key = np.array(slots).tobytes()
        if key not in self._wholes:
            found = hashlib.blake2b(digest_size=16)
            for item in self.dataset.items:
                found.update(f"{item.key}\0{item.label}\0".encode())
            for position, slot in slots:
                found.update(position.to_bytes(8, "little"))
                found.update(self._pixels[slot].data)
            self._wholes = {key: found.hexdigest()}
        return self._wholes[key]

    def fingerprint_of(self, positions: Sequence[int] | torch.Tensor) -> str | None:
        """Returns a fingerprint of the pixels of some images in this order; ``None`` if not all are in memory."""
        wanted = positions.tolist() if isinstance(positions, torch.Tensor) else list(positions)
        with self._lock:
            slots = [self._slots.get(position, -1) for position in wanted]
        if not slots or min(slots) < 0:
            return None
        key = np.array(slots).tobytes()  # pixels of a slot stay, so several trainings on one store ask the same
        known = self._fingerprints.get(key)
        if known is None:
            found = hashlib.blake2b(f"{self.side} {self.canvas}".encode(), digest_size=16)
            for slot in slots:
                found.update(self._pixels[slot].data)
            known = self._fingerprints[key] = found.hexdigest()
        return known

    def close(self) -> None:
        """Ends the decoding threads and lets go of the memory."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        with self._lock:
            self._slots.clear()
            self._fingerprints.clear()
            self._wholes.clear()
            self._pixels = np.empty((0, self.side, self.side, 3), dtype=np.uint8)
            self.capacity = 0

    def __enter__(self) -> PixelStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _decoded(self, position: int) -> np.ndarray:
        """Decodes one image to uint8 HxWx3 and keeps it if it fits."""
        image = self.dataset.load(position)
        try:
            image = canvas(image, self.prep) if self.canvas else fit(image, self.prep)
        except InputError as error:
            raise InputError(
                "{name} cannot be used: {reason}", name=self.dataset.items[position].key, reason=str(error)
            ) from error
        pixels = np.asarray(image)
        with self._lock:
            slot = len(self._slots)
            if slot < self.capacity and position not in self._slots:
                self._pixels[slot] = pixels
                self._slots[position] = slot
        return pixels

    def _tried(self, position: int) -> InputError | None:
        with self._lock:
            if position in self._slots:
                return None
        try:
            self._decoded(position)
        except InputError as error:
            return error
        return None


def centre(images: torch.Tensor, prep: Preprocessing) -> torch.Tensor:
    """Crops a batch from a canvas store (BxCxRxR) to what the network sees (BxCxSxS): the pixels of ``fit``.

    A batch that has the network's size already is returned as it is.
    """
    if images.shape[-1] == prep.crop:
        return images
    start = margin(prep)
    return images[..., start : start + prep.crop, start : start + prep.crop]


def iterate(store: PixelStore, parts: Sequence[torch.Tensor], *, pinned: bool = False) -> Iterator[Batch]:
    """Yields one batch for each part, while the next one is being made ready in a thread.

    Args:
        store: The images.
        parts: For each batch the positions of its images in the data set.
        pinned: Put the images into memory from which a GPU fetches them by itself.

    Yields:
        Images (uint8, BxCxHxW), labels (int64, B), positions in the data set (int64, B).

    Raises:
        InputError: An image cannot be read (any more); the message names it.
    """
    if not parts or not len(parts[0]):
        return
    with ThreadPoolExecutor(1, thread_name_prefix="batch") as ahead:

        def ready(part: torch.Tensor) -> torch.Tensor:
            images = store.batch(part)
            return images.pin_memory() if pinned else images

        coming: Future[torch.Tensor] = ahead.submit(ready, parts[0])
        for index, part in enumerate(parts):
            images = coming.result()
            if index + 1 < len(parts):
                coming = ahead.submit(ready, parts[index + 1])
            yield images, store.labels[part], part
