"""Automatic augmentations, with chance of an image's own."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from core.data.operations.draws import seed_of
from core.data.operations.resampling import as_bytes, as_levels, resampled

_LOCK = threading.Lock()  # the pages of several people draw in one process


def policy(name: str) -> Callable[[Tensor, float, float, float], Tensor]:
    """Returns what changes an image, uint8 ``3 x H x W``, by a strength, which is not used, and two numbers of its own.

    On a CPU Pillow carries it out, in a quarter of the time.

    Args:
        name: Of a class of ``torchvision.transforms.v2``.
    """

    def change(image: Tensor, _value: float, first: float, second: float) -> Tensor:
        on_cpu = image.device.type == "cpu"
        picture = Image.fromarray(np.ascontiguousarray(image.permute(1, 2, 0).numpy())) if on_cpu else image
        with _seeded(seed_of(first, second)):
            changed = _transform(name)(picture)
        return torch.from_numpy(np.array(changed)).permute(2, 0, 1) if on_cpu else changed

    return change


def sharpened(image: Tensor, factor: float) -> Tensor:
    """Blends an image, uint8 ``... x H x W``, with a smoother copy of it; its edge stays.

    Within a level of torchvision's ``adjust_sharpness``, in a fifth of its time on a CPU.
    """
    pixels = as_levels(image, planes=True)
    inner = pixels[..., 1:-1, 1:-1]
    across = pixels[..., 1:-1] + pixels[..., :-2] + pixels[..., 2:]
    smooth = (across[..., 1:-1, :] + across[..., :-2, :] + across[..., 2:, :]).add_(inner, alpha=4)
    inner.add_(smooth.div_(13).round_().sub_(inner), alpha=1 - factor)
    return as_bytes(pixels)


def augmix(image: Tensor, _value: float, first: float, second: float) -> Tensor:
    """Mixes an image with three chains of one to three weak changes (Hendrycks et al. 2020, arXiv:1912.02781).

    Changes, strengths and shares are those of torchvision's ``AugMix`` by default. It takes a third of its time on a
    CPU, and nothing of torch's own generator.
    """
    lots = iter(torch.rand(34, generator=torch.Generator().manual_seed(seed_of(first, second))).tolist())
    kept = next(lots)
    parts = [-math.log(1 - next(lots)) for _ in range(3)]  # their shares are even over the simplex: Dirichlet(1, 1, 1)
    levels, links = as_levels(image, planes=True), _links()
    mixed, image = levels * kept, as_bytes(levels)
    for part in parts:
        changed = image
        for _ in range(1 + int(3 * next(lots))):
            change, strength = links[int(len(links) * next(lots))], int(3 * next(lots)) / 9
            changed = change(changed, strength if next(lots) < 0.5 else -strength)
        mixed.add_(as_levels(changed), alpha=(1 - kept) * part / sum(parts))
    return as_bytes(mixed)


@cache
def _links() -> tuple[Callable[[Tensor, float], Tensor], ...]:
    """Returns what links of a chain do to an image by a strength from -1 to 1."""
    from torchvision.transforms.v2 import functional as V

    def moved(image: Tensor, plane: list[list[float]]) -> Tensor:
        return resampled(image[None], torch.tensor([plane], device=image.device), image.shape[-1], "zeros")[0]

    def turned(image: Tensor, by: float) -> Tensor:
        cosine, sine = math.cos(math.radians(30 * by)), math.sin(math.radians(30 * by))
        return moved(image, [[cosine, -sine, 0.0], [sine, cosine, 0.0]])

    def shift(image: Tensor, by: float) -> float:
        return -2 * int(image.shape[-1] / 3 * by) / image.shape[-1]  # by whole pixels

    still: tuple[Callable[[Tensor, float], Tensor], ...] = (
        turned,
        lambda image, by: moved(image, [[1.0, 0.3 * by, 0.3 * by], [0.0, 1.0, 0.0]]),
        lambda image, by: moved(image, [[1.0, 0.0, 0.0], [0.3 * by, 1.0, 0.3 * by]]),
        lambda image, by: moved(image, [[1.0, 0.0, shift(image, by)], [0.0, 1.0, 0.0]]),
        lambda image, by: moved(image, [[1.0, 0.0, 0.0], [0.0, 1.0, shift(image, by)]]),
        lambda image, by: V.adjust_brightness(image, 1 + 0.9 * by),
        lambda image, by: V.adjust_saturation(image, 1 + 0.9 * by),
        lambda image, by: V.adjust_contrast(image, 1 + 0.9 * by),
        lambda image, by: sharpened(image, 1 + 0.9 * by),
    )
    return (
        *(lambda image, by, change=change: change(image, by) if by else image for change in still),
        lambda image, by: V.posterize(image, round(4 - 4 * abs(by))),
        lambda image, by: V.solarize(image, 255 * (1 - abs(by))),
        lambda image, _: V.autocontrast(image),
        lambda image, _: V.equalize(image),
    )


@cache
def _transform(name: str) -> Callable[[Any], Any]:
    from torchvision.transforms import v2

    made: Callable[[Any], Any] = getattr(v2, name)()
    return made


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Gives torch's own generator a seed for a while, to one thread at a time; that of a GPU is left alone."""
    with _LOCK:
        before = torch.default_generator.get_state()
        torch.default_generator.manual_seed(seed)
        try:
            yield
        finally:
            torch.default_generator.set_state(before)
