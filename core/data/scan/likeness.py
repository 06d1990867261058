"""How alike pictures are by their thumbnails, whatever way they were turned or mirrored.

A 64-bit hash of the lowest frequencies (pHash: Zauner 2010, "Implementation and benchmarking of perceptual image hash
functions") finds candidates; the correlation of the gray thumbnails decides. Brightness and contrast change neither.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.data.scan.looks import THUMB

CANDIDATE_BITS = 18
"""Bits of 64 in which the hashes of two pictures may differ so that their thumbnails are compared."""
_FLAT = 4.0  # deviation of a thumbnail, of 255, that shows too little to be compared
_ROWS = 256
_DENSE = 20_000  # candidates of as many rows, from which on all are compared at once
_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of pictures and how alike they are; ``first < second``.

    Attributes:
        first: Row of one, ``P``.
        second: Row of the other, ``P``.
        likeness: Correlation or cosine, ``P``.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    likeness: NDArray[np.float32]

    @classmethod
    def of(cls, parts: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]]) -> Pairs:
        """Joins parts; of a pair that was found twice, the greater likeness counts."""
        if not parts:
            return cls(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))
        first, second, likeness = (np.concatenate(column) for column in zip(*parts, strict=True))
        order = np.lexsort((-likeness, second, first))
        first, second, likeness = first[order], second[order], likeness[order]
        new = np.ones(len(first), dtype=bool)
        new[1:] = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
        return cls(first[new], second[new], likeness[new])


def unit(thumbs: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Returns thumbnails ``N x 32 x 32`` as vectors of mean 0 and length 1, ``N x 256``; flat ones as zeros."""
    small = thumbs.reshape(len(thumbs), 16, 2, 16, 2).mean(axis=(2, 4), dtype=np.float32).reshape(len(thumbs), -1)
    small = small - small.mean(axis=1, keepdims=True)
    length = np.linalg.norm(small, axis=1, keepdims=True)
    return np.where(length > _FLAT * 16, small / np.maximum(length, 1e-6), 0.0).astype(np.float32)


def turned(thumbs: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Returns thumbnails in all eight ways that they can be turned and mirrored, first as they are."""
    quarters = [np.rot90(thumbs, k, axes=(1, 2)) for k in range(4)]
    return quarters + [quarter[:, :, ::-1] for quarter in quarters]


def hashes(thumbs: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Returns a hash of 64 bits for each thumbnail: which of its lowest frequencies are above their median."""
    place = np.arange(THUMB)
    basis = np.cos(np.pi * (place[None, :] + 0.5) * np.arange(1, 9)[:, None] / THUMB).astype(np.float32)
    low = basis @ thumbs.astype(np.float32) @ basis.T
    flat = low.reshape(len(thumbs), 64)
    bits = flat > np.median(flat, axis=1, keepdims=True)
    return np.packbits(bits, axis=1).view(np.uint64).reshape(-1)


def alike(thumbs: NDArray[np.uint8], least: float, rows: NDArray[np.int64] | None = None) -> Pairs:
    """Returns the pairs whose thumbnails correlate by at least ``least`` in one of the eight ways.

    Args:
        thumbs: uint8 ``N x 32 x 32``.
        least: Correlation, up to 1.
        rows: Only pairs with one of these, in rising order, on one side; by default all.
    """
    return Pairs.of(list(_found(thumbs, least, rows)))


def _found(
    thumbs: NDArray[np.uint8], least: float, rows: NDArray[np.int64] | None
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]]:
    own_hash, own = hashes(thumbs), unit(thumbs)
    shown: NDArray[np.bool_] = np.any(own, axis=1)
    for way in turned(thumbs):
        way_hash, way_unit = hashes(way), unit(np.ascontiguousarray(way))
        wanted = np.arange(len(thumbs)) if rows is None else rows
        for start in range(0, len(wanted), _ROWS):
            part = wanted[start : start + _ROWS]
            bits: NDArray[np.uint8] = np.bitwise_count(np.bitwise_xor.outer(own_hash[part], way_hash))
            one, other = np.nonzero((bits <= CANDIDATE_BITS) & shown[part, None] & shown[None, :])
            one = part[one]
            kept = one < other if rows is None else one != other
            one, other = one[kept], other[kept]
            if len(one) > _DENSE:
                likeness = (own[part] @ way_unit.T)[
                    one - part[0] if rows is None else np.searchsorted(part, one), other
                ]
            else:
                likeness = np.einsum("nd,nd->n", own[one], way_unit[other])
            good = likeness >= least
            yield np.minimum(one, other)[good], np.maximum(one, other)[good], likeness[good]


def shifted(one: NDArray[np.uint8], other: NDArray[np.uint8], most: int = 5) -> NDArray[np.float32]:
    """Returns how well thumbnails correlate where they overlap, at the best of many shifts, mirrored or not.

    Args:
        one: uint8 ``P x 32 x 32``.
        other: Those that they are compared with, one by one, of the same shape.
        most: Pixels of the thumbnail that one is shifted by at most, each way.
    """
    if len(one) > _AT_ONCE:
        starts = range(0, len(one), _AT_ONCE)
        return np.concatenate([shifted(one[s : s + _AT_ONCE], other[s : s + _AT_ONCE], most) for s in starts])
    best = np.full(len(one), -1.0, dtype=np.float32)
    first = one.astype(np.float32)
    for second in (other.astype(np.float32), other[:, :, ::-1].astype(np.float32)):
        for down in range(-most, most + 1):
            for right in range(-most, most + 1):
                a = first[:, max(0, down) : THUMB + min(0, down), max(0, right) : THUMB + min(0, right)]
                b = second[:, max(0, -down) : THUMB + min(0, -down), max(0, -right) : THUMB + min(0, -right)]
                np.maximum(best, _correlation(a, b), out=best)
    return best


def _correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    a, b = (part.reshape(len(part), -1) for part in (one, other))
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    power = np.sqrt(np.einsum("nd,nd->n", a, a) * np.einsum("nd,nd->n", b, b))
    product = np.einsum("nd,nd->n", a, b)
    return np.where(power > a.shape[1] * _FLAT**2, product / np.maximum(power, 1e-6), -1.0).astype(np.float32)
