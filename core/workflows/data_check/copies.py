"""Which pictures are copies of others: saved again, turned, mirrored, cropped, shifted, bordered, brightened.

No fixed limit serves both photographs and scans: two heads from different patients are more alike than a photograph
and its rotated copy. So the limits are set on the pictures themselves: above what pairs of the same class, and pairs of
different classes, have in common by nature. What a search with these limits finds is measured on planted copies.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.data.scan.likeness import Pairs, alike, shifted, turned, unit
from core.data.scan.looks import Looks, groups_of

if TYPE_CHECKING:
    from torch import Tensor

LEAST_CORRELATION, LEAST_COSINE, LEAST_ALIGNED = 0.9, 0.85, 0.87
"""Limits that are never gone below: of thumbnails, of features, of thumbnails that were shifted onto each other.

Of 802 photographs of cats and dogs no two exceed 0.86, 0.85 and 0.83."""
_DEVIATIONS = 5.5  # above the middle of unrelated pairs, in Fisher's z
_SAMPLE = 20_000
_FEW = 8  # images of a class, with fewer of which all classes are taken together
_ALIGNED_SAMPLE = 400
_ROOM = 0.27  # by which a cosine may miss its limit where the thumbnails, shifted, are the same
_NEIGHBOURS = 3
_ROWS = 512
_ANGLES = (-90, *(angle for angle in range(-60, 61, 5) if angle), 90)
_OVERLAP = 0.4  # of the picture that must be seen in both, where one is rotated


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
    own, ways = unit(thumbs), [unit(np.ascontiguousarray(way)) for way in turned(thumbs)]

    def correlation(one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.float32]:
        return np.max([np.einsum("nd,nd->n", own[one], way[other]) for way in ways], axis=0)

    pairs = [_pairs_within(labels, label, rng) for label in range(int(labels.max(initial=0)) + 1)]
    together = _joined([pair for pair in pairs if len(pair[0])])
    between = rng.integers(0, max(1, len(labels)), (2, _SAMPLE))
    between = between[:, labels[between[0]] != labels[between[1]]] if len(labels) else between[:, :0]
    every = [pair if len(pair[0]) >= _FEW * (_FEW - 1) // 2 else together for pair in pairs]
    every.append((between[0], between[1]))

    def limits(likeness: object, least: float) -> NDArray[np.float32]:
        return np.array([_above(likeness(*pair), least) for pair in every], dtype=np.float32)  # type: ignore[operator]

    few = rng.permutation(len(together[0]))[:_ALIGNED_SAMPLE]
    aligned = shifted(thumbs[together[0][few]], thumbs[together[1][few]]) if len(few) else np.empty(0, np.float32)
    known = features
    cosine = (
        np.ones(len(every), np.float32)
        if known is None
        else limits(lambda one, other: np.einsum("nd,nd->n", known[one], known[other]), LEAST_COSINE)
    )
    return Limits(limits(correlation, LEAST_CORRELATION), cosine, _above(aligned, LEAST_ALIGNED))


def _above(likeness: NDArray[np.float32], least: float) -> float:
    """Returns a likeness that pairs with nothing in common but their nature do not reach."""
    if len(likeness) < _FEW:
        return least
    middle, upper = np.arctanh(np.clip(np.percentile(likeness, [50, 80]), -0.999, 0.9999))
    return float(max(least, np.tanh(middle + _DEVIATIONS * (upper - middle) / 0.8416)))


def _pairs_within(
    labels: NDArray[np.int64], label: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    members = np.flatnonzero(labels == label)
    if len(members) * (len(members) - 1) // 2 <= _SAMPLE:
        one, other = np.triu_indices(len(members), 1)
    else:
        one, other = rng.integers(0, len(members), (2, _SAMPLE))
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
    lowest = float(limits.correlation.min())
    by_thumb = alike(thumbs, lowest + least * (1 - lowest), rows)
    found = [_above_limit(by_thumb, limits.of(limits.correlation, labels[by_thumb.first], labels[by_thumb.second]))]
    if features is not None:
        near = _near(features, float(limits.cosine.min()), rows)
        allowed = limits.of(limits.cosine, labels[near.first], labels[near.second])
        found.append(_above_limit(near, allowed))
        missed = (near.likeness < allowed) & (near.likeness >= allowed - _ROOM)
        open_ = Pairs(near.first[missed], near.second[missed], near.likeness[missed])
        aligned = shifted(thumbs[open_.first], thumbs[open_.second])
        if sizes is not None:
            aligned = np.maximum(aligned, _rotated(thumbs, sizes, open_.first, open_.second))
        found.append(_above_limit(Pairs(open_.first, open_.second, aligned), np.full(len(aligned), limits.aligned)))
    pairs = Pairs.of([(part.first, part.second, part.likeness) for part in found])
    kept = pairs.likeness >= least
    return Pairs(pairs.first[kept], pairs.second[kept], pairs.likeness[kept])


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


def _rotated(
    thumbs: NDArray[np.uint8], sizes: NDArray[np.int64], first: NDArray[np.int64], second: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Returns how well thumbnails correlate where they overlap, one of the pair rotated by the best of many angles."""
    import torch
    from torch.nn import functional as F

    best = np.full(len(first), -1.0, dtype=np.float32)
    for start in range(0, len(first), _ROWS):
        part = slice(start, start + _ROWS)
        one, other = (torch.from_numpy(thumbs[rows[part]].astype(np.float32))[:, None] for rows in (first, second))
        own, theirs = (torch.from_numpy(sizes[rows[part]].astype(np.float32)) for rows in (first, second))
        for angle in _ANGLES:
            cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
            turn = torch.tensor([[cosine, -sine], [sine, cosine]])
            plane = turn[None] * theirs[:, None, :] / own[:, :, None]  # from places of the second to those of the first
            grid = F.affine_grid(
                torch.cat([plane, torch.zeros(len(plane), 2, 1)], 2), list(one.shape), align_corners=False
            )
            inside = (grid.abs() <= 1).all(-1)[:, None].float()
            moved = F.grid_sample(one, grid, mode="bilinear", padding_mode="border", align_corners=False)
            found = _masked(moved, other, inside).numpy()
            np.maximum(best[part], found, out=best[part])
    return best


