"""From heat to object: a threshold, a mask, a box; and, where the object is known, whether the evidence lies in it.

Only evidence for the class counts: values below zero are taken for zero.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.data.images import fit
from core.errors import InputError
from core.specs import Preprocessing

Box = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels; right and bottom lie just outside."""
OTSU = "otsu"


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """The part of a picture that a map shows.

    Attributes:
        threshold: Smallest value inside.
        mask: Which pixels are inside, HxW.
        box: The smallest box around them; ``None`` if there are none.
        share: Share of the picture that they cover.
        heat: Share of the map's heat that they hold.
    """

    threshold: float
    mask: NDArray[np.bool_]
    box: Box | None
    share: float
    heat: float


@dataclass(frozen=True, slots=True)
class Placement:
    """How well a map finds a known object.

    Attributes:
        hit: Whether the strongest pixel lies on the object: the pointing game (Zhang et al. 2018, 1608.00507).
        energy: Share of the heat on the object (energy-based pointing game, Wang et al. 2020, 1910.01279).
        iou: Intersection over union of object and :func:`region`.
        area: Share of the picture that the object covers: what energy and hits of a random map come to.
    """

    hit: bool
    energy: float
    iou: float
    area: float


def region(heat: NDArray[np.floating], rule: str | float = OTSU, *, largest: bool = False) -> Region:
    """Cuts a map at a threshold.

    Args:
        heat: HxW.
        rule: ``otsu`` for the threshold that splits the values best into two groups (Otsu 1979), or a share of the
            map's highest value, above 0 and up to 1.
        largest: Keep only the largest connected part.

    Raises:
        InputError: The rule is neither.
    """
    values = positive(heat)
    top = float(values.max(initial=0.0))
    threshold = _threshold(values, top, rule)
    mask = values >= threshold if top > 0 else np.zeros(values.shape, bool)
    if largest and mask.any():
        mask = _largest(mask)
    return Region(threshold, mask, box_of(mask), float(mask.mean()), energy(values, mask))


def placement(heat: NDArray[np.floating], mask: NDArray[np.bool_], rule: str | float = OTSU) -> Placement:
    """Compares a map with a known object of the same picture.

    Args:
        heat: HxW.
        mask: Where the object is, HxW.
        rule: Threshold for the overlap, see :func:`region`.

    Raises:
        InputError: Map and mask differ in size.
    """
    _same_size(heat, mask)
    return Placement(hits(heat, mask), energy(heat, mask), iou(region(heat, rule).mask, mask), float(mask.mean()))


def hits(heat: NDArray[np.floating], mask: NDArray[np.bool_], *, tolerance: int = 0) -> bool:
    """Tells whether the strongest pixel lies inside a mask, or within so many pixels of it; an empty map misses.

    Of several pixels that are equally strong, the one nearest to their middle counts.
    """
    values = positive(heat)
    top = float(values.max(initial=0.0))
    if top <= 0:
        return False
    rows, columns = np.nonzero(values == top)
    middle = int(np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2))
    if tolerance <= 0:
        return bool(mask[rows[middle], columns[middle]])
    inside = np.argwhere(mask)
    away = np.hypot(inside[:, 0] - rows[middle], inside[:, 1] - columns[middle])
    return bool(len(away) and away.min() <= tolerance)


def energy(heat: NDArray[np.floating], mask: NDArray[np.bool_]) -> float:
    """Returns the share of a map's heat that lies inside a mask, 0 to 1; 0 for an empty map."""
    _same_size(heat, mask)
    values = positive(heat)
    total = float(values.sum())
    return float(values[mask].sum()) / total if total > 0 else 0.0


def iou(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Returns intersection over union of two masks, 0 to 1; 0 if both are empty."""
    _same_size(first, second)
    union = float((first | second).sum())
    return float((first & second).sum()) / union if union else 0.0


def box_of(mask: NDArray[np.bool_]) -> Box | None:
    """Returns the smallest box around a mask; ``None`` if it is empty."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def box_mask(shares: tuple[float, float, float, float], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Returns the mask of a box that a person drew.

    Args:
        shares: Left, top, right and bottom as shares of width and height, 0 to 1.
        size: Height and width of the mask, in pixels.

    Raises:
        InputError: The box lies outside the picture or has no area.
    """
    left, top, right, bottom = shares
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise InputError(
            "The box {box} is none. Give left, top, right and bottom as shares, such as 0.2, 0.2, 0.8, 0.8.",
            box=", ".join(f"{value:g}" for value in shares),
        )
    height, width = size
    mask = np.zeros(size, bool)
    mask[math.floor(top * height) : math.ceil(bottom * height), math.floor(left * width) : math.ceil(right * width)] = 1
    return mask


def border_share(heat: NDArray[np.floating], band: float = 0.1) -> float:
    """Returns the share of a map's heat that lies in the outer band; even heat gives the band's own area.

    Args:
        heat: HxW.
        band: Width of the band on each side, as a share of the side.
    """
    return 1.0 - energy(heat, box_mask((band, band, 1 - band, 1 - band), (heat.shape[0], heat.shape[1])))


def seen_mask(mask: NDArray[np.bool_], prep: Preprocessing) -> NDArray[np.bool_]:
    """Returns where an object is in the picture as a network sees it.

    Args:
        mask: In the original picture, HxW.
        prep: The network's resizing and cropping.

    Returns:
        Mask of ``prep.crop`` x ``prep.crop`` pixels.
    """
    drawn = Image.fromarray(np.where(mask, 255, 0).astype(np.uint8))
    black = replace(prep, mean=(0.0, 0.0, 0.0))  # what is padded is no object
    return np.asarray(fit(drawn.convert("RGB"), black))[..., 0] > 127


def positive(heat: NDArray[np.floating]) -> NDArray[np.float64]:
    """Returns what speaks for the class, nothing below zero; what is no number counts as nothing."""
    return np.clip(np.nan_to_num(np.asarray(heat, np.float64)), 0, None)


def _threshold(values: NDArray[np.float64], top: float, rule: str | float) -> float:
    if isinstance(rule, str):
        if rule != OTSU:
            raise InputError("There is no threshold {rule}. Choose otsu, or a share of the highest value.", rule=rule)
        if top <= 0 or float(values.min()) == top:
            return top
        from skimage.filters import threshold_otsu

        above = values[values > threshold_otsu(values)]
        return float(above.min()) if len(above) else top
    if not 0 < rule <= 1:
        raise InputError(
            "The threshold is {value}. It must be a share of the highest value, above 0 up to 1.", value=rule
        )
    return rule * top


def _largest(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    from scipy.ndimage import label

    parts, count = label(mask)
    if count < 2:
        return mask
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return np.asarray(parts == int(sizes.argmax()))


def _same_size(first: NDArray[np.generic], second: NDArray[np.generic]) -> None:
    if first.shape != second.shape:
        raise InputError(
            "The map has {map} pixels and the mask {mask}.",
            map="x".join(map(str, first.shape)),
            mask="x".join(map(str, second.shape)),
        )
