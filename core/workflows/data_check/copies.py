"""Which pictures are copies of others: saved again, turned, mirrored, cropped, shifted, bordered, brightened.

No fixed limit serves both photographs and scans: two heads from different patients are more alike than a photograph
and its rotated copy. So the limits are set on the pictures themselves: above what pairs of the same class, and pairs of
different classes, have in common by nature. What a search with these limits finds is measured on planted copies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from core.data.scan.alignment import rotated, shifted
from core.data.scan.likeness import Pairs, Part, alike_parts, dots, turned, unit
from core.data.scan.looks import Looks, groups_of

LEAST_CORRELATION, LEAST_COSINE, LEAST_ALIGNED = 0.9, 0.85, 0.87
"""Limits that are never gone below: of thumbnails, of features, of thumbnails that were shifted onto each other.

Of 802 photographs of cats and dogs no two exceed 0.86, 0.85 and 0.83."""
_DEVIATIONS = 5.5  # above the middle of unrelated pairs, in Fisher's z
_SAMPLE, _SAMPLE_OF_ALL, _SAMPLE_LEAST = 20_000, 200_000, 500  # pairs of a class, of all classes, of each of many
_FEW = 8  # images of a class, with fewer of which all classes are taken together
_ALIGNED_SAMPLE = 400
_ROOM = 0.27  # by which a cosine may miss its limit where the thumbnails, shifted, are the same
_HELD = 2_000_000  # pairs from which on those are forgotten that join nothing new


@dataclass(frozen=True, slots=True)
class Limits:
    """How alike two pictures must be to count as copies.

    Attributes:
        correlation: Of thumbnails: for pairs within each class, ``K``, and last between classes.
        cosine: Of features, likewise.
        aligned: Of thumbnails that were shifted onto each other.
    """

    correlation: NDArray[np.float32]
    cosine: NDArray[np.float32]
    aligned: float

    def of(self, limits: NDArray[np.float32], one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.float32]:
        """Returns the limit for pairs of these labels."""
        return np.asarray(np.where(one == other, limits[one], limits[-1]))


def equal_groups(looks: Looks) -> list[list[int]]:
    """Returns the rows of equal files in groups."""
    return groups_of(looks.digests)


def limits_of(thumbs: NDArray[np.uint8], features: NDArray[np.float32] | None, labels: NDArray[np.int64]) -> Limits:
    """Sets the limits by what unrelated pictures of this set have in common.

    Args:
        thumbs: uint8 ``N x 32 x 32``.
        features: ``N x D`` of length 1; ``None`` where none were computed.
        labels: ``N``.
    """
    rng = np.random.default_rng(0)
    own = unit(thumbs)
    classes = int(labels.max(initial=0)) + 1
    most = min(_SAMPLE, max(_SAMPLE_LEAST, _SAMPLE_OF_ALL // classes))
    order = np.argsort(labels, kind="stable")
    bounds = np.searchsorted(labels[order], np.arange(classes + 1))
    pairs = [_pairs_within(order[low:high], most, rng) for low, high in pairwise(bounds)]
    together = _joined([pair for pair in pairs if len(pair[0])])
    between = rng.integers(0, max(1, len(labels)), (2, _SAMPLE))
    between = between[:, labels[between[0]] != labels[between[1]]] if len(labels) else between[:, :0]
    enough = [len(pair[0]) >= _FEW * (_FEW - 1) // 2 for pair in pairs]

    def limits(likeness: _Likeness, least: float) -> NDArray[np.float32]:
        within = likeness(*together)
        common = _above(within, least)
        each = np.split(within, np.cumsum([len(pair[0]) for pair in pairs])[:-1])
        own_limits = [_above(part, least) if many else common for part, many in zip(each, enough, strict=True)]
        return np.array([*own_limits, _above(likeness(between[0], between[1]), least)], dtype=np.float32)

    few = rng.permutation(len(together[0]))[:_ALIGNED_SAMPLE]
    aligned = shifted(thumbs[together[0][few]], thumbs[together[1][few]]) if len(few) else np.empty(0, np.float32)
    known = features
    cosine = (
        np.ones(classes + 1, np.float32)
        if known is None
        else limits(lambda one, other: dots(known, known, one, other), LEAST_COSINE)
    )
    return Limits(
        limits(lambda one, other: _best_way(own, one, other), LEAST_CORRELATION), cosine, _above(aligned, LEAST_ALIGNED)
    )


_Likeness = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.float32]]


def _best_way(own: NDArray[np.float32], one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.float32]:
    """Returns the correlation of thumbnails in the best of the eight ways."""
    best = np.full(len(one), -1.0, dtype=np.float32)
    for start in range(0, len(one), _SAMPLE):
        part = slice(start, start + _SAMPLE)
        first = own[one[part]].reshape(-1, 16, 16)
        for way in turned(own[other[part]].reshape(-1, 16, 16)):
            np.maximum(best[part], np.einsum("nhw,nhw->n", first, way), out=best[part])
    return best


def _above(likeness: NDArray[np.float32], least: float) -> float:
    """Returns a likeness that pairs with nothing in common but their nature do not reach."""
    if len(likeness) < _FEW:
        return least
    middle, upper = np.arctanh(np.clip(np.percentile(likeness, [50, 80]), -0.999, 0.9999))
    return float(max(least, np.tanh(middle + _DEVIATIONS * (upper - middle) / 0.8416)))


def _pairs_within(
    members: NDArray[np.int64], most: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if len(members) * (len(members) - 1) // 2 <= most:
        one, other = np.triu_indices(len(members), 1)
    else:
        one, other = rng.integers(0, len(members), (2, most))
        one, other = one[one != other], other[one != other]
    return members[one], members[other]


def _joined(
    pairs: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if not pairs:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    one, other = (np.concatenate(column) for column in zip(*pairs, strict=True))
    return one, other


def copies(
    thumbs: NDArray[np.uint8],
    features: NDArray[np.float32] | None,
    labels: NDArray[np.int64],
    limits: Limits,
    rows: NDArray[np.int64] | None = None,
    sizes: NDArray[np.int64] | None = None,
    least: float = 0.0,
) -> Pairs:
    """Returns the pairs that are copies of each other, with how far above its limit the likeness is that showed it.

    That is 0 at the limit and 1 where pictures are equal.

    Args:
        thumbs: uint8 ``N x 32 x 32``.
        features: ``N x D`` of length 1; ``None`` to go by the thumbnails alone.
        labels: ``N``.
        limits: As :func:`limits_of` sets them.
        rows: Only pairs with one of these on one side; by default all.
        sizes: Width and height of the pictures, ``N x 2``; with them, thumbnails are also compared rotated.
        least: Below 0, some of the pairs that just miss the limit are returned, too.
    """
    return Pairs.of(list(_parts(thumbs, features, labels, limits, rows, sizes, least)))


def joining(
    thumbs: NDArray[np.uint8],
    features: NDArray[np.float32] | None,
    labels: NDArray[np.int64],
    limits: Limits,
    sizes: NDArray[np.int64],
    least: float,
) -> Pairs:
    """Returns those of the pairs that :func:`copies` finds which suffice to join what is alike; see :func:`forest`.

    However many pairs there are, a few millions of them are held at once.
    """
    held: list[Part] = []
    for part in _parts(thumbs, features, labels, limits, None, sizes, least):
        held.append(part)
        if sum(len(one) for one, _, _ in held) > _HELD:
            some = forest(Pairs.of(held), len(thumbs))
            held = [(some.first, some.second, some.likeness)]
    return forest(Pairs.of(held), len(thumbs))


def _parts(
    thumbs: NDArray[np.uint8],
    features: NDArray[np.float32] | None,
    labels: NDArray[np.int64],
    limits: Limits,
    rows: NDArray[np.int64] | None,
    sizes: NDArray[np.int64] | None,
    least: float,
) -> Iterator[Part]:
    """Yields pairs that are copies with their margins, part by part; a pair may come several times."""
    lowest = float(limits.correlation.min())
    for one, other, likeness in alike_parts(thumbs, lowest + least * (1 - lowest), rows):
        yield _kept(one, other, likeness, limits.of(limits.correlation, labels[one], labels[other]), least)
    if features is None:
        return
    from core.workflows.data_check.neighbours import near_parts

    for one, other, likeness in near_parts(features, float(limits.cosine.min()), _ROOM, rows):
        allowed = limits.of(limits.cosine, labels[one], labels[other])
        yield _kept(one, other, likeness, allowed, least)
        missed = (likeness < allowed) & (likeness >= allowed - _ROOM)
        first, second = one[missed], other[missed]
        aligned = shifted(thumbs[first], thumbs[second], limit=limits.aligned)
        if sizes is not None:
            aligned = np.maximum(aligned, rotated(thumbs, sizes, first, second, limits.aligned))
        yield _kept(first, second, aligned, np.full(len(aligned), limits.aligned), least)


def _kept(
    one: NDArray[np.int64],
    other: NDArray[np.int64],
    likeness: NDArray[np.float32],
    limits: NDArray[np.floating],
    least: float,
) -> Part:
    """Returns the pairs with how far above their limits they are, as far as that is ``least`` or more."""
    margin = np.minimum((likeness - limits) / np.maximum(1 - limits, 1e-3), 1.0).astype(np.float32)
    kept = margin >= least
    return one[kept], other[kept], margin[kept]


def forest(pairs: Pairs, count: int) -> Pairs:
    """Returns the pairs that suffice to join what is alike, whatever the limit, the most alike first.

    They are a maximum spanning forest: a pair is left out where others, all of them at least as alike, join its ends.

    Args:
        pairs: Pairs of different rows, each once.
        count: Number of pictures.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import minimum_spanning_tree

    order = np.argsort(-pairs.likeness, kind="stable")
    first, second, likeness = pairs.first[order], pairs.second[order], pairs.likeness[order]
    rank = np.arange(1.0, len(order) + 1)  # 0 would be no edge
    tree = minimum_spanning_tree(coo_array((rank, (first, second)), shape=(count, count)).tocsr())
    kept = np.sort(tree.data.astype(np.int64)) - 1
    return Pairs(first[kept], second[kept], likeness[kept])
