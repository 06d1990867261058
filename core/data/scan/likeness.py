"""How alike pictures are by their thumbnails, whatever way they were turned or mirrored.

A 64-bit hash of the lowest frequencies (pHash: Zauner 2010, "Implementation and benchmarking of perceptual image hash
functions") finds candidates; the correlation of the gray thumbnails decides. Brightness and contrast change neither.
Most pairs are sorted out before, in blocks, by what turning and mirroring leave as it is: one product of them is at
least as large as the correlation in each of the eight ways, so that no pair is missed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from core.data.scan.looks import THUMB
from core.data.threads import WORKERS

CANDIDATE_BITS = 18
"""Bits of 64 in which the hashes of two pictures may differ so that their thumbnails are compared."""
FLAT = 4.0
"""Deviation of a thumbnail, of 255, below which it shows too little to be compared."""
_ROWS, _COLUMNS = 512, 4096  # pictures that are compared at once: what a processor keeps at hand
_WAVES = 7  # along each side, that are compared in whatever way
_DENSE = _ROWS * _COLUMNS // 16  # candidates among them, from which on all are correlated at once
_WAITING = 8 * WORKERS
_GATHERED = 4096  # pairs that are correlated at once
_ROUNDING = 1e-4  # of bounds


_Number = TypeVar("_Number", np.uint8, np.float32)
Part = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]
"""Rows of the one of each pair, rows of the other, and how alike they are."""


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
    def of(cls, parts: list[Part]) -> Pairs:
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
    small = halved(thumbs).reshape(len(thumbs), -1)
    small = small - small.mean(axis=1, keepdims=True)
    length = np.linalg.norm(small, axis=1, keepdims=True)
    return np.where(length > FLAT * 16, small / np.maximum(length, 1e-6), 0.0).astype(np.float32)


def halved(thumbs: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Returns thumbnails at half their size, ``N x 16 x 16``."""
    quarters = (thumbs[:, row::2, column::2].astype(np.float32) for row in (0, 1) for column in (0, 1))
    return np.asarray(sum(quarters, np.float32(0)) / 4)


def turned(thumbs: NDArray[_Number]) -> list[NDArray[_Number]]:
    """Returns thumbnails in all eight ways that they can be turned and mirrored, first as they are."""
    quarters = [np.rot90(thumbs, k, axes=(1, 2)) for k in range(4)]
    return quarters + [quarter[:, :, ::-1] for quarter in quarters]


def hashes(thumbs: NDArray[np.uint8]) -> list[NDArray[np.uint64]]:
    """Returns a hash of 64 bits for each thumbnail, in each of the eight ways that :func:`turned` has.

    It says which of the lowest frequencies are above their median; turning swaps frequencies and changes their signs.
    """
    place = np.arange(THUMB)
    basis = np.cos(np.pi * (place[None, :] + 0.5) * np.arange(1, 9)[:, None] / THUMB).astype(np.float32)
    low = basis @ thumbs.astype(np.float32) @ basis.T
    columns = np.where(np.arange(1, 9) % 2, -1, 1).astype(np.float32)  # of waves that a mirror turns round
    rows, across = columns[:, None], low.transpose(0, 2, 1)
    quarters = [low, across * rows, low * rows * columns, across * columns]
    return [_bits(way) for way in quarters + [quarter * columns for quarter in quarters]]


def _bits(low: NDArray[np.float32]) -> NDArray[np.uint64]:
    flat = low.reshape(len(low), 64)
    bits = flat > np.median(flat, axis=1, keepdims=True)
    return np.packbits(bits, axis=1).view(np.uint64).reshape(-1)


def alike(thumbs: NDArray[np.uint8], least: float, rows: NDArray[np.int64] | None = None) -> Pairs:
    """Returns the pairs whose thumbnails correlate by at least ``least`` in one of the eight ways.

    Args:
        thumbs: uint8 ``N x 32 x 32``.
        least: Correlation, up to 1.
        rows: Only pairs with one of these, in rising order, on one side; by default all.
    """
    return Pairs.of(list(alike_parts(thumbs, least, rows)))


def alike_parts(thumbs: NDArray[np.uint8], least: float, rows: NDArray[np.int64] | None = None) -> Iterator[Part]:
    """Yields what :func:`alike` returns, part by part; a pair may be found in several of the eight ways."""
    own = unit(thumbs)
    shown = np.flatnonzero(own.any(axis=1))
    own = own[shown]
    search = _Search(own, _any_way(own), hashes(thumbs[shown]), least, rows is None)
    wanted = np.arange(len(shown)) if rows is None else np.flatnonzero(np.isin(shown, rows))
    parts = [wanted[start : start + _ROWS] for start in range(0, len(wanted), _ROWS)]
    with ThreadPoolExecutor(WORKERS) as pool:
        for start in range(0, len(parts), _WAITING):  # what is found is taken away before more is looked for
            for found in pool.map(search.of, parts[start : start + _WAITING]):
                for first, second, likeness in found:
                    one, other = shown[first], shown[second]
                    yield np.minimum(one, other), np.maximum(one, other), likeness


