"""Parts of a picture that belong together by colour and place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


def superpixels(x: Tensor, count: int) -> NDArray[np.int64]:
    """Divides a picture into superpixels by SLIC (Achanta et al. 2012, IEEE TPAMI 34, 2274-2282).

    Args:
        x: One normalised image, 1xCxHxW, in any colours.
        count: About how many parts; a small picture has no more than pixels.

    Returns:
        HxW, the part of every pixel, from 0 without gaps.
    """
    from skimage.segmentation import slic

    values = x[0].detach().float().cpu().numpy().transpose(1, 2, 0)
    height, width = values.shape[:2]
    count = max(1, min(count, height * width))
    low, high = float(values.min()), float(values.max())
    flat = not np.isfinite(high - low) or high <= low
    if flat or min(height, width) < 3:
        return _squares(height, width, count)
    scaled = (values - low) / (high - low)
    parts = slic(scaled, n_segments=count, compactness=10.0 if values.shape[2] == 3 else 0.1, sigma=1.0, start_label=0)
    found = np.unique(parts, return_inverse=True)[1].reshape(height, width).astype(np.int64)
    return found if 2 * (int(found.max()) + 1) >= count else _squares(height, width, count)  # too smooth for edges


def _squares(height: int, width: int, count: int) -> NDArray[np.int64]:
    """Divides a picture without any edge into about so many rectangles."""
    rows = int(min(max(round((count * height / width) ** 0.5), 1), height))
    columns = int(min(max(round(count / rows), 1), width))
    down = np.arange(height) * rows // height
    across = np.arange(width) * columns // width
    return (down[:, None] * columns + across[None]).astype(np.int64)
