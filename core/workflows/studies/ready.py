"""The notes' tables and comparisons as studies of small scale, the notes' figures beside one's own. Loads no torch.

Where the notes took photos that do not come with the project, one's own pictures serve, or an embedded set; what
network stands for theirs where no weights are to be had is said in the description.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType
from typing import Any

from core.errors import InputError
from core.messages import N_
from core.specs import AugmentSpec, DataSpec, Experiment, FreezePlan, ModelSpec, Phase, TrainingSpec
from core.specs.study import Factor, Level, Study
from core.training.recipes import make_recipe

SEEDS = (0, 1, 2)
LITE = "efficientnet_lite0"
VIEWS = 4
"""Changed views of each image in a study of frozen backbones: drawn once, so that features are computed once."""
FEW = 300
"""Pictures of a generated class at most, so that a study takes minutes."""


@dataclass(frozen=True, slots=True)
class ReadyStudy:
    """A study of the notes.

    Attributes:
        id: Stable name.
        title: What a person calls it.
        description: What is compared, and what stands for what the notes used.
        make: Makes the study, on some data where it takes one's own.
        own: Whether it is meant for one's own pictures.
        classes: Classes that the pictures must have; 0 for any number.
        backbones: Pretrained networks whose weights it needs.
        noted: The notes' test accuracy by the labels of a setting.
        remark: What else the notes say, or where they slip; empty for nothing.
    """

    id: str
    title: str
    description: str
    make: Callable[[DataSpec], Study]
    own: bool = False
    classes: int = 0
    backbones: tuple[str, ...] = ()
    noted: Mapping[tuple[str, ...], float] = field(default_factory=dict)
    remark: str = ""

    def study(self, data: DataSpec | None = None) -> Study:
        """Returns the study.

        Args:
            data: One's own pictures, for studies that take them; ``None`` for an embedded set.
        """
        made = self.make(data if self.own and data is not None else DataSpec("textures"))
        return replace(made, ready=self.id, name=made.name or self.title)


def find(name: str) -> ReadyStudy:
    """Returns a ready study by its id.

    Raises:
        InputError: There is none.
    """
    if name not in READY:
        raise InputError("There is no ready study {name}. Choose one of: {known}.", name=name, known=", ".join(READY))
    return READY[name]


def _experiment(data: DataSpec, model: ModelSpec, *phases: Phase, **more: Any) -> Experiment:
    training = TrainingSpec("custom", phases, **{"kept_mib": 0, **more})
    return Experiment(data, model, training, FreezePlan("all"))


def _all(epochs: int, optimizer: str = "adam", lr: float = 1e-3) -> Phase:
    return Phase("train", "plan", epochs, optimizer, lr=lr)


def _probe(data: DataSpec, backbone: str, *, views: int = 0, epochs: int = 10) -> Experiment:
    recipe = make_recipe("linear-probe", epochs=epochs)
    training = TrainingSpec("linear-probe", recipe.phases, views=views, kept_mib=0)
    return Experiment(data, ModelSpec(backbone), training, recipe.freeze)


def _levels(name: str, **settings: Mapping[str, Any]) -> Factor:
    """Returns a factor of named variants; in a name two underscores stand for a dash, one for a blank."""
    labels = {key: key.replace("__", " – ").replace("_", " ") for key in settings}
    return Factor(name, tuple(Level(labels[key], tuple(row.items())) for key, row in settings.items()))


AUGMENTATION = "augmentation"


def _augmentation(preset: str) -> Factor:
    changes = asdict(AugmentSpec.preset(preset))
    return _levels(AUGMENTATION, augmented={"augment": changes}, not_augmented={"augment": "none"})


def _cats_dogs(data: DataSpec) -> Study:
    nets = _levels("network", VGG16={"model.backbone": "vgg16"}, ResNet50={"model.backbone": "resnet50"})
    return Study(_probe(data, "vgg16", views=VIEWS), (nets, _augmentation("cats-dogs-paper")), seeds=SEEDS)


def _cats_dogs_lite(data: DataSpec) -> Study:
    """Pretrained against random features of one network, each with and without augmentation."""
    starts = _levels("weights", pretrained={"model.weights": "default"}, random={"model.weights": "none"})
    return Study(_probe(data, LITE, views=VIEWS), (starts, _augmentation("cats-dogs-paper")), seeds=SEEDS)


def _fruit(backbone: str) -> Callable[[DataSpec], Study]:
    def make(data: DataSpec) -> Study:
        return Study(_probe(data, backbone, views=VIEWS, epochs=5), (_augmentation("basic"),), seeds=SEEDS)

    return make


def _brains(model: ModelSpec, test_share: float = 0.3) -> Experiment:
    data = DataSpec("brains", 0.1, test_share, images_per_class=FEW, val_of="rest", group_by="column:patient")
    drawn = replace(model, weights="none", init="xavier-uniform", init_bias=0.01)
    return _experiment(data, drawn, _all(10), batch_size=64)


def _shares(_: DataSpec) -> Study:
    shares = {"5 %": 0.05, "30 %": 0.3, "40 %": 0.4}
    levels = tuple(Level(label, (("data.test_share", share),)) for label, share in shares.items())
    return Study(_brains(ModelSpec("alzheimer_cnn")), (Factor("test share", levels),), seeds=SEEDS)


def _models(_: DataSpec) -> Study:
    from core.models.architectures.small_networks import alzheimer_cnn

    dropped = [asdict(piece) for piece in alzheimer_cnn(dropout=0.5)]
    nets = _levels(
        "network",
        proposed={"model.backbone": "alzheimer_cnn"},
        with_dropout={"model.design": dropped},
        Model_1={"model.backbone": "alzheimer_test1"},
        Model_2={"model.backbone": "alzheimer_test2"},
    )
    return Study(_brains(ModelSpec("alzheimer_cnn"), 0.05), (nets,), seeds=SEEDS)


def _inits(_: DataSpec) -> Study:
    starts = _levels(
        "initialisation",
        Glorot={"model.init": "xavier-uniform"},
        zeros={"model.init": "zeros", "model.init_bias": 0.0},
        ones={"model.init": "ones", "model.init_bias": 0.0},
    )
    return Study(_brains(ModelSpec("alzheimer_cnn")), (starts,), seeds=SEEDS)


def _rates(_: DataSpec) -> Study:
    data = DataSpec("mnist", test_share=0.2, images_per_class=60)
    base = _experiment(data, ModelSpec("mnist_cnn", "none"), _all(5))
    rates = Factor.of("training.phases.lr", 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
    return Study(base, (Factor.of("training.phases.optimizer", "sgd", "rmsprop", "adam"), rates), seeds=SEEDS)


def _depth_width(_: DataSpec) -> Study:
    data = DataSpec("mnist", test_share=0.2, images_per_class=60)
    base = _experiment(data, ModelSpec("mnist_cnn", "none"), _all(12, lr=3e-3), batch_size=16)
    nets = {f"{depth} x {width}": {"model.design": _stack(depth, width)} for depth in (1, 2, 3) for width in (4, 8, 16)}
    levels = tuple(Level(label, tuple(row.items())) for label, row in nets.items())
    return Study(base, (Factor("depth x width", levels),), seeds=SEEDS)


def _stack(depth: int, width: int) -> list[dict[str, Any]]:
    """Returns convolutions of one width, each with pooling."""
    convolution: dict[str, Any] = {"kind": "conv", "size": width, "kernel": 3, "padding": 1}
    block: list[dict[str, Any]] = [convolution, {"kind": "relu"}, {"kind": "max-pool", "kernel": 2}]
    return [*(block * depth), {"kind": "flatten"}]


def _frozen(data: DataSpec) -> Study:
    base = _experiment(replace(data, images_per_class=data.images_per_class or 30), ModelSpec(LITE), _all(3, "adamw"))
    return Study(base, (Factor.of("freeze.trainable_stages", 0, 1, 2, 3, "all"),), seeds=SEEDS)


def _handed_on(source: str, target: str, network: str, channels: int | None = None) -> Callable[[DataSpec], Study]:
    """Returns what makes a study of three curves: random; copied, all learn; copied, only the last layer."""

    def make(_: DataSpec) -> Study:
        model = ModelSpec(network, "none", channels=channels)
        before = _experiment(DataSpec(source, test_share=0.1), model, _all(5))
        few = DataSpec(target, test_share=0.4, images_per_class=40)
        base = _experiment(few, model, _all(20, lr=3e-3), batch_size=16)  # enough steps for a last layer alone
        copied = {"model.weights": "run:first"}
        starts = _levels(
            "start",
            random={"model.weights": "none"},
            copied__all_learn={**copied, "freeze.trainable_stages": "all"},
            copied__last_layer_alone={**copied, "freeze.trainable_stages": 0},
        )
        return Study(base, (starts,), seeds=SEEDS, first=replace(before, name=f"{source}, {network}"))

    return make


_CATS_DOGS: Mapping[tuple[str, ...], float] = {
    ("VGG16", "augmented"): 0.87,
    ("VGG16", "not augmented"): 0.899,
    ("ResNet50", "augmented"): 0.632,
    ("ResNet50", "not augmented"): 0.695,
}

_LISTED = (
    ReadyStudy(
        "cats-dogs",
        N_("Cats and dogs: VGG16 and ResNet50, augmented or not"),
        N_("Frozen features of both networks with a linear head, on your own pictures of two classes."),
        _cats_dogs,
        own=True,
        classes=2,
        backbones=("vgg16", "resnet50"),
        noted=_CATS_DOGS,
        remark=N_(
            "100 test photos allow whole percents only, so 89.9 cannot be; ResNet50's printed test accuracy is 50 %. "
            "The text says that augmentation helped: the figures say the opposite, within chance."
        ),
    ),
    ReadyStudy(
        "cats-dogs-lite",
        N_("Cats and dogs on EfficientNet-Lite0: pretrained or random, augmented or not"),
        N_(
            "The same question where the weights of VGG16 and ResNet50 cannot be had: EfficientNet-Lite0's weights "
            "come as a package. Frozen features with a linear head, on your own pictures of two classes."
        ),
        _cats_dogs_lite,
        own=True,
        classes=2,
        backbones=(LITE,),
        noted={("pretrained", "augmented"): 0.87, ("pretrained", "not augmented"): 0.899},
        remark=N_("The notes' figures are those of VGG16."),
    ),
    ReadyStudy(
        "fruit-augmentation",
        N_("VGG16 with and without augmentation"),
        N_("Five epochs each, frozen features with a linear head, on your own pictures."),
        _fruit("vgg16"),
        own=True,
        backbones=("vgg16",),
        remark=N_(
            "After 25 epochs with augmentation the notes have 90.1 %\u00a0on training and 83.4 %\u00a0on validation "
            "photos."
        ),
    ),
    ReadyStudy(
        "fruit-augmentation-lite",
        N_("EfficientNet-Lite0 with and without augmentation"),
        N_("The same with a network whose weights come as a package."),
        _fruit(LITE),
        own=True,
        backbones=(LITE,),
        remark=N_(
            "After 25 epochs of VGG16 the notes have 90.1 %\u00a0on training and 83.4 %\u00a0on validation photos."
        ),
    ),
    ReadyStudy(
        "brain-shares",
        N_("Brain scans: 5, 30 or 40 %\u00a0for the test"),
        N_("The Alzheimer CNN on generated slices of heads, the slices of a head kept together."),
        _shares,
        noted={("5 %",): 0.8208, ("30 %",): 0.782, ("40 %",): 0.777},
        remark=N_(
            "The notes copied slices five times before the division, so that relatives stood on both sides; always "
            "naming AD gives 58.3 %\u00a0of their pictures."
        ),
    ),
    ReadyStudy(
        "brain-models",
        N_("Brain scans: the proposed network, dropout, Model 1 and Model 2"),
        N_("Four networks on generated slices of heads, the slices of a head kept together."),
        _models,
        noted={("proposed",): 0.8208, ("with dropout",): 0.799, ("Model 1",): 0.7772, ("Model 2",): 0.7797},
        remark=N_(
            "The notes call Model 2 the worst, though it is above Model 1 by one picture, and praise dropout, which "
            "lies below the run without: all intervals of one run each overlap."
        ),
    ),
    ReadyStudy(
        "brain-inits",
        N_("Brain scans: Glorot weights, zeros or ones"),
        N_("Weights that are all equal never learn to differ."),
        _inits,
        noted={("Glorot",): 0.8208, ("zeros",): 0.5, ("ones",): 0.5},
    ),
    ReadyStudy(
        "rates",
        N_("SGD, RMSprop and Adam over learning rates"),
        N_("Five rates for each of three optimizers, on 600 handwritten digits."),
        _rates,
        remark=N_("The notes: small rates hurt SGD alone; the accuracy goes from 50 to 99 %\u00a0over the rates."),
    ),
    ReadyStudy(
        "depth-width",
        N_("Depth against width"),
        N_("One to three convolutions of 4, 8 or 16 channels, on 600 handwritten digits."),
        _depth_width,
    ),
    ReadyStudy(
        "frozen-stages",
        N_("How many stages to thaw"),
        N_("From the head alone to the whole of EfficientNet-Lite0, on 30 pictures a class."),
        _frozen,
        own=True,
        backbones=(LITE,),
    ),
    ReadyStudy(
        "letters-digits",
        N_("From letters to digits"),
        N_("Random weights; weights copied from letters, all learning; copied, only the last layer learning."),
        _handed_on("letters", "mnist", "emnist_cnn"),
    ),
    ReadyStudy(
        "digits-clothes",
        N_("From digits to clothes"),
        N_("Random weights; weights copied from digits, all learning; copied, only the last layer learning."),
        _handed_on("mnist", "clothes", "emnist_cnn"),
        remark=N_("The notes: what digits taught works for clothes."),
    ),
    ReadyStudy(
        "circles-clothes",
        N_("From circles to clothes"),
        N_("Random weights; weights copied from Gaussian circles, all learning; copied, only the last layer learning."),
        _handed_on("circles", "clothes", "emnist_cnn"),
        remark=N_("The notes: what circles taught fails for clothes."),
    ),
)

READY: Mapping[str, ReadyStudy] = MappingProxyType({ready.id: ready for ready in _LISTED})
"""The ready studies, by id."""
