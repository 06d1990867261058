"""How alike two pictures are by their thumbnails once one is shifted, mirrored or rotated onto the other."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.data.scan.likeness import FLAT, halved
from core.data.threads import WORKERS

if TYPE_CHECKING:
    from torch import Tensor

Integers = NDArray[np.int64]
_AT_ONCE = 512
_ANGLES = (-90, *(angle for angle in range(-60, 61, 5) if angle), 90)
_OVERLAP = 0.4  # of the picture that must be seen in both, where one is rotated
_RINGS, _DIRECTIONS = 8, 72
_COARSE = 0.3  # by which the likeness at half the size may fall short of the limit
_HINT = 0.1  # by which the likeness of rings may fall short of the limit; of rotated copies it is 0.95 and more


def shifted(
    one: NDArray[np.uint8], other: NDArray[np.uint8], most: int = 5, limit: float = -1.0
) -> NDArray[np.float32]:
    """Returns how well thumbnails correlate where they overlap, at the best of many shifts, mirrored or not.

    All shifts are tried at once in the frequency domain (Lewis 1995, "Fast normalized cross-correlation").

    Args:
        one: uint8 ``P x 32 x 32``.
        other: Those that they are compared with, one by one, of the same shape.
        most: Pixels of the thumbnail that one is shifted by at most, each way.
        limit: Correlation from which on it counts. Of pairs far below it at half the size, -1 is returned.
    """
    if not len(one):
        return np.empty(0, np.float32)

    def best(start: int) -> NDArray[np.float32]:
        first, second = one[start : start + _AT_ONCE], other[start : start + _AT_ONCE]
        found = np.full(len(first), -1.0, dtype=np.float32)
        maybe = np.flatnonzero(_shifted(halved(first), halved(second), (most + 1) // 2) >= limit - _COARSE)
        found[maybe] = _shifted(first[maybe].astype(np.float32), second[maybe].astype(np.float32), most)
        return found

    with ThreadPoolExecutor(WORKERS) as pool:
        return np.concatenate(list(pool.map(best, range(0, len(one), _AT_ONCE))))


def _shifted(one: NDArray[np.float32], other: NDArray[np.float32], most: int) -> NDArray[np.float32]:
    from scipy.fft import irfft2, next_fast_len, rfft2

    size = one.shape[-1]
    side = next_fast_len(size + most, real=True)
    shifts = np.arange(-most, most + 1)
    place = np.arange(size)
    seen = ((place >= shifts[:, None]) & (place < size + shifts[:, None])).astype(np.float32)  # by shift, which rows
    first, second = (part - part.mean(axis=(1, 2), keepdims=True) for part in (one, other))
    sums, others = _sums(first, seen), _sums(second, seen[::-1])
    spectrum = rfft2(first, (side, side))
    best = np.full(len(one), -1.0, dtype=np.float32)
    for thumbs, (total, squares) in (
        (second, others),
        (second[:, :, ::-1], tuple(part[:, :, ::-1] for part in others)),
    ):
        product = irfft2(spectrum * np.conj(rfft2(thumbs, (side, side))), (side, side))[:, shifts[:, None], shifts]
        count = np.outer(seen.sum(axis=1), seen.sum(axis=1))
        power = (sums[1] - sums[0] ** 2 / count) * (squares - total**2 / count)
        power = np.sqrt(np.maximum(power, 0))
        found = (product - sums[0] * total / count) / np.maximum(power, 1e-6)
        np.maximum(best, np.where(power > count * FLAT**2, found, -1.0).max(axis=(1, 2)), out=best)
    return best


def _sums(thumbs: NDArray[np.float32], seen: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Returns the sums of thumbnails, and of their squares, over the part seen at each shift, ``P x S x S``."""
    total, squares = (np.asarray(seen @ part @ seen.T, np.float32) for part in (thumbs, thumbs**2))
    return total, squares


def rotated(
    thumbs: NDArray[np.uint8], sizes: Integers, first: Integers, second: Integers, limit: float
) -> NDArray[np.float32]:
    """Returns how well thumbnails correlate where they overlap, one of the pair rotated by the best of many angles.

    Only of pairs whose rings about the middle are alike at some angle, since few of those that are looked at are
    rotated copies; of all others, -1 is returned.

    Args:
        thumbs: uint8 ``N x 32 x 32``.
        sizes: Width and height of the pictures, ``N x 2``.
        first: Row of one of each pair, ``P``.
        second: Row of the other, ``P``.
        limit: Correlation from which on it counts.
    """
    found = np.full(len(first), -1.0, dtype=np.float32)
    for start in range(0, len(first), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        maybe = start + np.flatnonzero(_rings(thumbs, sizes, first[part], second[part]) >= limit - _HINT)
        if len(maybe):
            found[maybe] = _rotated(thumbs, sizes, first[maybe], second[maybe])
    return found


def _rings(thumbs: NDArray[np.uint8], sizes: Integers, first: Integers, second: Integers) -> NDArray[np.float32]:
    """Returns how well rings about the middle of two pictures correlate, one turned by the best of 72 angles, ``P``."""
    import torch
    from torch.nn import functional as F

    radius = np.minimum(sizes[first].min(axis=1), sizes[second].min(axis=1)).astype(np.float32)
    ring = torch.sqrt((torch.arange(_RINGS) + 0.5) / _RINGS)
    angle = torch.arange(_DIRECTIONS) * (2 * math.pi / _DIRECTIONS)
    circle = torch.stack([ring[:, None] * torch.cos(angle), ring[:, None] * torch.sin(angle)], -1)
    spectra = []
    for rows in (first, second):
        reach = torch.from_numpy(radius[:, None] / sizes[rows].astype(np.float32))
        image = torch.from_numpy(thumbs[rows].astype(np.float32))[:, None]
        seen = F.grid_sample(image, circle * reach[:, None, None], padding_mode="border", align_corners=False)[:, 0]
        seen = seen - seen.mean((1, 2), keepdim=True)
        length = seen.norm(dim=(1, 2), keepdim=True)
        seen = torch.where(length > FLAT * math.sqrt(_RINGS * _DIRECTIONS), seen / length.clamp(min=1e-6), 0.0)
        spectra.append(torch.fft.rfft(seen))
    turns = torch.fft.irfft((spectra[0] * spectra[1].conj()).sum(1), _DIRECTIONS)
    return np.asarray(turns.amax(1).numpy())


def _rotated(thumbs: NDArray[np.uint8], sizes: Integers, first: Integers, second: Integers) -> NDArray[np.float32]:
    import torch
    from torch.nn import functional as F

    best = np.full(len(first), -1.0, dtype=np.float32)
    one, other = (torch.from_numpy(thumbs[rows].astype(np.float32))[:, None] for rows in (first, second))
    own, theirs = (torch.from_numpy(sizes[rows].astype(np.float32)) for rows in (first, second))
    for angle in _ANGLES:
        cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        turn = torch.tensor([[cosine, -sine], [sine, cosine]])
        plane = turn[None] * theirs[:, None, :] / own[:, :, None]  # from places of the second to those of the first
        grid = F.affine_grid(torch.cat([plane, torch.zeros(len(plane), 2, 1)], 2), list(one.shape), align_corners=False)
        inside = (grid.abs() <= 1).all(-1)[:, None].float()
        moved = F.grid_sample(one, grid, mode="bilinear", padding_mode="border", align_corners=False)
        np.maximum(best, _masked(moved, other, inside).numpy(), out=best)
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
