"""One check of a set of images: what cannot be read, what stands there twice, leaks, doubtful labels, odd pictures."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import Dataset
from core.data.division.relatives import joined
from core.data.images import Unreadable
from core.data.scan.looks import THUMB, Looks, look_at
from core.errors import InputError
from core.messages import Progress, Sentence, StagedProgress
from core.workflows.data_check.copies import copies, equal_groups, limits_of

if TYPE_CHECKING:
    from core.workflows.data_check.features import Eye

LEAST_SIDE = 32
"""Pixels; smaller pictures, such as digits, resemble each other without being copies: only equal files are found."""
DARK, BRIGHT, FLAT, BLURRED = 25.0, 230.0, 6.0, 0.12
"""Mean brightness, its deviation, and sharpness beyond which a picture is named."""
_PLANTED = 24


@dataclass(frozen=True, slots=True)
class Doubt:
    """A label that may be wrong.

    Attributes:
        key: The picture.
        label: Its class.
        suggested: The class that it looks like.
        confidence: How much surer the probe is of that class.
    """

    key: str
    label: str
    suggested: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Check:
    """What was found.

    Attributes:
        classes: Images that can be read of each class.
        unreadable: Images that cannot be used.
        left_out: Entries of the folder that were passed over, with the reason.
        equal: Keys of equal files, in groups.
        alike: Keys of copies that were changed, in groups (those of equal files named by their first).
        leaks: Keys of copies of either kind that stand in different splits, in groups.
        conflicts: Likewise, in different classes.
        suspects: Labels that may be wrong, the most doubtful first.
        outliers: Pictures unlike all others of their class, the most unlike first, with how far they are.
        looks: Pictures that are ``dark``, ``bright``, ``flat``, ``blurred``, ``tiny``, ``huge`` or ``long``.
        recall: Share of planted copies of each kind that the search finds in these pictures.
        featured: Whether the network's features were used.
    """

    classes: dict[str, int]
    unreadable: tuple[Unreadable, ...]
    left_out: tuple[tuple[str, Sentence], ...]
    equal: tuple[tuple[str, ...], ...]
    alike: tuple[tuple[str, ...], ...]
    leaks: tuple[tuple[str, ...], ...]
    conflicts: tuple[tuple[str, ...], ...]
    suspects: tuple[Doubt, ...] = ()
    outliers: tuple[tuple[str, float], ...] = ()
    looks: dict[str, tuple[str, ...]] = field(default_factory=dict)
    recall: dict[str, float] = field(default_factory=dict)
    featured: bool = False

    @property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """Copies of either kind, in groups."""
        return joined(self.equal, self.alike)

    def as_record(self) -> dict[str, Any]:
        """Returns it as JSON-ready data; ``exact`` and ``near`` count the copies beyond the first of each group."""
        return {
            "classes": self.classes,
            "unreadable": [{"key": bad.key, "reason": bad.reason} for bad in self.unreadable],
            "left_out": [{"key": key, "reason": str(reason)} for key, reason in self.left_out],
            "exact": sum(len(group) - 1 for group in self.equal),
            "near": sum(len(group) - 1 for group in self.alike),
            "leaks": [list(group) for group in self.leaks],
            "conflicts": [list(group) for group in self.conflicts],
            "suspects": [
                {
                    "key": doubt.key,
                    "label": doubt.label,
                    "suggested": doubt.suggested,
                    "confidence": round(doubt.confidence, 4),
                }
                for doubt in self.suspects
            ],
            "outliers": [{"key": key, "distance": round(far, 2)} for key, far in self.outliers],
            "looks": {kind: list(keys) for kind, keys in self.looks.items()},
            "copies": [list(group) for group in self.groups],
            "recall": {kind: round(share, 3) for kind, share in self.recall.items()},
            "featured": self.featured,
        }


def check(dataset: Dataset, *, features: bool = True, progress: StagedProgress | None = None) -> Check:
    """Checks the images of a set; each picture is decoded once in small and, for its features, once in full.

    Args:
        dataset: The images, divided or not.
        features: Look with the packaged network, too: it finds copies that were turned, cropped or shifted, doubtful
            labels and odd pictures.
        progress: Called with what goes on, what is done and what there is to do.
    """
    looks = look_at(dataset, _staged(progress, "reading images"))
    eye, seen = _features(dataset, looks, progress) if features and len(looks) else (None, None)
    work = _Rows(dataset, looks, seen)
    equal, alike = work.copies()
    together = joined(equal, alike)
    item_of = {item.key: item for item in dataset.items}
    found = Check(
        classes=_counted(dataset, looks),
        unreadable=looks.unreadable,
        left_out=dataset.ignored,
        equal=equal,
        alike=alike,
        leaks=tuple(group for group in together if len({item_of[key].split for key in group}) > 1),
        conflicts=tuple(group for group in together if len({item_of[key].label for key in group}) > 1),
        looks=work.odd_looks(),
    )
    if eye is None or seen is None:
        return found
    from dataclasses import replace

    return replace(
        found, suspects=work.suspects(), outliers=work.outliers(), recall=work.recall(eye, progress), featured=True
    )


def look_alikes(dataset: Dataset) -> tuple[tuple[str, ...], ...]:
    """Returns the keys of images that show the same picture, in groups."""
    looks = look_at(dataset)
    seen = _features(dataset, looks, None)[1] if len(looks) else None
    return joined(*_Rows(dataset, looks, seen).copies())


class _Rows:
    """The pictures that can be read, by row."""

    def __init__(self, dataset: Dataset, looks: Looks, features: NDArray[np.float32] | None) -> None:
        self.dataset, self.looks, self.features = dataset, looks, features
        self.labels = np.array([dataset.items[position].label for position in looks.positions], dtype=np.int64)
        self.equal = equal_groups(looks)
        self.single = np.ones(len(looks), dtype=bool)  # one of each group of equal files
        for group in self.equal:
            self.single[group[1:]] = False

    def key(self, row: int) -> str:
        return self.dataset.items[int(self.looks.positions[row])].key

    def keys(self, groups: Iterable[Sequence[int]]) -> tuple[tuple[str, ...], ...]:
        return tuple(sorted(tuple(sorted(self.key(row) for row in group)) for group in groups))

    def copies(self) -> tuple[tuple[tuple[str, ...], ...], tuple[tuple[str, ...], ...]]:
        """Returns equal files and changed copies, in groups."""
        large = self.looks.sizes.min(axis=1, initial=10**9) >= LEAST_SIDE
        rows = np.flatnonzero(self.single & large)
        if len(rows) < 2:
            return self.keys(self.equal), ()
        thumbs, labels = self.looks.thumbs[rows], self.labels[rows]
        features = None if self.features is None else self.features[rows]
        pairs = copies(thumbs, features, labels, limits_of(thumbs, features, labels), sizes=self.looks.sizes[rows])
        names = [self.key(int(row)) for row in rows]
        alike = joined((names[one], names[other]) for one, other in zip(pairs.first, pairs.second, strict=True))
        return self.keys(self.equal), tuple(sorted(tuple(sorted(group)) for group in alike))

    def odd_looks(self) -> dict[str, tuple[str, ...]]:
        """Returns the pictures that stand out by brightness, sharpness or size."""
        mean, spread, sharp = self.looks.figures.T
        width, height = self.looks.sizes.T
        area = width * height
        usual = float(np.median(area)) if len(area) else 0.0
        shown = spread >= FLAT
        kinds = {
            "dark": shown & (mean < DARK),
            "bright": shown & (mean > BRIGHT),
            "flat": ~shown,
            "blurred": shown & (sharp < BLURRED),
            "tiny": (np.minimum(width, height) < LEAST_SIDE) & (area < usual / 16) | (area < usual / 64),
            "huge": area > 64 * usual,
            "long": np.maximum(width, height) > 4 * np.minimum(width, height),
        }
        return {kind: tuple(self.key(int(row)) for row in np.flatnonzero(which)) for kind, which in kinds.items()}

    def suspects(self) -> tuple[Doubt, ...]:
        """Returns the labels that may be wrong."""
        from core.workflows.data_check.suspects import suspects

        assert self.features is not None
        classes = self.dataset.classes
        return tuple(
            Doubt(self.key(found.row), classes[self.labels[found.row]], classes[found.suggested], found.confidence)
            for found in suspects(self.features, self.labels)
        )

    def outliers(self) -> tuple[tuple[str, float], ...]:
        """Returns the pictures unlike all others of their class."""
        from core.workflows.data_check.suspects import outliers

        assert self.features is not None
        return tuple((self.key(row), far) for row, far in outliers(self.features, self.labels))

    def recall(self, eye: Eye, progress: StagedProgress | None) -> dict[str, float]:
        """Plants copies of some of the pictures and returns which share of each kind is found."""
        from core.workflows.data_check.edits import EDITS, PLANTED

        assert self.features is not None
        large = np.flatnonzero(self.single & (self.looks.sizes.min(axis=1) >= LEAST_SIDE))
        if len(large) < 4:
            return {}
        own = random.Random(0).sample(range(len(large)), min(_PLANTED, len(large)))
        thumbs, labels, features = self.looks.thumbs[large], self.labels[large], self.features[large]
        limits, shares = limits_of(thumbs, features, labels), {}
        originals = []
        for row in own:
            try:
                originals.append(self.dataset.load(int(self.looks.positions[large[row]])))
            except (InputError, OSError):
                return {}
        for done, kind in enumerate(PLANTED):
            edited = [EDITS[kind](image) for image in originals]
            small = [np.asarray(image.convert("L").resize((THUMB, THUMB), 4)) for image in edited]
            pairs = copies(
                np.concatenate([thumbs, np.stack(small)]),
                np.concatenate([features, eye.look([eye.pixels(image) for image in edited])]),
                np.concatenate([labels, labels[own]]),
                limits,
                np.arange(len(thumbs), len(thumbs) + len(own)),
                np.concatenate([self.looks.sizes[large], [image.size for image in edited]]),
            )
            found = set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))
            shares[kind] = float(np.mean([(row, len(thumbs) + place) in found for place, row in enumerate(own)]))
            if progress is not None:
                progress("planting copies", done + 1, len(PLANTED))
        return shares


def _features(
    dataset: Dataset, looks: Looks, progress: StagedProgress | None
) -> tuple[Eye | None, NDArray[np.float32] | None]:
    """Returns the network and the features; nothing where one of the pictures went away meanwhile."""
    from core.workflows.data_check.features import Eye, features_of

    eye = Eye()
    images = (dataset.load(int(position)) for position in looks.positions)
    try:
        return eye, features_of(images, looks.digests, eye, _staged(progress, "looking with the network"))
    except InputError:
        return None, None


def _counted(dataset: Dataset, looks: Looks) -> dict[str, int]:
    counts = np.bincount(
        [dataset.items[position].label for position in looks.positions], minlength=len(dataset.classes)
    )
    return {name: int(counts[label]) for label, name in enumerate(dataset.classes)}


def _staged(progress: StagedProgress | None, doing: str) -> Progress | None:
    return None if progress is None else lambda done, total: progress(doing, done, total)