def _any_way(own: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns figures of thumbnails whose products bound their correlation in all of the eight ways.

    Turning and mirroring swaps a wave of ``i`` periods down and ``j`` across with that of ``j`` and ``i``, and changes
    their signs. Sums and differences of the two, and both in the order of their size, keep distances or make them less
    when signs are dropped. Of what is left, the lengths bound the product (Cauchy and Schwarz).

    Args:
        own: Thumbnails of mean 0 and length 1, ``N x 256``.

    Returns:
        ``N x 49``.
    """
    side, waves = THUMB // 2, np.arange(_WAVES)
    basis = np.cos(np.pi * waves[:, None] * (np.arange(side) + 0.5) / side).astype(np.float32)
    basis /= np.linalg.norm(basis, axis=1, keepdims=True)
    low = basis @ own.reshape(-1, side, side) @ basis.T
    down, across = np.triu_indices(_WAVES, 1)
    one, other = low[:, down, across], low[:, across, down]
    even, same = down % 2 == 0, (down + across) % 2 == 0
    total, difference = (one + other) / math.sqrt(2), np.abs(one - other) / math.sqrt(2)
    square = low[:, waves, waves]
    left = 1 - np.einsum("nij,nij->n", low, low)
    return np.concatenate(
        [
            np.where(waves % 2 == 0, square, np.abs(square))[:, 1:],
            np.where(even, total, np.abs(total))[:, same],
            difference[:, same],
            np.maximum(np.abs(one), np.abs(other))[:, ~same],
            np.minimum(np.abs(one), np.abs(other))[:, ~same],
            np.sqrt(np.maximum(left, 0))[:, None],
        ],
        axis=1,
    )


@dataclass(frozen=True, slots=True)
class _Search:
    """Pictures among which those are looked for that are like some of them in one of the eight ways."""

    own: NDArray[np.float32]
    any_way: NDArray[np.float32]
    hashes: list[NDArray[np.uint64]]
    least: float
    once: bool

    def of(self, part: NDArray[np.int64]) -> list[Part]:
        """Returns what is like some pictures, by their rows; where each pair counts once, those of higher rows."""
        count = len(self.own)
        bounds = np.empty((len(part), min(_COLUMNS, count)), np.float32)
        found: list[Part] = []
        for start in range(int(part[0]) // _COLUMNS * _COLUMNS if self.once else 0, count, _COLUMNS):
            stop = min(count, start + _COLUMNS)
            bound = bounds[:, : stop - start]
            np.matmul(self.any_way[part], self.any_way[start:stop].T, out=bound)
            one, other = nonzero(bound >= self.least - _ROUNDING)
            kept = part[one] < other + start if self.once else part[one] != other + start
            found += self._in_each_way(part, slice(start, stop), one[kept], other[kept])
        return found

    def _in_each_way(
        self, part: NDArray[np.int64], columns: slice, one: NDArray[np.int64], other: NDArray[np.int64]
    ) -> Iterator[Part]:
        """Yields which of some pairs are alike, ``one`` being places in the part, ``other`` in the columns."""
        bits = self.hashes[0][part][one]
        for way, way_hash in enumerate(self.hashes):
            near = np.flatnonzero(np.bitwise_count(bits ^ way_hash[columns][other]) <= CANDIDATE_BITS)
            if not len(near):
                continue
            first, second = one[near], other[near]
            likeness = _correlated(self.own[part], self.own[columns], first, second, way)
            good = likeness >= self.least
            yield part[first[good]], second[good] + columns.start, likeness[good]


def nonzero(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns what :func:`numpy.nonzero` does, faster where few are: eight at a time are passed over."""
    flat = np.ascontiguousarray(mask).reshape(-1)
    if flat.size % 8:
        return np.nonzero(mask)  # type: ignore[return-value]
    words = np.flatnonzero(flat.view(np.uint64))
    places = (words[:, None] * 8 + np.arange(8)).reshape(-1)
    one, other = np.divmod(places[flat[places]], mask.shape[1])
    return one, other


def _correlated(
    first: NDArray[np.float32], second: NDArray[np.float32], one: NDArray[np.int64], other: NDArray[np.int64], way: int
) -> NDArray[np.float32]:
    """Returns the products of pairs, the second of each turned in one of the eight ways, ``P``."""

    def moved(rows: NDArray[np.float32]) -> NDArray[np.float32]:
        return turned(rows.reshape(-1, THUMB // 2, THUMB // 2))[way].reshape(rows.shape)

    if len(one) > _DENSE:
        return np.asarray((first @ moved(second).T)[one, other])
    found = np.empty(len(one), np.float32)
    for start in range(0, len(one), _GATHERED):
        part = slice(start, start + _GATHERED)
        np.einsum("nd,nd->n", first[one[part]], moved(second[other[part]]), out=found[part])
    return found


def dots(
    first: NDArray[np.float32], second: NDArray[np.float32], one: NDArray[np.int64], other: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Returns the products of row ``one`` of the first and row ``other`` of the second, pair by pair, ``P``."""
    found = np.empty(len(one), np.float32)
    for start in range(0, len(one), _GATHERED):
        part = slice(start, start + _GATHERED)
        np.einsum("nd,nd->n", first[one[part]], second[other[part]], out=found[part])
    return found