def _masked(one: Tensor, other: Tensor, inside: Tensor) -> Tensor:
    """Returns the correlation of pictures ``B x 1 x H x W`` where ``inside`` is 1; -1 where too little overlaps."""
    count = inside.sum((1, 2, 3))
    a, b = (
        (part - (part * inside).sum((2, 3), keepdim=True) / count.clamp(min=1).view(-1, 1, 1, 1)) * inside
        for part in (one, other)
    )
    power = ((a**2).sum((1, 2, 3)) * (b**2).sum((1, 2, 3))).sqrt()
    found = (a * b).sum((1, 2, 3)) / power.clamp(min=1e-6)
    enough = (count >= _OVERLAP * inside[0].numel()) & (power > 16 * count)
    return found.masked_fill(~enough, -1.0)


def _above_limit(pairs: Pairs, limits: NDArray[np.floating]) -> Pairs:
    margin = (pairs.likeness - limits) / np.maximum(1 - limits, 1e-3)
    return Pairs(pairs.first, pairs.second, np.minimum(margin, 1.0).astype(np.float32))


def _near(features: NDArray[np.float32], least: float, rows: NDArray[np.int64] | None) -> Pairs:
    """Returns all pairs of a cosine of at least ``least``, and each picture's nearest ones as far as there is room."""
    parts = []
    wanted = np.arange(len(features)) if rows is None else rows
    for start in range(0, len(wanted), _ROWS):
        part = wanted[start : start + _ROWS]
        cosine = features[part] @ features.T
        cosine[np.arange(len(part)), part] = -1.0
        count = min(_NEIGHBOURS, cosine.shape[1] - 1)
        kept = cosine >= least
        if count > 0:
            nearest = np.argpartition(-cosine, count - 1, axis=1)[:, :count]
            kept[np.arange(len(part))[:, None], nearest] = True
        kept &= cosine >= least - _ROOM
        one, other = np.nonzero(kept)
        parts.append((np.minimum(part[one], other), np.maximum(part[one], other), cosine[one, other]))
    return Pairs.of(parts)
