"""What a person should know of their images before training: what cannot be read, and what stands there twice.

A picture that stands in two splits is a *leak*: it makes a test look better than it is. It is the commonest slip there
is: a test path that points at the training folder, or copies made by augmentation before the images were divided.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

from core.data.dataset import Dataset
from core.data.decoding import SetDepth
from core.data.images import WORKERS, Unreadable
from core.errors import InputError
from core.messages import Progress, Sentence

MOST_COMPARISONS = 300_000_000
"""Pairs of images that are compared for likeness; larger sets are searched for exact copies only."""

MOST_LISTED = 20_000
"""Pairs of copies that are listed at most; a film cut into frames has more than anybody could read."""

_THUMB = 16
_ALIKE_BITS = 24  # of 256; of photographs saved anew at a quarter of their size 99 % stay below both limits
_ALIKE_LEVELS = 4.0  # mean difference of two thumbnails, of 255
_LEAST_SIDE = 32  # pixels; smaller pictures, such as digits, resemble each other without being copies
_FLAT_LEVELS = 6.0  # deviation of a thumbnail that shows too little to be compared


@dataclass(frozen=True, slots=True)
class Twin:
    """Two files that show the same picture.

    Of pictures that are all equal, each is paired with one other: one in another split where there is one, else in
    another class, else the first.

    Attributes:
        first: Key of one.
        second: Key of the other.
        exact: Whether the pixels are equal; otherwise they look alike, possibly mirrored or re-encoded.
        leak: Whether they stand in different splits.
        conflict: Whether they stand in different classes.
    """

    first: str
    second: str
    exact: bool
    leak: bool
    conflict: bool


@dataclass(frozen=True, slots=True)
class Sizes:
    """Widths and heights, in pixels.

    Attributes:
        smallest: Width and height of the image with the fewest pixels.
        typical: Median width and median height.
        largest: Width and height of the image with the most pixels.
        counts: Images of each (width, height).
    """

    smallest: tuple[int, int]
    typical: tuple[int, int]
    largest: tuple[int, int]
    counts: dict[tuple[int, int], int] = field(repr=False)


@dataclass(frozen=True, slots=True)
class HealthReport:
    """What :func:`inspect` found.

    Attributes:
        classes: Class names.
        counts: ``{split: {class: images}}`` of the images that can be read; ``all`` where there is no split.
        unreadable: Images that cannot be used.
        ignored: Entries of the folder that were passed over, with the reason.
        sizes: Widths and heights; ``None`` if no image can be read.
        modes: Images of each colour mode (Pillow's names).
        formats: Images of each file format; empty for embedded data.
        twins: Pictures that stand there twice, leaks first, then those in two classes; at most :data:`MOST_LISTED`.
        leak_count: Pairs that stand in different splits, listed or not.
        conflict_count: Pairs that stand in different classes, listed or not.
        unlisted: Pairs that were found but are not in ``twins``.
        compared: Whether the search went beyond exact copies.
        bits: Bits in use of pictures saved with 16 a pixel, by which they are scaled; ``None`` where there are none.
    """

    classes: tuple[str, ...]
    counts: dict[str, dict[str, int]]
    unreadable: tuple[Unreadable, ...]
    ignored: tuple[tuple[str, Sentence], ...]
    sizes: Sizes | None
    modes: dict[str, int]
    formats: dict[str, int]
    twins: tuple[Twin, ...]
    leak_count: int
    conflict_count: int
    unlisted: int
    compared: bool
    bits: int | None = None

    @property
    def leaks(self) -> tuple[Twin, ...]:
        """Pictures that stand in two splits, as far as they are listed."""
        return tuple(twin for twin in self.twins if twin.leak)

    def as_record(self, most: int = 100) -> dict[str, Any]:
        """Returns the report as JSON-ready data, at most ``most`` twins named."""
        sizes = self.sizes
        return {
            "classes": list(self.classes),
            "counts": self.counts,
            "unreadable": [{"key": bad.key, "reason": bad.reason} for bad in self.unreadable],
            "ignored": [{"key": key, "reason": str(reason)} for key, reason in self.ignored],
            "sizes": None
            if sizes is None
            else {
                "smallest": list(sizes.smallest),
                "median": list(sizes.typical),
                "largest": list(sizes.largest),
                "distinct": len(sizes.counts),
            },
            "modes": self.modes,
            "bits": self.bits,
            "formats": self.formats,
            "leaks": self.leak_count,
            "conflicts": self.conflict_count,
            "unlisted": self.unlisted + max(0, len(self.twins) - most),
            "compared": self.compared,
            "twins": [
                {"first": t.first, "second": t.second, "exact": t.exact, "leak": t.leak, "conflict": t.conflict}
                for t in self.twins[:most]
            ],
        }


@dataclass(frozen=True, slots=True)
class _Look:
    """What one image showed."""

    size: tuple[int, int]
    mode: str
    format: str
    digest: bytes
    thumb: np.ndarray


def inspect(dataset: Dataset, progress: Progress | None = None) -> HealthReport:
    """Decodes every image once and reports on all of them.

    Args:
        dataset: The images, divided or not.
        progress: Called with images looked at and images altogether.
    """
    total = len(dataset)
    looks: dict[int, _Look] = {}
    unreadable = []
    with ThreadPoolExecutor(WORKERS) as pool:
        for index, found in enumerate(pool.map(lambda i: _look(dataset, i), range(total))):
            if isinstance(found, InputError):
                unreadable.append(Unreadable(dataset.items[index].key, str(found), found))
            else:
                looks[index] = found
            if progress and (index % 16 == 15 or index + 1 == total):
                progress(index + 1, total)
    readable = dataset.without(bad.key for bad in unreadable)
    groups = _equal(looks)
    compared = len(groups) ** 2 // 2 <= MOST_COMPARISONS
    twins = _Twins(dataset)
    for members in groups:
        twins.add_equal(members)
    if compared:
        for one, other in _alike({members[0]: looks[members[0]] for members in groups}):
            twins.add_alike(one, other)
    return HealthReport(
        classes=dataset.classes,
        counts=readable.counts(),
        unreadable=tuple(unreadable),
        ignored=dataset.ignored,
        sizes=_sizes([look.size for look in looks.values()]),
        modes=dict(Counter(look.mode for look in looks.values()).most_common()),
        formats=dict(Counter(look.format for look in looks.values() if look.format).most_common()),
        twins=twins.listed(),
        leak_count=twins.leaks,
        conflict_count=twins.conflicts,
        unlisted=twins.unlisted,
        compared=compared,
        bits=_bits(dataset, looks),
    )


def _look(dataset: Dataset, index: int) -> _Look | InputError:
    try:
        decoded = dataset.read(index)
    except InputError as error:
        return error
    except OSError:
        return InputError("{name} is not there (any more).", name=dataset.items[index].key)
    image = decoded.image
    digest = hashlib.blake2b(image.tobytes(), key=repr(image.size).encode(), digest_size=16).digest()
    thumb = np.asarray(image.convert("L").resize((_THUMB + 1, _THUMB), Image.Resampling.BOX))
    return _Look(decoded.size, decoded.mode, decoded.format, digest, thumb)


def _bits(dataset: Dataset, looks: dict[int, _Look]) -> int | None:
    """Returns by how many bits the pictures that record 16 are scaled; ``None`` where there are none such."""
    depth: SetDepth | None = getattr(dataset.reader, "depth", None)
    deep = any(look.mode.startswith("I") and look.format in ("PNG", "TIFF") for look in looks.values())
    return depth.bits if deep and depth is not None else None


def _sizes(sizes: list[tuple[int, int]]) -> Sizes | None:
    if not sizes:
        return None
    return Sizes(
        smallest=min(sizes, key=lambda size: size[0] * size[1]),
        typical=(round(median(w for w, _ in sizes)), round(median(h for _, h in sizes))),
        largest=max(sizes, key=lambda size: size[0] * size[1]),
        counts=dict(Counter(sizes).most_common()),
    )


def _equal(looks: dict[int, _Look]) -> list[list[int]]:
    """Returns the images in groups of equal pixels."""
    groups: dict[bytes, list[int]] = defaultdict(list)
    for index, look in looks.items():
        groups[look.digest].append(index)
    return list(groups.values())


class _Twins:
    """Collects pairs of copies: all are counted, and those that matter most are kept.

    Args:
        dataset: The images.
    """

    def __init__(self, dataset: Dataset) -> None:
        self.leaks = self.conflicts = self._found = 0
        self._items = dataset.items
        self._ranked: dict[tuple[bool, bool, bool], list[Twin]] = defaultdict(list)
        self._group: dict[int, list[int]] = {}

    def add_equal(self, members: list[int]) -> None:
        """Pairs the members of a group of equal pictures: a star, not each with each."""
        self._group[members[0]] = members
        for index in members[1:]:
            self._add(self._partner(index, members), index, exact=True)

    def add_alike(self, one: int, other: int) -> None:
        """Adds two pictures that look alike, each the first of its equal ones."""
        first, second = self._group[one], self._group[other]
        pairs = ((self._partner(index, first), index) for index in second)
        self._add(*max(pairs, key=lambda pair: self._matters(*pair)), exact=False)

    def listed(self) -> tuple[Twin, ...]:
        """Returns the pairs that are kept, leaks first, then conflicts, then exact ones."""
        kept = [twin for rank in sorted(self._ranked, reverse=True) for twin in self._ranked[rank]][:MOST_LISTED]
        return tuple(sorted(kept, key=lambda t: (not t.leak, not t.conflict, not t.exact, t.first)))

    @property
    def unlisted(self) -> int:
        """How many pairs were found beyond those that are listed."""
        return max(0, self._found - MOST_LISTED)

    def _matters(self, one: int, other: int) -> tuple[bool, bool]:
        first, second = self._items[one], self._items[other]
        return first.split != second.split, first.label != second.label

    def _partner(self, index: int, members: list[int]) -> int:
        """Returns the member that a picture is best paired with: in the first one's split, in another class."""
        places = {(self._items[member].split, self._items[member].label): member for member in reversed(members)}
        home, label = self._items[members[0]].split, self._items[index].label
        return max(places.values(), key=lambda m: (self._items[m].split == home, self._items[m].label != label, -m))

    def _add(self, one: int, other: int, *, exact: bool) -> None:
        leak, conflict = self._matters(one, other)
        self.leaks += leak
        self.conflicts += conflict
        rank = (leak, conflict, exact)
        if len(self._ranked[rank]) < MOST_LISTED:
            first, second = (self._items[index] for index in sorted((one, other)))
            self._ranked[rank].append(Twin(first.key, second.key, exact, leak, conflict))
        self._found += 1


def _alike(looks: dict[int, _Look]) -> Iterator[tuple[int, int]]:
    """Yields pairs of images that look the same, as they are or mirrored.

    Candidates agree in their difference hash (which of two neighbouring places is brighter; Krawetz 2013); they are
    kept if their thumbnails agree in brightness, too.
    """
    indices = np.array(
        [i for i, look in looks.items() if min(look.size) >= _LEAST_SIDE and look.thumb.std() > _FLAT_LEVELS],
        dtype=np.int64,
    )
    if len(indices) < 2:
        return
    thumbs = np.stack([looks[int(index)].thumb for index in indices]).astype(np.float32)
    plain, mirrored = _hash(thumbs), _hash(thumbs[:, :, ::-1])
    for start in range(0, len(indices), 256):
        rows = slice(start, start + 256)
        later = np.arange(len(indices))[None, :] > np.arange(len(indices))[rows, None]
        for hashes, others in ((plain, thumbs), (mirrored, thumbs[:, :, ::-1])):
            distance = np.zeros((len(plain[rows]), len(indices)), np.uint16)
            for word in range(plain.shape[1]):
                distance += np.bitwise_count(plain[rows, word, None] ^ hashes[None, :, word])
            for a, b in np.argwhere((distance <= _ALIKE_BITS) & later):
                if np.abs(thumbs[start + a] - others[b]).mean() <= _ALIKE_LEVELS:
                    yield int(indices[start + a]), int(indices[b])


def _hash(thumbs: np.ndarray) -> np.ndarray:
    """Returns difference hashes, uint64 N x 4, of thumbnails N x 16 x 17."""
    bits = thumbs[:, :, 1:] > thumbs[:, :, :-1]
    return np.packbits(bits.reshape(len(thumbs), -1), axis=1).view(np.uint64)
