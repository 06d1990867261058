"""How a network's answers change with depth: sparsity, spread, rank, what is told of the classes and the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.interpret.features.activation_stats import Answers
from core.interpret.features.layer_statistics import class_distance, effective_rank, picture_r2, probe_accuracy
from core.interpret.layout import kind_of, layers_of_kinds, main_layers, spatial_layers
from core.models.anatomy.examine import Anatomy
from core.models.anatomy.records import HEAD

MIN_LAYERS = 8
"""Layers below which a profile shows the blocks within them, too."""
CELLS = 6
"""Places of each image at which it is tried to read its colour off a layer's answers."""


@dataclass(frozen=True, slots=True)
class LayerDepth:
    """One layer's place in the story.

    Attributes:
        layer: Its name.
        kind: What it is, one of :data:`core.interpret.layout.LAYER_KINDS`.
        stage: Its stage.
        channels: Number of its channels.
        grid: Height and width of its maps.
        sparsity: Share of values at or below zero.
        zeros: Share of values that are exactly zero: what a ReLU has switched off.
        hoyer: Sparseness after Hoyer, 0 to 1, which also holds for activations that never are zero.
        mean: Mean value.
        variance: Variance of the values.
        dead: Number of channels that never rise above zero on any image.
        rank: Effective rank of the images' pooled answers: exp of the entropy of their normalised singular values
            (Roy and Vetterli 2007). At most ``most``.
        most: The largest rank that so many images and channels can have.
        accuracy: Accuracy of a linear classifier on pooled answers, on images that it was not fitted to; ``None``
            where there are too few images.
        deviation: Standard deviation of that accuracy over the folds.
        distance: Mean distance of two classes' mean answers, over the root mean square distance of images from their
            own class' mean; ``None`` with fewer than two classes.
        picture: Share of the variance of the picture's colours that a linear map reads off the answers at the same
            place, on images that it was not fitted to; at least 0.
        broken: Number of values that were not finite.
        compared: Whether it stands for its part of the network; else it is an activation inside of a block, measured
            for its sparsity alone: rank, accuracy, distance and picture are not measured.
    """

    layer: str
    kind: str
    stage: str
    channels: int
    grid: tuple[int, int]
    sparsity: float
    zeros: float
    hoyer: float
    mean: float
    variance: float
    dead: int
    rank: float
    most: int
    accuracy: float | None
    deviation: float | None
    distance: float | None
    picture: float | None
    broken: int = 0
    compared: bool = True


def depth_layers(anatomy: Anatomy, most: int = 24) -> tuple[str, ...]:
    """Returns the layers that the profile shows: blocks and single layers, without norms and without what repeats.

    Args:
        anatomy: The network's anatomy.
        most: How many at most, evenly over the depth, with the first and the last.
    """
    known = anatomy.layers_by_name
    maps = [name for name in spatial_layers(anatomy) if known[name].stage != HEAD]  # a map of class scores is none
    selected = [name for name in main_layers(anatomy, maps) if kind_of(known[name]) != "norm"]
    if len(selected) < MIN_LAYERS:  # too few: whole stages' blocks are added
        units = {block.name for stage in anatomy.stages for block in stage.blocks}
        selected = [name for name in maps if name in units or name in set(selected)]
    names: list[str] = []
    for index, name in enumerate(selected):
        following = known[selected[index + 1]] if index + 1 < len(selected) else None
        rectified = following is not None and kind_of(following) == "activation"
        if kind_of(known[name]) == "conv" and following is not None and rectified:
            names += [name] if following.output_shape != known[name].output_shape else []
            continue  # its activation stands for it
        names.append(name)
    return _thinned(names, most)


def _thinned(names: Sequence[str], most: int) -> tuple[str, ...]:
    if len(names) <= most:
        return tuple(names)
    return tuple(dict.fromkeys(names[round(i * (len(names) - 1) / (most - 1))] for i in range(most)))


def activation_layers(anatomy: Anatomy, most: int = 24) -> tuple[str, ...]:
    """Returns the activations whose output is a picture, at most so many, evenly over the depth."""
    return _thinned(layers_of_kinds(anatomy, ("activation",)), most)


def measure(
    anatomy: Anatomy,
    answers: Answers,
    labels: NDArray[np.integer],
    *,
    classes: int,
    compared: bool = True,
    seed: int = 0,
) -> LayerDepth:
    """Measures one layer.

    Args:
        anatomy: The network's anatomy.
        answers: What the layer's channels answered to N images, with cells.
        labels: Classes of these images, N.
        classes: Number of classes.
        compared: Whether everything is measured; else only sparsity and spread.
        seed: Seed of the folds.
    """
    layer = anatomy.layer(answers.layer)
    pooled = answers.means.astype(np.float64)
    mean = float(pooled.mean())
    score = probe_accuracy(pooled, labels, seed=seed) if compared else None
    return LayerDepth(
        layer=answers.layer,
        kind=kind_of(layer),
        stage=layer.stage,
        channels=answers.channels,
        grid=answers.grid,
        sparsity=float(answers.off.mean()),
        zeros=float(answers.zeros.mean()),
        hoyer=float(answers.hoyer.mean()),
        mean=mean,
        variance=max(float(answers.squares.mean(dtype=np.float64)) - mean * mean, 0.0),
        dead=int((answers.maxima.max(0) <= 0).sum()),
        rank=effective_rank(pooled) if compared else 0.0,
        most=max(1, min(len(pooled) - 1, answers.channels)),
        accuracy=score[0] if score else None,
        deviation=score[1] if score else None,
        distance=class_distance(pooled, labels, classes) if compared else None,
        picture=picture_r2(answers.cells, answers.colours) if compared else None,
        broken=int(answers.broken.sum()),
        compared=compared,
    )
