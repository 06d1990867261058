"""What a stop's button does, and how far that is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from core.errors import InputError
from core.runs.status import LIVE
from core.specs import FreezePlan
from pages.ui.augmentation import presets
from pages.ui.kit import nav
from pages.ui.plan import freeze_plan
from pages.ui.session import address, caches, choices
from pages.ui.walks.table import Setup

if TYPE_CHECKING:
    from core.runs.store import Run


class Progress(Enum):
    """How far a stop's action is."""

    OPEN = "open"
    BUSY = "busy"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Action:
    """What a button does.

    Attributes:
        act: Does it.
        progress: How far it is.
        leads_on: Whether the next stop follows by itself.
    """

    act: Callable[[], None]
    progress: Callable[[], Progress] = lambda: Progress.OPEN
    leads_on: bool = False


def apply(setup: Setup) -> None:
    """Chooses what a stop begins with."""
    choices.choose_run(None)
    choices.set_image(None)
    address.write(image=None)
    if setup.data is not None:
        choices.set_data(setup.data)
    choices.set_model(setup.model)
    address.write(**choices.model_params(setup.model))  # which also says: look into this, not into a run
    choices.set_freeze(setup.freeze)
    choices.set_train_choice(setup.train)
    choices.read_again("bl")
    presets.read_again(setup.train.augment)


def run() -> Run | None:
    """Returns the run of this walk; ``None`` where there is none, or none any more."""
    try:
        return choices.run()
    except InputError:
        choices.choose_run(None)
        return None


def _nothing() -> None:
    """What is chosen already stays chosen."""


def _freeze() -> None:
    freeze_plan.change(FreezePlan(), choices.model())
    choices.read_again("bl")


def _frozen() -> Progress:
    plan = choices.freeze()
    return Progress.DONE if plan.trainable_stages == 0 and not plan.thaw else Progress.OPEN


def _train() -> None:
    """Starts the training that is set up, and shows it."""
    from core.runs.launch import start
    from pages.ui.plan import experiment_plan
    from pages.ui.runs import queue_panel

    choice = choices.train_choice()
    anatomy = caches.anatomy(choices.model(), len(caches.divided(choices.chosen_data()).classes))
    experiment = experiment_plan.experiment(choice, experiment_plan.recipe(choice, anatomy))
    started = start(experiment, roots=caches.roots(), owner=queue_panel.owner())
    choices.choose_run(started.id)


def _trained() -> Progress:
    found = run()
    if found is None:
        return Progress.OPEN
    return Progress.BUSY if found.state in LIVE else Progress.DONE if found.has_weights else Progress.OPEN


def _open_mistake() -> None:
    """Chooses the held-out image that was wrong with the highest probability; without mistakes the least sure one."""
    from pages.ui.selection import image_picker

    found = run()
    if found is None:
        return
    image_picker.choose_held_out(worst(found))


def worst(found: Run) -> str:
    """Returns the key of a run's surest mistake, else of its least sure answer.

    Raises:
        InputError: It was never judged and cannot be.
    """
    from core.workflows.evaluate import evaluate, recorded

    judged = recorded(found) or {"": evaluate(found, roots=caches.roots())}
    predictions = (judged.get("test") or next(iter(judged.values()))).predictions
    wrong = predictions.mistakes()
    return str(predictions.keys[wrong[0] if wrong else int(predictions.probabilities.max(axis=1).argmin())])


def _finish() -> None:
    found = run()
    WALK.choose(None)
    nav.go("home", run=None if found is None else found.id)


WALK = address.Bound("walk", kept="bl.walk")
"""The walk with its stop: ``first-walk.3``; a bare name begins it."""
ACTIONS: Mapping[str, Action] = {
    "take-data": Action(_nothing, leads_on=True),
    "take-network": Action(_nothing, leads_on=True),
    "freeze": Action(_freeze, _frozen),
    "train": Action(_train, _trained),
    "open-mistake": Action(_open_mistake, leads_on=True),
    "finish": Action(_finish),
}
