"""How long an augmentation takes an image on this machine, on a person's own pictures."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image

from core.data.augment import Augmenter
from core.data.operations.draws import drawn
from core.specs import AugmentSpec

_REPEATS = 3


def milliseconds(squares: Sequence[Image.Image], spec: AugmentSpec, size: int) -> float:
    """Measures the augmentation of a batch, once warm, and returns the quickest of three, in ms an image.

    Args:
        squares: RGB; what the pixel store keeps of some images.
        spec: The changes.
        size: Side of the images that come out, in pixels.
    """
    augmenter = Augmenter(spec, size)
    batch = torch.from_numpy(np.stack([np.asarray(square) for square in squares])).permute(0, 3, 1, 2)
    places = np.arange(len(squares))

    def once(epoch: int) -> float:
        begin = time.perf_counter()
        augmenter(batch, drawn(0, epoch, places, augmenter.numbers))
        return time.perf_counter() - begin

    augmenter(batch[:1], drawn(0, 0, places[:1], augmenter.numbers))
    return 1000 * min(once(epoch) for epoch in range(_REPEATS)) / len(squares)
