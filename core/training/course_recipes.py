"""The runs of the course, each as a ready recipe: network, what learns, changed images, phases. Loads no torch.

Where the notes leave something open, the description says what is taken here. Where they slip, ``slip`` says what went
wrong and what happens here instead.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from core.errors import InputError
from core.messages import N_
from core.specs import (
    AugmentSpec,
    DataSpec,
    EarlyStopping,
    Experiment,
    FreezePlan,
    HeadSpec,
    ModelSpec,
    Phase,
    Schedule,
    TrainingSpec,
)

FRUIT = N_("Transfer learning on fruit")
NOTES = N_("A deep-learning course in notes")
SCANS = N_("Homework: brain MRI, and cats and dogs")
FLOWERS = N_("Homework: convolution by hand, five classes")


@dataclass(frozen=True, slots=True)
class CourseRun:
    """One training of the course.

    Attributes:
        id: Stable name.
        title: What a person calls it.
        description: One or two sentences on what it does.
        source: Which of the course's notes it is from.
        classes: Classes that it was done with.
        model: Network, weights and head.
        training: Phases, batch and the rest; its preset is ``course``.
        freeze: What learns.
        augment: How training images are changed.
        slip: What the notes did wrong, and what is done here instead; empty where there is nothing.
    """

    id: str
    title: str
    description: str
    source: str
    classes: int
    model: ModelSpec
    training: TrainingSpec
    freeze: FreezePlan = field(default_factory=FreezePlan)
    augment: AugmentSpec = field(default_factory=AugmentSpec)
    slip: str = ""

    def experiment(self, data: DataSpec, *, epochs: int | None = None, name: str = "") -> Experiment:
        """Returns the run on some data.

        Args:
            data: Which images, and how they are divided.
            epochs: Epochs altogether, shared among the phases as the course does; ``None`` for the course's number.
            name: Name of the run; its title where none is given.

        Raises:
            InputError: There are fewer epochs than phases.
        """
        training = self.training if epochs is None else scaled(self.training, epochs)
        return Experiment(data, self.model, training, self.freeze, self.augment, name or self.title)


def find(run_id: str) -> CourseRun:
    """Returns a run of the course by its id.

    Raises:
        InputError: There is none.
    """
    if run_id not in COURSE:
        raise InputError("The notes have no run {name}. Choose one of: {known}.", name=run_id, known=", ".join(COURSE))
    return COURSE[run_id]


def scaled(training: TrainingSpec, epochs: int) -> TrainingSpec:
    """Returns a training whose phases share another number of epochs in the same proportion, each at least one.

    Raises:
        InputError: There are fewer epochs than phases.
    """
    phases, left = training.phases, epochs
    if epochs < len(phases):
        raise InputError(
            "This recipe has {phases} phases and needs at least as many epochs, not {epochs}.",
            phases=len(phases),
            epochs=epochs,
        )
    found: list[Phase] = []
    for number, phase in enumerate(phases, start=1):
        after = len(phases) - number
        share = min(left - after, max(1, round(epochs * phase.epochs / training.epochs))) if after else left
        found.append(replace(phase, epochs=share))
        left -= share
    return replace(training, phases=tuple(found))


def _training(*phases: Phase, batch_size: int = 32, early: int = 0, best: str = "val_accuracy") -> TrainingSpec:
    """Makes a training of the course; ``early`` is the patience of an early stopping by the validation loss."""
    stopping = EarlyStopping("val_loss", early) if early else None
    return TrainingSpec("course", phases, batch_size=batch_size, early=stopping, best=best)


_KERAS = (("alpha", 0.9), ("eps", 1e-7))
"""Keras' own settings of RMSprop, which differ from torch's."""
_FADING = Schedule("exponential", gamma=math.exp(-0.002))
"""An exponential decay of 0.002; the notes leave open of what, an epoch is taken here."""
_EVERYTHING = FreezePlan("all")
_PLATEAU = Schedule("plateau", gamma=0.1, patience=3)


def _cats_dogs(rate: float) -> TrainingSpec:
    head = Phase("head", "head", 20, "sgd", lr=rate, momentum=0.9, schedule=_FADING)
    return _training(head, replace(head, name="fine-tune", trains="plan", epochs=30))


def _from_random(epochs: int, schedule: Schedule | None = None) -> Phase:
    return Phase("train", "plan", epochs, "adam", lr=1e-3, schedule=schedule or Schedule())


_CATS_DOGS_SLIP = N_(
    "Each photo was first changed 50 times and saved, and the validation photos were drawn from the same heap, so "
    "copies of one photo stood on both sides. Here images are divided first, and only training images are changed."
)
_SCANS_SLIP = N_(
    "The slices were changed five times and saved before the split, so copies of one slice stood in training, "
    "validation and test. Here slices are divided first, and only training slices are changed."
)
_SCANS_CHANGES = AugmentSpec(flip=True, crop_scale=0.65, rotation=15.0)
_CATS_DOGS_CHANGES = AugmentSpec(flip=True, crop_scale=0.55, rotation=30.0)
_FLOWERS_CHANGES = AugmentSpec(flip=True, crop_scale=0.65, rotation=20.0)


def _scans(run_id: str, title: str, backbone: str, description: str) -> CourseRun:
    return CourseRun(
        id=run_id,
        title=title,
        description=description,
        source=SCANS,
        classes=2,
        model=ModelSpec(backbone, "none", init="xavier-uniform", init_bias=0.01),
        training=_training(_from_random(30), batch_size=64),
        freeze=_EVERYTHING,
        augment=_SCANS_CHANGES,
        slip=_SCANS_SLIP,
    )


_LISTED = (
    CourseRun(
        id="vgg16-fruit",
        title=N_("VGG16 on fruit"),
        description=N_(
            "A frozen VGG16 whose last layer alone is replaced tells twelve kinds of apples apart: RMSprop, batches of "
            "32, changed images, 25 epochs."
        ),
        source=FRUIT,
        classes=12,
        model=ModelSpec("vgg16"),
        training=_training(Phase("head", "head", 25, "rmsprop", lr=1e-3, momentum=0.0, options=_KERAS)),
        augment=AugmentSpec.preset("basic"),
        slip=N_(
            "The path of the test images pointed at the training images. Here a run's own division is written down, "
            "and images that stand in two splits are told of on the Data page."
        ),
    ),
    CourseRun(
        id="resnet18-fruit",
        title=N_("ResNet18 on fruit"),
        description=N_(
            "A frozen ResNet18 with a head of 256 hidden units learns with Adam; a plateau of the validation loss cuts "
            "the rate to a tenth, and early stopping ends the run. Patiences of 3 and 6 epochs, dropout of 0.5 and at "
            "most 25 epochs are taken here."
        ),
        source=FRUIT,
        classes=12,
        model=ModelSpec("resnet18", head=HeadSpec((256,), dropout=0.5)),
        training=_training(Phase("head", "head", 25, "adam", lr=1e-3, schedule=_PLATEAU), early=6, best="val_loss"),
        augment=AugmentSpec(flip=True),
    ),
    CourseRun(
        id="vgg16-cats-dogs",
        title=N_("VGG16 on cats and dogs"),
        description=N_(
            "The whole last map of VGG16 enters a dense layer of 4096. The head learns for 20 epochs with SGD at 0.1, "
            "then the last four layers (three convolutions and a pooling) learn along for 30."
        ),
        source=SCANS,
        classes=2,
        model=ModelSpec("vgg16", head=HeadSpec((4096,), "flatten")),
        training=_cats_dogs(0.1),
        freeze=FreezePlan(thaw=("features.24", "features.26", "features.28")),
        augment=_CATS_DOGS_CHANGES,
        slip=_CATS_DOGS_SLIP,
    ),
    CourseRun(
        id="resnet50-cats-dogs",
        title=N_("ResNet50 on cats and dogs"),
        description=N_(
            "The same on ResNet50 at a rate of 0.01. Its last four layers hold one convolution and its normalisation, "
            "so little more than the head learns in the second phase."
        ),
        source=SCANS,
        classes=2,
        model=ModelSpec("resnet50", head=HeadSpec((4096,), "flatten")),
        training=_cats_dogs(0.01),
        freeze=FreezePlan(thaw=("layer4.2.conv3", "layer4.2.bn3")),
        augment=_CATS_DOGS_CHANGES,
        slip=_CATS_DOGS_SLIP,
    ),
    CourseRun(
        id="resnet18-stl10",
        title=N_("ResNet18 on STL10"),
        description=N_(
            "A frozen ResNet18 with a new last layer for ten classes: SGD at 0.001 with a momentum of 0.9. The notes "
            "give no number of epochs; 10 are taken here."
        ),
        source=NOTES,
        classes=10,
        model=ModelSpec("resnet18"),
        training=_training(Phase("head", "head", 10, "sgd", lr=1e-3, momentum=0.9)),
    ),
    CourseRun(
        id="mobilenet-v2-flowers",
        title=N_("MobileNetV2 with a dense head on five flowers"),
        description=N_(
            "The whole last map of a frozen MobileNetV2 enters a dense layer of 256: sixteen million new weights for a "
            "few hundred pictures, made to be seen overfitting. Adam at 0.001 and 20 epochs are taken here."
        ),
        source=FLOWERS,
        classes=5,
        model=ModelSpec("mobilenet_v2", head=HeadSpec((256,), "flatten")),
        training=_training(Phase("head", "head", 20, "adam", lr=1e-3), early=3),
        augment=_FLOWERS_CHANGES,
        slip=N_(
            "Early stopping watched the training loss, which falls for as long as a network overfits. Here it watches "
            "the validation loss."
        ),
    ),
    CourseRun(
        id="mnist-cnn",
        title=N_("MNIST CNN from random weights"),
        description=N_(
            "Two convolutions of 5 x 5 and one hidden layer read handwritten digits: Adam at 0.001, batches of 32, 10 "
            "epochs."
        ),
        source=NOTES,
        classes=10,
        model=ModelSpec("mnist_cnn", "none"),
        training=_training(_from_random(10)),
        freeze=_EVERYTHING,
    ),
    CourseRun(
        id="emnist-cnn",
        title=N_("EMNIST CNN from random weights"),
        description=N_(
            "Six channels, batch normalisation and leaky ReLU read handwritten letters: Adam at 0.001. Its weights are "
            "made to be handed on to digits and clothes. Batches of 32 and 10 epochs are taken here."
        ),
        source=NOTES,
        classes=26,
        model=ModelSpec("emnist_cnn", "none"),
        training=_training(_from_random(10)),
        freeze=_EVERYTHING,
    ),
    _scans(
        "alzheimer-cnn",
        N_("Alzheimer CNN"),
        "alzheimer_cnn",
        N_(
            "Four convolutions with pooling, then dense layers, tell brain scans apart: Adam at 0.001, batches of 64, "
            "Glorot weights and biases of 0.01. 30 epochs are taken here."
        ),
    ),
    _scans(
        "alzheimer-test1",
        N_("Alzheimer Testing Model 1"),
        "alzheimer_test1",
        N_("The shallower rival with two convolutions, each with pooling, trained alike."),
    ),
    _scans(
        "alzheimer-test2",
        N_("Alzheimer Testing Model 2"),
        "alzheimer_test2",
        N_("The rival with a single pooling behind its two convolutions, trained alike."),
    ),
    CourseRun(
        id="flowers-cnn",
        title=N_("Five-flower CNN"),
        description=N_(
            "A sequential network from random weights: a plateau of 5 epochs cuts the rate to a fifth, early stopping "
            "ends the run after 3 epochs without progress. Adam at 0.001 and at most 50 epochs are taken here."
        ),
        source=FLOWERS,
        classes=5,
        model=ModelSpec("flowers_cnn", "none"),
        training=_training(
            _from_random(50, schedule=Schedule("plateau", gamma=0.2, patience=5)), early=3, best="val_loss"
        ),
        freeze=_EVERYTHING,
        augment=_FLOWERS_CHANGES,
        slip=N_(
            "Early stopping watched the training loss; here it watches the validation loss. And with a patience of 3 "
            "it ends the run before a plateau of 5 epochs can ever lower the rate."
        ),
    ),
)

COURSE: Mapping[str, CourseRun] = MappingProxyType({run.id: run for run in _LISTED})
"""The runs of the course, by id."""
