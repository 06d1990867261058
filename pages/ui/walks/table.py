"""The walks: the first walk, and five that show one thing each. A new walk is a row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from core.specs import AugmentSpec, DataSpec, FreezePlan, ModelSpec
from pages.ui.session.train_form import TrainChoice
from pages.ui.text.i18n import N_

LITE = ModelSpec("efficientnet_lite0")
SMALL = ModelSpec("efficientnet_lite0", image_size=128)
"""On smaller images, so that all of it can learn within a minute on two cores."""
LAST_STAGE = FreezePlan(1)
SHAPES = DataSpec("shapes", val_share=0.2, test_share=0.2)


@dataclass(frozen=True, slots=True)
class Setup:
    """What is chosen when a stop is come to."""

    data: DataSpec | None = None
    model: ModelSpec = LITE
    freeze: FreezePlan = field(default_factory=FreezePlan)
    train: TrainChoice = field(default_factory=TrainChoice)


@dataclass(frozen=True, slots=True)
class Stop:
    """A stop. Words are marked for translation.

    Attributes:
        page: Where it is.
        title: What is done here.
        text: One sentence: what is there, and what to press.
        predict: What to guess before anything is pressed; empty for nothing.
        look: What to look at once it is done; for one without an action from the start.
        act: What the button does, a key of ``ACTIONS``; empty where the page has the button.
        label: The button.
        setup: What is chosen when this stop is come to; ``None`` leaves everything as it is.
    """

    page: str
    title: str
    text: str
    predict: str = ""
    look: str = ""
    act: str = ""
    label: str = ""
    setup: Setup | None = None


@dataclass(frozen=True, slots=True)
class Walk:
    """A walk: ``/<page of the first stop>?walk=<name>`` opens it.

    Attributes:
        title: What it is called.
        about: What it shows, in one sentence.
        icon: Name of a Material symbol.
        stops: In order.
    """

    title: str
    about: str
    icon: str
    stops: tuple[Stop, ...]


FIRST_WALK = "first-walk"
_FEW = DataSpec("shapes", val_share=0.5, images_per_class=20)
_SOME = DataSpec("shapes", val_share=0.5, images_per_class=60)
WALKS: Mapping[str, Walk] = {
    FIRST_WALK: Walk(
        N_("First walk"),
        N_("The whole path once, by your own hand: six stops, about three minutes."),
        "hiking",
        (
            Stop(
                "data",
                N_("See the images"),
                N_("400 pictures of four shapes, one folder a class: most to learn from, the rest to judge by."),
                act="take-data",
                label=N_("Take these images"),
                setup=Setup(SHAPES),
            ),
            Stop(
                "backbone",
                N_("See the network"),
                N_("It has learned a thousand classes from a million photos: edges, colours and forms it knows."),
                act="take-network",
                label=N_("Take this network"),
            ),
            Stop(
                "anatomy",
                N_("Freeze"),
                N_("As it stands every weight would learn. Freeze the backbone, so that only the new head does."),
                look=N_("What is grey stays as it is, bit by bit; the coloured head learns."),
                act="freeze",
                label=N_("Freeze the backbone"),
                setup=Setup(SHAPES, freeze=FreezePlan("all"), train=TrainChoice("full")),
            ),
            Stop(
                "train",
                N_("Train"),
                N_("The head learns in a process of its own, while you watch its curves grow."),
                look=N_("The curve of the held-out images is the one to believe: the other images were learned from."),
                act="train",
                label=N_("Start the training"),
                setup=Setup(SHAPES, train=TrainChoice(name="First walk")),
            ),
            Stop(
                "evaluate",
                N_("Find a mistake"),
                N_("Most answers are right; the wrong ones teach more. Open the one it was surest of."),
                act="open-mistake",
                label=N_("Open its surest mistake"),
            ),
            Stop(
                "heatmaps",
                N_("See where it looked"),
                N_("The warm places spoke for the class it named: the shape itself, or something beside it?"),
                act="finish",
                label=N_("Finish: see the result"),
            ),
        ),
    ),
    "overfitting": Walk(
        N_("Overfitting"),
        N_("Few images, everything learns, many epochs: learned by heart."),
        "show_chart",
        (
            Stop(
                "train",
                N_("Learn by heart"),
                N_("Ten training pictures a class, and all 3.4 million weights learn from them for 15 epochs."),
                predict=N_("How far apart will the training and the validation accuracy end?"),
                look=N_("The coach's first line, and the two curves: from which epoch on do they part?"),
                act="train",
                label=N_("Start the training"),
                setup=Setup(
                    _FEW, SMALL, FreezePlan("all"), train=TrainChoice("full", epochs=15, name="Walk: overfitting")
                ),
            ),
            Stop(
                "train",
                N_("The cure"),
                N_("The same pictures, but the backbone is frozen: 5,124 weights have less room to learn by heart."),
                predict=N_("Which of the two accuracies will change more?"),
                look=N_("The gap between the curves, and whether the coach still complains."),
                act="train",
                label=N_("Train the head alone"),
                setup=Setup(_FEW, SMALL, train=TrainChoice(epochs=15, name="Walk: overfitting, frozen")),
            ),
        ),
    ),
    "freezing": Walk(
        N_("Freezing"),
        N_("The same network, pretrained and frozen, or from random weights."),
        "ac_unit",
        (
            Stop(
                "anatomy",
                N_("Freeze"),
                N_("Every weight would learn. Freeze the backbone and watch the count of what learns."),
                predict=N_("What share of the weights is left to learn: a half, a tenth, a thousandth?"),
                look=N_("The figure Trainable, and the padlocks: click one to let a stage learn again."),
                act="freeze",
                label=N_("Freeze the backbone"),
                setup=Setup(SHAPES, SMALL, FreezePlan("all"), TrainChoice("full")),
            ),
            Stop(
                "train",
                N_("Train the head"),
                N_("Only the head learns, on top of what a million photos taught the backbone."),
                predict=N_("Better or worse than the same network from random weights, for the same time?"),
                look=N_("The accuracy after the first epoch, and the seconds it took."),
                act="train",
                label=N_("Start the training"),
                setup=Setup(SHAPES, SMALL, train=TrainChoice(name="Walk: frozen backbone")),
            ),
            Stop(
                "train",
                N_("Train from nothing"),
                N_("Now the same network from random weights; everything learns."),
                predict=N_("How good will it be after the same time?"),
                look=N_("Where the curves end: four classes are guessed right one time in four."),
                act="train",
                label=N_("Start from random weights"),
                setup=Setup(
                    SHAPES,
                    replace(SMALL, weights="none"),
                    FreezePlan("all"),
                    train=TrainChoice("scratch", epochs=4, name="Walk: random weights"),
                ),
            ),
        ),
    ),
    "augmentation": Walk(
        N_("Augmentation"),
        N_("The same images with and without random changes."),
        "flip",
        (
            Stop(
                "train",
                N_("Without"),
                N_("Thirty training pictures a class, each seen the same every time; the last stage learns along."),
                predict=N_("Will it know all its training pictures in the end?"),
                look=N_("The gap between training and validation accuracy."),
                act="train",
                label=N_("Train without augmentation"),
                setup=Setup(_SOME, SMALL, LAST_STAGE, TrainChoice("two-phase", epochs=14, name="Walk: plain images")),
            ),
            Stop(
                "train",
                N_("With"),
                N_("The same, but each picture is mirrored and cropped at random each time it is seen."),
                predict=N_("Which accuracy falls, and which rises?"),
                look=N_(
                    "The gap again: training lost a little, validation gained, as no picture comes twice the same."
                ),
                act="train",
                label=N_("Train with augmentation"),
                setup=Setup(
                    _SOME,
                    SMALL,
                    LAST_STAGE,
                    TrainChoice(
                        "two-phase", epochs=14, augment=AugmentSpec.preset("basic"), name="Walk: augmented images"
                    ),
                ),
            ),
        ),
    ),
    "shortcut": Walk(
        N_("Shortcut"),
        N_("A mark beside the object gives the class away; the network takes the bait."),
        "call_split",
        (
            Stop(
                "shortcut",
                N_("Plant a mark"),
                N_("Every picture of one class gets a coloured corner. Press Plant the mark and train."),
                predict=N_("Put the mark on a picture of another class: what will the network call it?"),
                look=N_("The bars without the mark, and where the heatmap is warm: the object or the corner?"),
            ),
        ),
    ),
    "trust": Walk(
        N_("Trust"),
        N_("A heatmap always looks convincing: test whether it is."),
        "verified",
        (
            Stop(
                "heatmaps",
                N_("Test the map"),
                N_("The map says where the network looked. Press Test this map."),
                predict=N_("Will blanking the warm places cost the class more than blanking random ones?"),
                look=N_("The verdict, then another method on the same picture: does it agree?"),
                setup=Setup(),
            ),
        ),
    ),
}
"""All walks by their name in an address, in the order they are offered."""
