"""What the catalogue knows of a network and of each of its weight files. Loads no torch."""

from __future__ import annotations

from dataclasses import dataclass

AVAILABLE, DOWNLOAD, NONE = "available", "needs download", "none"
"""Whether weights are at hand."""

TIMM = "timm/"
"""What the names of timm's networks begin with in the catalogue."""


@dataclass(frozen=True, slots=True)
class Backbone:
    """One network of the catalogue.

    Attributes:
        name: Stable name: as torchvision registers it, or ``timm/`` and timm's name.
        title: What a person calls it.
        family: Title of its family.
        parameters: Number of parameters with its own head, without auxiliary classifiers.
        input_size: Side of the square images its default weights were evaluated on, in pixels.
        num_classes: Classes of its weights.
        gflops: Multiply-adds of one image at that size, in billions; ``None`` where nobody published them.
        top1: ImageNet accuracy of the default weights, in percent; ``None`` without weights or figure.
        weights_mb: Size of the weight file, in MB; likewise.
        year: When the family appeared; 0 where that is not known.
        paper: Where to read about it; may be empty.
        source: Where it comes from: ``torchvision``, ``course``, ``timm`` or the name of a package.
        channels: 3 for RGB, 1 for gray images.
    """

    name: str
    title: str
    family: str
    parameters: int
    input_size: int
    num_classes: int
    gflops: float | None
    top1: float | None
    weights_mb: float | None
    year: int
    paper: str
    source: str
    channels: int = 3


@dataclass(frozen=True, slots=True)
class WeightsEntry:
    """One set of pretrained weights of a network.

    Attributes:
        name: Its name within the network, such as ``IMAGENET1K_V1``; a valid ``ModelSpec.weights``.
        title: What a person calls it.
        top1: ImageNet accuracy, in percent; ``None`` where it is not known.
        top5: Share of images whose class is among the five most probable, likewise.
        size_mb: Size of the file, in MB, likewise.
        classes: Number of classes it tells apart; 0 for weights of features alone.
        input_size: Side of the square images it was evaluated on, in pixels.
        gflops: Multiply-adds of one image at that size, in billions, likewise.
        note: How it was trained, according to its publisher, in English; may be empty.
        recipe: Address of the training recipe; may be empty.
        state: ``available`` on this machine, or ``needs download``.
        default: Whether it is what ``default`` stands for.
    """

    name: str
    title: str
    top1: float | None
    top5: float | None
    size_mb: float | None
    classes: int
    input_size: int
    gflops: float | None
    note: str
    recipe: str
    state: str
    default: bool
