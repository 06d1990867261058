"""Which channels respond to a class, and which images activate them most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.interpret.features.activation_stats import Answers
from core.models.anatomy.examine import Anatomy


@dataclass(frozen=True, slots=True, eq=False)
class Specificity:
    """How strongly each channel separates the classes.

    Attributes:
        f: Variance between the classes over variance within them (F of a one-way analysis of variance), C float64;
            infinite where a channel does not vary within any class, 0 where it never varies.
        selectivity: Class-selectivity index, C float64, 0 to 1: the strongest class' mean answer less the mean of the
            others', over their sum (Morcos et al. 2018, arXiv:1803.06959). Answers below zero count as none.
        preferred: Label of the class with the strongest mean answer, C int64.
        class_means: Mean answer to each class, KxC float64; nan for a class without images.
    """

    f: NDArray[np.float64]
    selectivity: NDArray[np.float64]
    preferred: NDArray[np.int64]
    class_means: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Spot:
    """Where in an image a channel's activation is highest.

    Attributes:
        box: Top, left, bottom, right in pixels of the image as the network sees it, clipped to it.
        exact: Whether that is all that the cell can see (its receptive field); else, where this is not known or as
            large as the picture, the part of the picture at the cell's place: everything else may contribute, too.
    """

    box: tuple[float, float, float, float]
    exact: bool


def specificity(values: NDArray[np.floating], labels: NDArray[np.integer], classes: int) -> Specificity:
    """Measures how strongly channels separate classes.

    Args:
        values: One answer an image and channel (such as the map's mean), NxC.
        labels: Classes of the images, N.
        classes: Number of classes.

    Raises:
        InputError: Fewer than two classes have images, or there are no more images than classes.
    """
    values = np.asarray(values, np.float64)
    counts = np.bincount(labels, minlength=classes).astype(np.float64)
    present = counts > 0
    groups, images = int(present.sum()), len(values)
    if groups < 2 or images <= groups:
        raise InputError(
            "{images} images of {classes} classes cannot tell how specific a channel is. More images are needed.",
            images=images,
            classes=groups,
        )
    belongs = np.eye(classes)[labels]
    with np.errstate(invalid="ignore", divide="ignore"):
        means = (belongs.T @ values) / counts[:, None]
        total = values.mean(0)
        between = (counts[present, None] * (means[present] - total) ** 2).sum(0) / (groups - 1)
        within = ((values - means[labels]) ** 2).sum(0) / (images - groups)
        tiny = 1e-12 * np.maximum(total * total, 1e-30)
        f = np.where(within > tiny, between / within, np.where(between > tiny, np.inf, 0.0))
    strong = np.where(present[:, None], np.maximum(means, 0.0), -1.0)
    preferred = np.where(present[:, None], means, -np.inf).argmax(0)
    top = strong.max(0)
    rest = (strong[present].sum(0) - top) / (groups - 1)
    whole = top + rest
    index = np.divide(top - rest, whole, out=np.zeros_like(top), where=whole > 0)
    return Specificity(f, index, preferred.astype(np.int64), means)


def strongest(answers: Answers, count: int = 9) -> NDArray[np.int64]:
    """Returns, for each channel, the images that activate it most, the strongest first.

    Args:
        answers: The channels' responses.
        count: How many.

    Returns:
        Places in the surveyed order, C x min(count, N).
    """
    order = np.argsort(-answers.maxima, axis=0, kind="stable")
    return np.ascontiguousarray(order[:count].T)


def spot(anatomy: Anatomy, layer: str, place: int, grid: tuple[int, int]) -> Spot:
    """Returns where in the image a place of a layer's map lies.

    Args:
        anatomy: The network's anatomy.
        layer: Name of the layer.
        place: Row times the map's width, plus column.
        grid: Height and width of the map.
    """
    row, column = divmod(int(place), grid[1])
    side = float(anatomy.input_size)
    field = anatomy.layer(layer).receptive
    if field is not None:
        top, left, bottom, right = field.window(row, column)
        box = (max(0.0, top), max(0.0, left), min(side, bottom), min(side, right))
        if box[2] > box[0] and box[3] > box[1] and min(bottom - top, right - left) < side:
            return Spot(box, True)
    high, wide = side / grid[0], side / grid[1]
    return Spot((row * high, column * wide, (row + 1) * high, (column + 1) * wide), False)
