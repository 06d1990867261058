"""What the advisor knows: how many images there are, and how like those of the pretraining they are.

The likeness is the mean of two measured shares, each between 0 and 1: how far nearest neighbours by frozen features
beat naming the largest class, and how much of the labels the pretraining's own classes explain (LEEP against the
labels' entropy). Loads no torch before a network is needed.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from core.data.dataset import Dataset
from core.errors import InputError
from core.evaluation.transferability import Transferability
from core.specs import ModelSpec

MANY_IMAGES = 500
"""Training images a class from which on they count as many. A convention: ImageNet has about 1,300 a class, data sets
that are called small mostly fewer than 100."""
SIMILARITY_LIMIT = 0.65
"""Likeness from which on images count as similar to those of the pretraining. Measured with EfficientNet-Lite0 on 200
images: photos of cats and dogs 0.86, photographed textures 0.87; drawn shapes 0.49, handwritten digits 0.38 to 0.45."""
NEIGHBOUR_SIMILARITY_LIMIT = 0.85
"""The same where the network has no source classes, and the likeness rests on the neighbours alone."""
SAMPLE, SAMPLE_A_CLASS = 200, 8
"""Training images that are looked at for the likeness: so many, or so many of each class if that is more."""
_LOOKED_AT = 4


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """What is known about a user's images and the chosen network.

    Attributes:
        images: Training images.
        classes: Number of classes.
        smallest: Training images of the smallest class.
        pretrained: Whether the network starts from weights that learned something.
        has_weights: Whether pretrained weights exist for it at all.
        input_size: Side of the network's input, in pixels.
        side: Short side of a typical image, in pixels; ``None`` where none could be read.
        gray: Whether the images looked at have no colour.
        scores: How well the network's frozen features separate the classes; ``None`` before it was measured.
    """

    images: int
    classes: int
    smallest: int
    pretrained: bool
    has_weights: bool
    input_size: int
    side: int | None = None
    gray: bool = False
    scores: Transferability | None = None

    @property
    def per_class(self) -> int:
        """Training images a class, on average."""
        return round(self.images / max(self.classes, 1))

    @property
    def size(self) -> str:
        """``small`` or ``large``."""
        return "large" if self.per_class >= MANY_IMAGES else "small"

    @property
    def neighbours(self) -> float | None:
        """How far the frozen features' nearest neighbours beat naming the largest class, 0 (not) to 1 (no mistake)."""
        if self.scores is None or self.scores.baseline >= 1:
            return None
        return max(0.0, (self.scores.knn_accuracy - self.scores.baseline) / (1 - self.scores.baseline))

    @property
    def source_class_share(self) -> float | None:
        """Share of the labels' entropy that the pretraining's own classes explain (from LEEP), 0 to 1."""
        if self.scores is None or self.scores.leep is None:
            return None
        return min(1.0, max(0.0, 1.0 + self.scores.leep / self.scores.entropy))

    @property
    def likeness(self) -> float | None:
        """Mean of :attr:`neighbours` and :attr:`source_class_share`, as far as known; ``None`` before both."""
        known = [value for value in (self.neighbours, self.source_class_share) if value is not None]
        return sum(known) / len(known) if known else None

    @property
    def line(self) -> float:
        """The likeness from which on images count as similar."""
        return SIMILARITY_LIMIT if self.source_class_share is not None else NEIGHBOUR_SIMILARITY_LIMIT

    @property
    def kind(self) -> str:
        """``similar``, ``different``, ``""`` before it was measured, or ``random`` where nothing was learned before."""
        if not self.pretrained:
            return "random"
        likeness = self.likeness
        return "" if likeness is None else "similar" if likeness >= self.line else "different"


def dataset_facts(dataset: Dataset, model: ModelSpec, scores: Transferability | None = None) -> DatasetFacts:
    """Collects what is known without running the network.

    Args:
        dataset: Divided images; a few of the split ``train`` are opened.
        model: The chosen network and weights.
        scores: What was measured with it, see :meth:`core.workflows.advisor.ranking.Ranking.find`.
    """
    from core.models.catalog.catalog import backbone, entries, input_size

    counts = Counter(dataset.items[position].label for position in dataset.positions("train"))
    side, gray = looks(dataset)
    has_weights = not model.design and bool(entries(backbone(model.backbone).name))
    return DatasetFacts(
        images=sum(counts.values()),
        classes=len(dataset.classes),
        smallest=min((counts[label] for label in range(len(dataset.classes))), default=0),
        pretrained=model.weights.startswith(("run:", "file:")) or (has_weights and model.weights != "none"),
        has_weights=has_weights,
        input_size=input_size(model),
        side=side,
        gray=gray,
        scores=scores,
    )


def sample_size(classes: int) -> int:
    """Returns how many training images are looked at to measure the likeness."""
    return max(SAMPLE, SAMPLE_A_CLASS * classes)


def looks(dataset: Dataset) -> tuple[int | None, bool]:
    """Returns the median short side of a few training images, and whether all of them are without colour."""
    positions = dataset.positions("train")
    sides, gray = [], True
    for position in positions[:: max(1, len(positions) // _LOOKED_AT)][:_LOOKED_AT]:
        try:
            image = dataset.load(position)
        except InputError:
            continue
        sides.append(min(image.size))
        red, green, blue = image.resize((32, 32)).split()
        gray = gray and red.tobytes() == green.tobytes() == blue.tobytes()
    return (sorted(sides)[len(sides) // 2], gray) if sides else (None, False)
