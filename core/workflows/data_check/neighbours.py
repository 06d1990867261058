"""Pictures whose features lie near each other, among as many as a hundred thousand.

Up to some thousands of pictures, each is compared with each. Beyond that the leading principal components of the
features sort most pairs out: what they leave of two features adds at most the product of the lengths left (Cauchy and
Schwarz), so that no pair above the limit is missed; each picture's nearest ones are taken from its 24 nearest by the
components.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from core.data.scan.likeness import Pairs, Part, dots

NEIGHBOURS = 3
FEW = 8000
"""Pictures up to which all features are compared in full."""
_ROWS, _COLUMNS = 1024, 8192  # compared at once
_COMPONENTS = 128
_SAMPLE = 4096  # pictures that say how near a picture's nearest ones may be, and what the components are
_NEAREST = 24  # by their components; the nearest three are almost always among them
_DENSE = 64  # one of as many pairs is a candidate: comparing all of them in full is faster then

Floats = NDArray[np.float32]


def near_parts(features: Floats, least: float, room: float, rows: NDArray[np.int64] | None = None) -> Iterator[Part]:
    """Yields all pairs of a cosine of at least ``least``, and each picture's nearest ones as far as there is room.

    A pair may come twice.

    Args:
        features: ``N x D`` of length 1.
        least: Cosine.
        room: How far below it the cosine of one of a picture's three nearest may be.
        rows: Only pairs with one of these on one side; by default all.
    """
    if rows is None and len(features) > FEW:
        yield from _sorted_out(features, least, room)
    else:
        pairs = Pairs.of(list(_each(features, least, room, np.arange(len(features)) if rows is None else rows)))
        yield pairs.first, pairs.second, pairs.likeness


def _each(features: Floats, least: float, room: float, wanted: NDArray[np.int64]) -> Iterator[Part]:
    for start in range(0, len(wanted), _ROWS // 2):
        part = wanted[start : start + _ROWS // 2]
        cosine = features[part] @ features.T
        cosine[np.arange(len(part)), part] = -1.0
        kept = cosine >= least
        count = min(NEIGHBOURS, cosine.shape[1] - 1)
        if count > 0:
            nearest = np.argpartition(-cosine, count - 1, axis=1)[:, :count]
            kept[np.arange(len(part))[:, None], nearest] = True
        kept &= cosine >= least - room
        one, other = np.nonzero(kept)
        yield np.minimum(part[one], other), np.maximum(part[one], other), cosine[one, other]


def _sorted_out(features: Floats, least: float, room: float) -> Iterator[Part]:
    reduced, left = _components(features)
    enough = np.minimum(_third(reduced, least - room - left**2), least - left**2)
    found: list[Part] = []
    limits = torch.from_numpy(enough)
    known = torch.from_numpy(reduced)
    for start in range(0, len(features), _ROWS):
        stop = min(len(features), start + _ROWS)
        for begin in range(start, len(features), _COLUMNS):
            end = min(len(features), begin + _COLUMNS)
            products = known[start:stop] @ known[begin:end].T
            hits = (products >= limits[start:stop, None]) | (products >= limits[None, begin:end])
            if int(hits.sum()) * _DENSE > hits.numel() + _ROWS:  # each picture is one with itself
                over, nearest = _in_full(features, slice(start, stop), slice(begin, end), least)
                yield over
                found.append(nearest)
                continue
            places = hits.nonzero(as_tuple=True)
            likely = products[places].numpy()
            one, other = (ends.numpy() + first for ends, first in zip(places, (start, begin), strict=True))
            kept = one < other
            found.append((one[kept], other[kept], likely[kept]))
    yield from _checked(features, left, found, least, room)


def _components(features: Floats) -> tuple[Floats, Floats]:
    """Returns the principal components of features, ``N x 128`` or fewer, and the length that they leave, ``N``."""
    count = min(_COMPONENTS, features.shape[1])
    sample = features[np.random.default_rng(0).permutation(len(features))[:_SAMPLE]]
    _, axes = np.linalg.eigh(sample.T @ sample)
    reduced = np.ascontiguousarray(features @ axes[:, ::-1][:, :count], dtype=np.float32)
    length = np.einsum("nd,nd->n", features, features) - np.einsum("nd,nd->n", reduced, reduced)
    return reduced, np.sqrt(np.maximum(length, 0)) + np.float32(1e-3)


def _third(reduced: Floats, least: Floats) -> Floats:
    """Returns for each picture a product of components that its nearest ones reach; ``least`` or more.

    It is that of its third in the sample, or of a later one where the sample is much of all, so that some dozens reach
    it among all.
    """
    sample = np.random.default_rng(1).permutation(len(reduced))[:_SAMPLE]
    chosen = torch.from_numpy(reduced[sample])
    place = max(NEIGHBOURS, math.ceil(_NEAREST * len(sample) / len(reduced)))
    found = np.empty(len(reduced), np.float32)
    for start in range(0, len(reduced), _ROWS):
        products = torch.from_numpy(reduced[start : start + _ROWS]) @ chosen.T
        found[start : start + _ROWS] = products.topk(min(place + 1, len(sample)), dim=1).values[:, -1].numpy()
    return np.maximum(found, least)  # one place more, as a picture of the sample is its own nearest


def _in_full(features: Floats, rows: slice, columns: slice, least: float) -> tuple[Part, Part]:
    """Compares all of some pictures with all of others; returns the pairs above the limit, and the nearest of each."""
    cosine = torch.from_numpy(features[rows]) @ torch.from_numpy(features[columns]).T
    place = torch.arange(rows.start, rows.stop)[:, None], torch.arange(columns.start, columns.stop)[None]
    cosine[place[0] >= place[1]] = -1.0
    kept = torch.zeros(cosine.shape, dtype=torch.bool)
    for axis in (0, 1):
        nearest = cosine.topk(min(NEIGHBOURS, cosine.shape[axis]), dim=axis).indices
        kept.scatter_(axis, nearest, True)
    kept &= cosine > -1.0

    def part(mask: torch.Tensor) -> Part:
        one, other = mask.nonzero(as_tuple=True)
        return one.numpy() + rows.start, other.numpy() + columns.start, cosine[one, other].numpy()

    return part(cosine >= least), part(kept)


def _checked(features: Floats, left: Floats, found: list[Part], least: float, room: float) -> Iterator[Part]:
    """Yields, of the pairs that their components find likely, those that are near by their features in full."""
    one, other, likely = (np.concatenate(column) for column in zip(*found, strict=True))
    found.clear()
    ends, others = np.concatenate([one, other]), np.concatenate([other, one])
    order = np.lexsort((-np.concatenate([likely, likely]), ends))
    ends, others = ends[order], others[order]
    rank = np.arange(len(ends)) - np.searchsorted(ends, ends)
    chosen = np.zeros(len(one), dtype=bool)
    chosen[order[rank < _NEAREST] % len(one)] = True
    chosen |= likely >= least - left[one] * left[other]
    one, other = one[chosen], other[chosen]
    cosine = dots(features, features, one, other)
    ends, others = np.concatenate([one, other]), np.concatenate([other, one])
    order = np.lexsort((-np.concatenate([cosine, cosine]), ends))
    rank = np.arange(len(ends)) - np.searchsorted(ends[order], ends[order])
    kept = cosine >= least
    kept[order[rank < NEIGHBOURS] % max(1, len(one))] = True
    kept &= cosine >= least - room
    yield one[kept], other[kept], cosine[kept]
