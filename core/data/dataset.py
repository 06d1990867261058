"""What a data set is: a list of labelled images and a way to load one of them."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from PIL import Image

from core.data.images import Decoded
from core.errors import InputError
from core.messages import Sentence
from core.specs import SPLITS

UNSPLIT = "all"
"""What the counts call images that stand in no split (yet)."""


class Reader(Protocol):
    """Loads one image of a data set by its key, without touching the others."""

    def load(self, key: str) -> Image.Image:
        """Returns the image, RGB and upright."""

    def mask(self, key: str) -> np.ndarray | None:
        """Returns where the object is (bool, HxW), or None where that is not known."""

    def path(self, key: str) -> Path | None:
        """Returns the image's file, or None where there is none."""


@runtime_checkable
class FileReader(Reader, Protocol):
    """Loads images from files, and knows what these record."""

    def read(self, key: str, least: int | None = None) -> Decoded:
        """Returns the image as :func:`core.data.images.read_image` does."""


@dataclass(frozen=True, slots=True)
class Item:
    """One image: its key (the path below the data set's root), its class and its split ("" for none yet)."""

    key: str
    label: int
    split: str = ""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Labelled images, listed but not loaded.

    Attributes:
        name: Stable name or path, as :func:`open_dataset` took it.
        title: What a person calls it.
        classes: Class names; an item's label is a position here.
        items: All images.
        presplit: Whether the data bring their own division.
        reader: Loads an image by its key.
        root: Folder that the keys are relative to; None for embedded data.
        description: One or two sentences.
        licence: Licence of the images, where known.
        ignored: Entries of the folder that were passed over, with the reason.
        copies: Keys of equal files, in groups, as far as somebody looked; see :func:`core.data.splits.split`.
        columns: What else is known of the images, such as the patient: for each column a value by key.
        moved: Keys with the split that they are put into, whatever a division says.
        filed: Keys of images whose class is another than their folder says, with the class that it says.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    items: tuple[Item, ...]
    presplit: bool
    reader: Reader = dataclasses.field(repr=False, compare=False)
    root: Path | None = None
    description: str = ""
    licence: str = ""
    ignored: tuple[tuple[str, Sentence], ...] = dataclasses.field(default=(), repr=False)
    copies: tuple[tuple[str, ...], ...] = dataclasses.field(default=(), repr=False)
    columns: Mapping[str, Mapping[str, str]] = dataclasses.field(default_factory=dict, repr=False, compare=False)
    moved: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False, compare=False)
    filed: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.items)

    def load(self, index: int) -> Image.Image:
        """Returns one image, RGB and upright.

        Raises:
            InputError: The image is damaged or no longer there; the message names its key.
        """
        return self.reader.load(self.items[index].key)

    def read(self, index: int, least: int | None = None) -> Decoded:
        """Returns one image with what its file records.

        Args:
            index: Position among the items.
            least: Short side, in pixels, that is enough, so that a large file is decoded smaller than it is.

        Raises:
            InputError: As for :meth:`load`.
        """
        if isinstance(self.reader, FileReader):
            return self.reader.read(self.items[index].key, least)
        image = self.load(index)
        return Decoded(image, image.mode, "", image.size)

    def thumbnail(self, index: int, side: int) -> Image.Image:
        """Returns a small view of one image, its longer side ``side`` pixels at most; see :meth:`read`."""
        image = self.read(index, side).image
        image.thumbnail((side, side))
        return image

    def mask(self, index: int) -> np.ndarray | None:
        """Returns where the object is in an image (bool, HxW), or None where that is not known."""
        return self.reader.mask(self.items[index].key)

    def path(self, index: int) -> Path | None:
        """Returns an image's file, or None for embedded data."""
        return self.reader.path(self.items[index].key)

    def state(self, indices: Iterable[int]) -> str:
        """Returns a digest of some images as they are now: keys, classes, splits, sizes and times of their files."""
        known: list[object] = [self.name, self.classes]
        for index in indices:
            item, path = self.items[index], self.path(index)
            try:
                file = None if path is None else path.stat()
            except OSError:  # opening it says what is wrong
                file = None
            known.append((item.key, item.label, item.split, file and (file.st_size, file.st_mtime_ns)))
        return hashlib.blake2b(repr(known).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

    def class_of(self, index: int) -> str:
        """Returns the class of an image by its position."""
        return self.classes[self.items[index].label]

    def counts(self) -> dict[str, dict[str, int]]:
        """Returns ``{split: {class: images}}``; images in no split are counted under ``all``."""
        found = Counter((item.split, item.label) for item in self.items)
        present = {split for split, _ in found}
        return {
            split or UNSPLIT: {name: found[split, label] for label, name in enumerate(self.classes)}
            for split in ("", *SPLITS)
            if split in present
        }

    def positions(self, split: str) -> tuple[int, ...]:
        """Returns the indices of a split's items ("" or ``all``: those in no split), in order."""
        wanted = "" if split == UNSPLIT else split
        return tuple(index for index, item in enumerate(self.items) if item.split == wanted)

    def subset(self, indices: Iterable[int]) -> Dataset:
        """Returns the same data set with these items only, in this order."""
        return dataclasses.replace(self, items=tuple(self.items[index] for index in indices))

    def without(self, keys: Iterable[str]) -> Dataset:
        """Returns the same data set without the items of these keys."""
        dropped = frozenset(keys)
        return dataclasses.replace(self, items=tuple(item for item in self.items if item.key not in dropped))

    def only(self, classes: Sequence[str]) -> Dataset:
        """Returns the images of these classes only, which are then all the classes, in this order.

        Raises:
            InputError: There is no such class.
        """
        place = {name: label for label, name in enumerate(classes)}
        for name in classes:
            if name not in self.classes:
                raise InputError(
                    "{title} has no class {name}. Its classes: {known}.",
                    title=self.title,
                    name=name,
                    known=_listed(self.classes),
                )
        items = tuple(
            dataclasses.replace(item, label=place[name])
            for item in self.items
            if (name := self.classes[item.label]) in place
        )
        return dataclasses.replace(self, classes=tuple(classes), items=items)

    def relabelled(self, classes: Sequence[str]) -> Dataset:
        """Returns the same images labelled by another list of classes, such as a trained network's.

        Raises:
            InputError: A class of this data set that has images is not in ``classes``.
        """
        place = {name: label for label, name in enumerate(classes)}
        used = {item.label for item in self.items}
        for label in sorted(used):
            if self.classes[label] not in place:
                raise InputError(
                    "The data have the class {name}, which the network does not know. Its classes: {known}.",
                    name=self.classes[label],
                    known=_listed(classes),
                )
        items = tuple(dataclasses.replace(item, label=place[self.classes[item.label]]) for item in self.items)
        return dataclasses.replace(self, classes=tuple(classes), items=items)


def shuffle_key(seed: int, key: str) -> bytes:
    """Returns a digest of a key: sorting by it shuffles, the same on every machine and whatever else is in the list."""
    return hashlib.blake2b(f"{seed}\n{key}".encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
