"""Pictures whose features lie near each other, among as many as a hundred thousand.

Up to some thousands of pictures, each is compared with each. Beyond that the leading principal components of the
features sort most pairs out: what they leave of two features adds at most the product of the lengths left (Cauchy and
Schwarz), so that no pair above the limit is missed; each picture's nearest ones are taken from its 32 nearest by the
components.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from core.data.scan.likeness import Pairs, Part, dots, nonzero

NEIGHBOURS = 3
FEW = 8000
"""Pictures up to which all features are compared in full."""
_ROWS, _COLUMNS = 512, 4096  # compared at once
_COMPONENTS = 64
_SAMPLE = 8192  # pictures that say how near a picture's nearest ones may be, and what the components are
_NEAREST = 32  # by their components; the nearest three are almost always among them
_DENSE = 64  # one of as many pairs is a candidate: comparing all of them in full is faster then

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]


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
    order = np.argsort(enough)  # of two pictures the first has the lower limit, which both need to reach
    reduced, enough = reduced[order], enough[order]
    found: list[Part] = []
    buffer = np.empty((_ROWS, _COLUMNS), np.float32)
    for start in range(0, len(features), _ROWS):
        rows = order[start : start + _ROWS]
        for begin in range(start, len(features), _COLUMNS):
            columns = order[begin : begin + _COLUMNS]
            products = buffer[: len(rows), : len(columns)]
            np.matmul(reduced[start : start + _ROWS], reduced[begin : begin + _COLUMNS].T, out=products)
            one, other = nonzero(products >= enough[start : start + _ROWS, None])
            later = one < other + (begin - start)
            one, other = one[later], other[later]
            if len(one) * _DENSE > products.size:
                over, nearest = _in_full(features, rows, columns, begin - start, least)
                yield over
                found.append(nearest)
            else:
                found.append(_ordered(rows[one], columns[other], products[one, other]))
    yield from _checked(features, left, found, least, room)


def _ordered(one: Integers, other: Integers, likeness: Floats) -> Part:
    return np.minimum(one, other), np.maximum(one, other), likeness


def _components(features: Floats) -> tuple[Floats, Floats]:
    """Returns the principal components of features, ``N x 64`` or fewer, and the length that they leave, ``N``."""
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


def _in_full(features: Floats, rows: Integers, columns: Integers, later: int, least: float) -> tuple[Part, Part]:
    """Compares some pictures with all later ones among others; returns pairs above the limit, and each one's nearest.

    The others begin ``later`` places after the first of the pictures.
    """
    cosine = torch.from_numpy(features[rows] @ features[columns].T)
    cosine[torch.arange(len(rows))[:, None] >= torch.arange(len(columns)) + later] = -1.0
    kept = torch.zeros(cosine.shape, dtype=torch.bool)
    for axis in (0, 1):
        nearest = cosine.topk(min(NEIGHBOURS, cosine.shape[axis]), dim=axis).indices
        kept.scatter_(axis, nearest, True)
    kept &= cosine > -1.0

    def part(mask: torch.Tensor) -> Part:
        one, other = (places.numpy() for places in mask.nonzero(as_tuple=True))
        return _ordered(rows[one], columns[other], cosine.numpy()[one, other])

    return part(cosine >= least), part(kept)


def _checked(features: Floats, left: Floats, found: list[Part], least: float, room: float) -> Iterator[Part]:
    """Yields, of the pairs that their components find likely, those that are near by their features in full."""
    one, other, likely = (np.concatenate(column) for column in zip(*found, strict=True))
    found.clear()
    chosen = _among_first(one, other, likely, _NEAREST)
    chosen |= likely >= least - left[one] * left[other]
    places = np.flatnonzero(chosen)
    places = places[np.argsort(one[places])]  # neighbours in the list lie near each other in memory
    one, other = one[places], other[places]
    cosine = dots(features, features, one, other)
    kept = (cosine >= least) | _among_first(one, other, cosine, NEIGHBOURS)
    kept &= cosine >= least - room
    yield one[kept], other[kept], cosine[kept]


def _among_first(one: Integers, other: Integers, likeness: Floats, count: int) -> NDArray[np.bool_]:
    """Returns which pairs are among the most alike of at least one of their ends, ``P``."""
    near = np.clip(2**31 * (1 - np.float64(likeness) / 2), 0, 2**32 - 1).astype(np.int64)  # the most alike first
    order = np.argsort(np.concatenate([one, other]) << 32 | np.concatenate([near, near]))
    ends = np.concatenate([one, other])[order]
    chosen = np.zeros(len(one), dtype=bool)
    if len(one):
        first = np.ones(len(ends), dtype=bool)  # of those after it, the same end stands so many places before
        first[count:] = ends[count:] != ends[:-count]
        chosen[order[first] % len(one)] = True
    return chosen
