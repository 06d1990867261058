"""Silhouettes that look like clothes: light on black, as in Fashion-MNIST, with folds and seams of their own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from core.data.generated.drawn import gray, parts

CLASSES = ("bag", "boot", "coat", "dress", "t-shirt", "trouser")
_SCALE = 4
_OUTLINES: dict[str, tuple[tuple[float, float], ...]] = {
    "bag": ((0.12, 0.42), (0.88, 0.42), (0.94, 0.86), (0.06, 0.86)),
    "boot": ((0.42, 0.08), (0.74, 0.08), (0.74, 0.9), (0.08, 0.9), (0.1, 0.72), (0.4, 0.6)),
    "coat": (
        *((0.38, 0.08), (0.62, 0.08), (0.78, 0.16), (0.94, 0.84), (0.8, 0.88), (0.72, 0.4), (0.74, 0.94)),
        *((0.26, 0.94), (0.28, 0.4), (0.2, 0.88), (0.06, 0.84), (0.22, 0.16)),
    ),
    "dress": ((0.4, 0.06), (0.6, 0.06), (0.66, 0.2), (0.6, 0.42), (0.8, 0.94), (0.2, 0.94), (0.4, 0.42), (0.34, 0.2)),
    "t-shirt": (
        *((0.36, 0.12), (0.64, 0.12), (0.94, 0.3), (0.84, 0.46), (0.72, 0.38), (0.72, 0.9)),
        *((0.28, 0.9), (0.28, 0.38), (0.16, 0.46), (0.06, 0.3)),
    ),
    "trouser": ((0.3, 0.06), (0.7, 0.06), (0.76, 0.94), (0.56, 0.94), (0.5, 0.36), (0.44, 0.94), (0.24, 0.94)),
}


def draw(key: str, size: int, seed: int) -> tuple[Image.Image, NDArray[np.bool_]]:
    """Draws one piece and where it is."""
    label, number = parts(key, CLASSES)
    rng = np.random.default_rng([seed, 3, label, number])
    name, wide = CLASSES[label], size * _SCALE
    stretch = rng.uniform(0.8, 1.05, 2)
    outline = np.array(_OUTLINES[name]) + rng.normal(0, 0.018, (len(_OUTLINES[name]), 2))
    outline = ((outline - 0.5) * stretch + 0.5 + rng.uniform(-0.02, 0.02, 2)).clip(0.01, 0.99) * wide
    canvas = Image.new("L", (wide, wide))
    pen = ImageDraw.Draw(canvas)
    pen.polygon([tuple(point) for point in outline.tolist()], fill=255)
    if name == "bag":
        top = 0.42 - 0.28 * rng.uniform(0.7, 1.1)
        pen.arc((0.3 * wide, top * wide, 0.7 * wide, 0.66 * wide), 180, 360, fill=255, width=round(0.06 * wide))
    share = np.asarray(canvas.reduce(_SCALE), dtype=np.float32) / 255
    down, right = np.mgrid[0:size, 0:size] / size
    folds = 0.12 * np.sin(2 * np.pi * (rng.uniform(1, 4) * right + rng.uniform(-1, 1) * down) + rng.uniform(0, 6.3))
    stripes = 0.2 * (np.sin(2 * np.pi * rng.uniform(4, 9) * down) > 0) if rng.random() < 0.3 else 0.0
    cloth = rng.uniform(0.45, 0.9) + folds + stripes + rng.normal(0, 0.03, share.shape)
    return gray(share * cloth), share > 0.5
