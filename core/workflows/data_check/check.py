"""One check of a set of images: what cannot be read, what stands there twice, leaks, doubtful labels, odd pictures."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import Dataset
from core.data.decoding import DEEP, SetDepth
from core.data.scan.looks import THUMB, Looks, look_at
from core.errors import InputError
from core.messages import Progress, StagedProgress
from core.workflows.data_check.copies import copies, equal_groups, joining, limits_of
from core.workflows.data_check.report import LOOSEST, Check, Doubt, Link, Sizes

if TYPE_CHECKING:
    from core.workflows.data_check.features import Eye

LEAST_SIDE = 32
"""Pixels; smaller pictures, such as digits, resemble each other without being copies: only equal files are found."""
DARK, BRIGHT, FLAT, BLURRED = 25.0, 230.0, 6.0, 0.12
"""Mean brightness, its deviation, and sharpness beyond which a picture is named."""
_PLANTED = 24


def check(
    dataset: Dataset,
    *,
    features: bool = True,
    progress: StagedProgress | None = None,
    found: Callable[[Check], None] | None = None,
) -> Check:
    """Checks the images of a set; each picture is decoded once in small and, for its features, once in full.

    Args:
        dataset: The images, divided or not.
        features: Look with the packaged network, too: it finds copies that were turned, cropped or shifted, doubtful
            labels and odd pictures.
        progress: Called with what goes on, what is done and what there is to do.
        found: Called with what is known before the network looks.
    """
    looks = look_at(dataset, _staged(progress, "reading images"))
    if found is not None or not features:
        quick = _Rows(dataset, looks, None).check()
        if found is not None:
            found(quick)
        if not features:
            return quick
    eye, seen = _features(dataset, looks, progress) if len(looks) else (None, None)
    rows = _Rows(dataset, looks, seen)
    if eye is None or seen is None:
        return rows.check()
    return replace(
        rows.check(),
        suspects=rows.suspects(),
        outliers=rows.outliers(),
        planted=rows.planted(eye, progress),
        featured=True,
    )


def look_alikes(dataset: Dataset) -> tuple[tuple[str, ...], ...]:
    """Returns the keys of images that show the same picture, in groups."""
    looks = look_at(dataset)
    seen = _features(dataset, looks, None)[1] if len(looks) else None
    return _Rows(dataset, looks, seen).check().groups


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

    def check(self) -> Check:
        """Returns what can be said without features, or with them where there are some, of copies and looks."""
        looks = self.looks
        raw = Check(
            classes={},
            unreadable=looks.unreadable,
            equal=self.keys(self.equal),
            links=self.links(),
            looks=self.odd_looks(),
            sizes=_sizes(looks),
            modes=_counted(looks.modes),
            formats=_counted(looks.formats[looks.formats != ""]),
            bits=_bits(self.dataset, looks),
        )
        return raw.on(self.dataset)

    def links(self) -> tuple[Link, ...]:
        """Returns what holds copies together; see :attr:`Check.links`."""
        large = self.looks.sizes.min(axis=1, initial=10**9) >= LEAST_SIDE
        rows = np.flatnonzero(self.single & large)
        if len(rows) < 2:
            return ()
        thumbs, labels = self.looks.thumbs[rows], self.labels[rows]
        features = None if self.features is None else self.features[rows]
        limits = limits_of(thumbs, features, labels)
        pairs = joining(thumbs, features, labels, limits, self.looks.sizes[rows], LOOSEST)
        return tuple(
            Link(self.key(int(rows[one])), self.key(int(rows[other])), float(margin))
            for one, other, margin in zip(pairs.first, pairs.second, pairs.likeness, strict=True)
        )

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

    def planted(self, eye: Eye, progress: StagedProgress | None) -> dict[str, tuple[float, ...]]:
        """Plants copies of some of the pictures and returns the margins by which those of each kind are found."""
        from core.workflows.data_check.edits import EDITS, PLANTED

        assert self.features is not None
        large = np.flatnonzero(self.single & (self.looks.sizes.min(axis=1) >= LEAST_SIDE))
        if len(large) < 4:
            return {}
        own = random.Random(0).sample(range(len(large)), min(_PLANTED, len(large)))
        thumbs, labels, features = self.looks.thumbs[large], self.labels[large], self.features[large]
        limits = limits_of(thumbs, features, labels)
        margins: dict[str, tuple[float, ...]] = {}
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
                least=LOOSEST,
            )
            ends = zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)
            found = dict(zip(ends, pairs.likeness.tolist(), strict=True))
            margins[kind] = tuple(found.get((row, len(thumbs) + place), -1.0) for place, row in enumerate(own))
            if progress is not None:
                progress("planting copies", done + 1, len(PLANTED))
        return margins


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


def _counted(values: NDArray[np.str_]) -> dict[str, int]:
    return {str(name): count for name, count in Counter(values.tolist()).most_common()}


def _sizes(looks: Looks) -> Sizes | None:
    if not len(looks):
        return None
    area = looks.sizes.prod(axis=1)
    smallest, largest = (tuple(looks.sizes[row].tolist()) for row in (area.argmin(), area.argmax()))
    typical = tuple(round(middle) for middle in np.median(looks.sizes, axis=0).tolist())
    return Sizes(smallest, typical, largest, len(np.unique(looks.sizes, axis=0)))


def _bits(dataset: Dataset, looks: Looks) -> int | None:
    """Returns by how many bits the pictures that record 16 are scaled; ``None`` where there are none such."""
    depth: SetDepth | None = getattr(dataset.reader, "depth", None)
    deep = np.char.startswith(looks.modes, "I") | np.char.endswith(looks.modes, DEEP)
    deep &= np.isin(looks.formats, ("PNG", "TIFF"))
    return depth.bits if depth is not None and bool(deep.any()) else None


def _staged(progress: StagedProgress | None, doing: str) -> Progress | None:
    return None if progress is None else lambda done, total: progress(doing, done, total)
