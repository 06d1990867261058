"""Another training like one that was: its data, network, freeze plan and recipe as choices, to be changed."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from core.errors import InputError
from core.specs import Experiment, TrainingSpec
from core.training.recipes import DEFAULT_EPOCHS, make_recipe
from pages.ui.augmentation import presets
from pages.ui.kit import clicks, nav
from pages.ui.session import caches, choices
from pages.ui.session.train_form import TrainChoice
from pages.ui.text.i18n import _

if TYPE_CHECKING:
    from core.runs.store import Run


def button(run: Run) -> None:
    """Draws the button that sets up another training like a run; none where the run's settings cannot be read."""
    try:
        experiment = caches.experiment(run)
    except InputError:
        return
    if clicks.button(
        _("Set up another like this"),
        icon=":material/content_copy:",
        key="bl-another-like",
        help=_("Takes over its images, network, what learns and its recipe, for you to change and start."),
    ):
        take(experiment)
        nav.go("train", **choices.data_params())


def take(experiment: Experiment) -> None:
    """Chooses what an experiment has: data, network, what learns, recipe."""
    choices.set_data(experiment.data)
    choices.set_model(experiment.model)
    choices.set_freeze(experiment.freeze)
    choices.set_train_choice(choice_of(experiment))
    presets.read_again(experiment.augment)
    choices.read_again("")


def choice_of(experiment: Experiment) -> TrainChoice:
    """Returns the training choices that make an experiment's recipe: a preset's where one does, else its phases."""
    training = experiment.training
    own = {field.name for field in fields(TrainChoice)} - {"preset", "phases"}
    shared = {field.name: getattr(training, field.name) for field in fields(TrainingSpec) if field.name in own}
    first, epochs = training.phases[0], sum(phase.epochs for phase in training.phases)
    given: dict[str, Any] = {}
    made = None
    with suppress(InputError):
        usual = make_recipe(training.preset, optimizer=first.optimizer).phases[0].lr
        given = {
            "epochs": None if epochs == DEFAULT_EPOCHS[training.preset] else epochs,
            "lr": None if first.lr == usual else first.lr,
        }
        made = make_recipe(
            training.preset,
            **given,
            optimizer=first.optimizer,
            weights=experiment.model.weights,
            freeze=experiment.freeze,
        )
    if made is None or made.phases != training.phases or training.preset == "gradual":  # it asks the anatomy when
        return TrainChoice("custom", phases=training.phases, augment=experiment.augment, **shared)
    return TrainChoice(training.preset, **given, optimizer=first.optimizer, augment=experiment.augment, **shared)
