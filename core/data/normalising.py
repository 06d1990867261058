"""Normalising batches on a CPU."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.data.threads import each
from core.specs import Preprocessing


def normalised(images: NDArray[np.uint8], prep: Preprocessing) -> NDArray[np.float32]:
    """Scales bytes to 0..1 and normalises them, image by image, so that each stays in the processor's cache meanwhile.

    Bit for bit what torch makes of them in the same steps, by numpy: torch wakes a team of threads for each step, and
    where the colours of a pixel stand side by side takes it pixel by pixel rather than row by row, five times as long.

    Args:
        images: ``B x 3 x H x W``, in either memory order.
        prep: Holds mean and standard deviation of each colour.

    Returns:
        ``B x 3 x H x W`` in the same memory order.
    """
    mixed = images.strides[1] == 1
    rows = images.transpose(0, 2, 3, 1) if mixed else images
    count, height, width, depth = rows.shape
    levels = rows.reshape(count, height, width * depth)
    mean, std = (np.asarray(values, np.float32) for values in (prep.mean, prep.std))
    mean, std = (np.tile(one, width) if mixed else one[:, None] for one in (mean, std))
    scaled = np.empty(levels.shape, np.float32)

    def scale(place: int) -> None:
        out = scaled[place]
        np.copyto(out, levels[place])
        for change, by in ((np.divide, 255), (np.subtract, mean), (np.divide, std)):
            change(out, by, out=out)

    each(scale, range(count))
    found = scaled.reshape(rows.shape)
    return found.transpose(0, 3, 1, 2) if mixed else found
