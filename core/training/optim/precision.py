"""Arithmetic: which number format is faster here for this network, measured and not guessed."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch

TIMED_PASSES = 2


MAX_IMAGES, MIN_IMAGES = 8, 4
"""Images of a pass by which the number format is chosen."""
IMAGE_SHARE = 16
"""Such a pass has one in so many of the training images at most, so that small data do not wait for the choice."""


def trial_images(batch: int, train: int) -> int:
    """Returns how many images the passes have by which the number format is chosen."""
    return max(1, min(batch, train, max(MIN_IMAGES, min(MAX_IMAGES, train // IMAGE_SHARE))))


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Returns the context in which a forward pass runs in ``fp32`` or ``bf16``."""
    if precision == "bf16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()


def choose_precision(wanted: str, device: torch.device, work: Callable[[], object]) -> str:
    """Returns ``fp32`` or ``bf16``: what was asked for, or with ``auto`` the faster of the two.

    On the CPU bfloat16 halves the time of most networks where the processor has instructions for it, and slows
    depthwise networks down in training; so a few passes of each are timed.

    Args:
        wanted: One of :data:`core.specs.PRECISIONS`.
        device: Where the work runs.
        work: One representative pass, without lasting effects.
    """
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    if device.type != "cpu":
        return "fp32"
    seconds = {}
    for precision in ("fp32", "bf16"):
        times = []
        for _ in range(TIMED_PASSES + 1):
            begin = time.perf_counter()
            with autocast(device, precision):
                work()
            times.append(time.perf_counter() - begin)
        seconds[precision] = min(times[1:])
    return "bf16" if seconds["bf16"] < 0.9 * seconds["fp32"] else "fp32"
