"""The runs of the course, each as a ready recipe: network, what learns, changed images, phases. Loads no torch.

Where the notes leave something open, the description says what is taken here. Where they slip, ``slip`` says what went
wrong and what happens here instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from core.errors import InputError
from core.messages import N_
from core.models.architectures.small_networks import alzheimer_cnn
from core.specs import AugmentSpec, EarlyStopping, FreezePlan, HeadSpec, ModelSpec, Phase, Schedule, TrainingSpec
from core.training.course_run import CourseRun, scaled

__all__ = ["COURSE", "CourseRun", "find", "scaled"]

FRUIT = N_("Transfer learning on fruit")
NOTES = N_("A deep-learning course in notes")
SCANS = N_("Homework: brain MRI, and cats and dogs")
FIVE = N_("Homework: convolution by hand, five classes")


def find(run_id: str) -> CourseRun:
    """Returns a run of the course by its id.

    Raises:
        InputError: There is none.
    """
    if run_id not in COURSE:
        raise InputError("The notes have no run {name}. Choose one of: {known}.", name=run_id, known=", ".join(COURSE))
    return COURSE[run_id]


def _training(
    *phases: Phase, batch_size: int = 32, early: int = 0, best: str = "val_accuracy", watched: str = "val_loss"
) -> TrainingSpec:
    """Makes a training of the course; ``early`` is the patience of an early stopping by what is ``watched``."""
    stopping = EarlyStopping(watched, early) if early else None
    return TrainingSpec("course", phases, batch_size=batch_size, early=stopping, best=best)


_KERAS = (("alpha", 0.9), ("eps", 1e-7))
"""Keras' own settings of RMSprop, which differ from torch's."""
_EVERYTHING = FreezePlan("all")
_PLATEAU = Schedule("plateau", gamma=0.1, patience=3)


def _from_random(epochs: int, schedule: Schedule | None = None) -> Phase:
    return Phase("train", "plan", epochs, "adam", lr=1e-3, schedule=schedule or Schedule())


_CATS_DOGS_SLIP = N_(
    "Each photo was first changed 50 times and saved, and the validation photos were drawn from the same heap, so "
    "copies of one photo stood on both sides. Here images are divided first, and only training images are changed."
)
_CATS_DOGS_KEPT = N_(
    "When the last layers were freed, the rate stayed as high as for the new head, which wrecks pretrained features. "
    "The coach says so too."
)
_SCANS_SLIP = N_(
    "The slices were changed five times and saved before the split, so copies of one slice stood in training, "
    "validation and test. Here slices are divided first, and only training slices are changed."
)


def _cats_dogs(network: str, rate: float, description: str, thaw: tuple[str, ...], *, changed: bool) -> CourseRun:
    head = Phase("head", "head", 20, "sgd", lr=rate, momentum=0.9)
    names = {
        ("vgg16", True): N_("VGG16 on cats and dogs, augmented"),
        ("vgg16", False): N_("VGG16 on cats and dogs, not augmented"),
        ("resnet50", True): N_("ResNet50 on cats and dogs, augmented"),
        ("resnet50", False): N_("ResNet50 on cats and dogs, not augmented"),
    }
    return CourseRun(
        id=f"{network}-cats-dogs{'' if changed else '-plain'}",
        title=names[network, changed],
        description=description,
        source=SCANS,
        classes=2,
        model=ModelSpec(network, head=HeadSpec((4096,), "flatten")),
        training=_training(head, Phase("fine-tune", "plan", 30, "sgd", lr=rate, momentum=0.9), batch_size=128),
        freeze=FreezePlan(thaw=thaw),
        augment=AugmentSpec.preset("cats-dogs-paper" if changed else "none"),
        slip=_CATS_DOGS_SLIP if changed else _CATS_DOGS_KEPT,
        slip_kept=not changed,
    )


_VGG16 = N_(
    "The whole last map of VGG16 enters a dense layer of 4096. The head learns for 20 epochs with SGD at 0.1, then the "
    "last four layers (three convolutions and a pooling) learn along for 30, in batches of 128. The rate is constant: "
    "the notes' decay took it to 0.0995 in 80 steps."
)
_RESNET50 = N_(
    "The same on ResNet50 at a rate of 0.01. Its last four layers hold one convolution and its normalisation, so "
    "little more than the head learns in the second phase. The notes scaled pixels by 255 alone, which is not what its "
    "weights expect; here they get what they were trained with."
)
_VGG16_LAST = ("features.24", "features.26", "features.28")
_RESNET50_LAST = ("layer4.2.conv3", "layer4.2.bn3")


def _scans(
    run_id: str, title: str, description: str, model: ModelSpec | None = None, *, test: float = 0.05
) -> CourseRun:
    return CourseRun(
        id=run_id,
        title=title,
        description=description,
        source=SCANS,
        classes=2,
        model=model or ModelSpec("alzheimer_cnn", "none", init="xavier-uniform", init_bias=0.01),
        training=_training(_from_random(30), batch_size=64),
        freeze=_EVERYTHING,
        augment=AugmentSpec.preset("brain-paper"),
        slip=_SCANS_SLIP,
        division=(test, 0.1),
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
    _cats_dogs("vgg16", 0.1, _VGG16, _VGG16_LAST, changed=True),
    _cats_dogs("vgg16", 0.1, _VGG16, _VGG16_LAST, changed=False),
    _cats_dogs("resnet50", 0.01, _RESNET50, _RESNET50_LAST, changed=True),
    _cats_dogs("resnet50", 0.01, _RESNET50, _RESNET50_LAST, changed=False),
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
        id="mobilenet-v2-as-run",
        title=N_("MobileNetV2 on five classes, as the homework ran it"),
        description=N_(
            "The whole last map of MobileNetV2 enters a dense layer of 256, and nothing is frozen: pretrained and new "
            "layers learn at one rate. It is here to be seen overfitting. Adam at 0.001 and 20 epochs are taken here."
        ),
        source=FIVE,
        classes=5,
        model=ModelSpec("mobilenet_v2", head=HeadSpec((256,), "flatten"), normalise="255"),
        training=_training(Phase("train", "plan", 20, "adam", lr=1e-3), early=3, watched="train_loss"),
        freeze=_EVERYTHING,
        augment=AugmentSpec.preset("five-classes"),
        slip=N_(
            "The base was never frozen, pixels were divided by 255 for weights that expect -1 to 1 "
            "in Keras, and early stopping watched the training loss, which falls for as long as a network overfits. "
            "Run it beside the one that is set right."
        ),
        slip_kept=True,
    ),
    CourseRun(
        id="mobilenet-v2-five-classes",
        title=N_("MobileNetV2 on five classes, set right"),
        description=N_(
            "The base is frozen and gets the pixels that its weights expect; the whole last map enters a dense layer "
            "of 256, still sixteen million new weights. Adam at 0.001 and 20 epochs are taken here."
        ),
        source=FIVE,
        classes=5,
        model=ModelSpec("mobilenet_v2", head=HeadSpec((256,), "flatten")),
        training=_training(Phase("head", "head", 20, "adam", lr=1e-3), early=3, best="val_loss"),
        augment=AugmentSpec.preset("five-classes"),
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
            "made to be handed on to digits and clothes. 10 epochs; batches of 32 are taken here."
        ),
        source=NOTES,
        classes=26,
        model=ModelSpec("emnist_cnn", "none"),
        training=_training(_from_random(10)),
        freeze=_EVERYTHING,
    ),
    _scans(
        "alzheimer-cnn",
        N_("Alzheimer CNN, 5 %\u00a0test"),
        N_(
            "Four convolutions of 32 filters with pooling, then dense layers, tell brain scans apart: Adam at 0.001, "
            "batches of 64, Glorot weights and biases of 0.01. 5 %\u00a0of the images test, 10 %\u00a0of the rest "
            "validate. 30 epochs are taken here."
        ),
    ),
    _scans(
        "alzheimer-cnn-30",
        N_("Alzheimer CNN, 30 %\u00a0test"),
        N_("The same with 30 %\u00a0of the images kept for the test, and so fewer to learn from."),
        test=0.3,
    ),
    _scans(
        "alzheimer-cnn-40",
        N_("Alzheimer CNN, 40 %\u00a0test"),
        N_("The same with 40 %\u00a0of the images for the test. The notes write 50 %; their 3,308 pictures are 40 %."),
        test=0.4,
    ),
    _scans(
        "alzheimer-dropout",
        N_("Alzheimer CNN with dropout"),
        N_("The same with dropout behind each dense layer. The notes do not say how much; 0.5 is taken here."),
        ModelSpec("alzheimer_cnn", "none", init="xavier-uniform", init_bias=0.01, design=alzheimer_cnn(dropout=0.5)),
    ),
    _scans(
        "alzheimer-zeros",
        N_("Alzheimer CNN, all weights zero"),
        N_("Every weight begins at 0: no unit differs from its neighbours, and nothing is learned."),
        ModelSpec("alzheimer_cnn", "none", init="zeros"),
    ),
    _scans(
        "alzheimer-ones",
        N_("Alzheimer CNN, all weights one"),
        N_("Every weight begins at 1: all units of a layer stay the same for ever, and next to nothing is learned."),
        ModelSpec("alzheimer_cnn", "none", init="ones"),
    ),
    _scans(
        "alzheimer-test1",
        N_("Alzheimer Testing Model 1"),
        N_("The shallower rival with two convolutions, each with pooling, trained alike."),
        ModelSpec("alzheimer_test1", "none", init="xavier-uniform", init_bias=0.01),
    ),
    _scans(
        "alzheimer-test2",
        N_("Alzheimer Testing Model 2"),
        N_("The rival with a single pooling behind its two convolutions, trained alike."),
        ModelSpec("alzheimer_test2", "none", init="xavier-uniform", init_bias=0.01),
    ),
    CourseRun(
        id="cats-and-dogs-small-2",
        title=N_("Cats and dogs from random weights"),
        description=N_(
            "The small network of Chollet's book with one sigmoid output, learned with binary cross-entropy: changed "
            "images, RMSprop at 0.0001 and batches of 32, as the book has it. 30 epochs are taken here."
        ),
        source=NOTES,
        classes=2,
        model=ModelSpec("cats_and_dogs_small_2", "none"),
        training=_training(Phase("train", "plan", 30, "rmsprop", lr=1e-4, momentum=0.0, options=_KERAS)),
        freeze=_EVERYTHING,
        augment=AugmentSpec.preset("five-classes"),
    ),
    CourseRun(
        id="five-classes-cnn",
        title=N_("Five-class CNN"),
        description=N_(
            "A sequential network from random weights: a plateau of 5 epochs cuts the rate to a fifth, early stopping "
            "ends the run after 3 epochs without progress. Adam at 0.001 and at most 50 epochs are taken here."
        ),
        source=FIVE,
        classes=5,
        model=ModelSpec("five_classes_cnn", "none"),
        training=_training(
            _from_random(50, schedule=Schedule("plateau", gamma=0.2, patience=5)), early=3, best="val_loss"
        ),
        freeze=_EVERYTHING,
        augment=AugmentSpec.preset("five-classes"),
        slip=N_(
            "Early stopping watched the training loss; here it watches the validation loss. And with a patience of 3 "
            "it ends the run before a plateau of 5 epochs can ever lower the rate."
        ),
    ),
)

_STAND_INS = tuple(stand_in for run in _LISTED if (stand_in := run.stand_in) is not None)
COURSE: Mapping[str, CourseRun] = MappingProxyType({run.id: run for run in (*_LISTED, *_STAND_INS)})
"""The runs of the course, by id; behind the notes' own those that stand in where weights cannot be had."""
