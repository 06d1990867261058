"""What files lose: fewer pixels, and JPEG."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor


def pixelate(image: Tensor, share: float, _rng: np.random.Generator) -> Tensor:
    """Makes the sides this share as long, and as long as before, each pixel the mean of its box."""
    side = image.shape[-1]
    small = max(1, int(side * share))
    box = Image.Resampling.BOX
    return _tensor(_picture(image).resize((small, small), box).resize((side, side), box))


def jpeg(image: Tensor, quality: int, _rng: np.random.Generator) -> Tensor:
    """Writes and reads a JPEG of this quality, Pillow's 1 to 95."""
    file = io.BytesIO()
    _picture(image).save(file, "JPEG", quality=quality)
    return _tensor(Image.open(file))


def _picture(image: Tensor) -> Image.Image:
    return Image.fromarray(image.permute(1, 2, 0).contiguous().numpy())


def _tensor(picture: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous()
