"""What trainings of one process need not do twice: decoding images, looking for leaks, looking at what is frozen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from core.data.dataset import Dataset
from core.specs import DataSpec, Preprocessing
from core.training.monitoring.kept_looks import KeptLooks
from core.workflows.data_check.leaks import Leaks
from core.workflows.images import Decoded


@dataclass(slots=True)
class ImageShelf:
    """The images of the last training: memory holds one set at a time.

    Attributes:
        looks: What frozen parts of networks answered to these images.
    """

    looks: KeptLooks = field(default_factory=KeptLooks, repr=False)
    _key: tuple[Any, ...] = ()
    _images: Decoded | None = field(default=None, repr=False)
    _leaks: Leaks | None = field(default=None, repr=False)

    def images(
        self, dataset: Dataset, spec: DataSpec, prep: Preprocessing, make: Callable[[], Decoded], *, canvas: bool
    ) -> Decoded:
        """Returns decoded images: those of the training before where they are the same, files included.

        Args:
            dataset: As it was opened.
            spec: How it is divided.
            prep: How an image becomes a network's input.
            make: Decodes them.
            canvas: Whether a margin is kept around the crop.
        """
        key = (spec, prep, canvas, dataset.name, tuple(map(_stamp(dataset), range(len(dataset)))))
        if self._images is None or key != self._key:
            self._images = self._leaks = None  # before others come
            self.looks = KeptLooks()
            self._images, self._key = make(), key
        return self._images

    def leaks(self, make: Callable[[], Leaks]) -> Leaks:
        """Returns the leaks among the images that were asked for last, looked for once."""
        if self._leaks is None:
            self._leaks = make()
        return self._leaks


def _stamp(dataset: Dataset) -> Callable[[int], tuple[Any, ...]]:
    def stamp(place: int) -> tuple[Any, ...]:
        item, path = dataset.items[place], dataset.path(place)
        file = path.stat() if path is not None and path.exists() else None
        return (item.key, item.label, item.split, None if file is None else (file.st_size, file.st_mtime_ns))

    return stamp
