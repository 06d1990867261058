"""From choices to an experiment; :mod:`pages.train.summary` says what it will do."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from core import settings
from core.runs.status import RunStatus
from core.specs import Experiment, FreezePlan, ModelSpec
from core.training.course_recipes import COURSE
from core.training.recipes import Rates, Recipe, make_recipe
from pages.ui.kit import components
from pages.ui.plan import freeze_plan
from pages.ui.session import caches, choices
from pages.ui.session.train_form import TrainChoice
from pages.ui.text import display_names, number_format
from pages.ui.text.i18n import _, _n

if TYPE_CHECKING:
    from core.models.anatomy.records import Anatomy

LONGEST_NAME = 110
"""Letters of a run's name before its number."""
WITH_PLAN = ("fine-tune", "two-phase", "six-step", "gradual")
"""Recipes that leave open what of the backbone learns."""


def first_rate(choice: TrainChoice) -> float:
    """Returns the head's rate in the first phase."""
    plain_choice = replace(choice, epochs=None, gradual=())
    return make_recipe(plain_choice.preset, lr=choice.lr, optimizer=choice.optimizer).phases[0].lr


def network(choice: TrainChoice) -> ModelSpec:
    """Returns the network that is trained: the chosen one, or the one that a run of the course brings."""
    return COURSE[choice.course].model if choice.preset == "course" else choices.model()


def recipe_name(choice: TrainChoice) -> str:
    """Returns what the recipe in force is called."""
    return _(COURSE[choice.course].title) if choice.preset == "course" else display_names.preset(choice.preset)


def default_name(choice: TrainChoice) -> str:
    """Returns what a run is called if the person gives it no name."""
    recipe = recipe_name(choice) if choice.preset == "course" else recipe_name(choice).lower()
    name = _("{data}, {network}, {recipe}").format(
        data=choices.data_title() or "", network=display_names.backbone(network(choice).backbone), recipe=recipe
    )
    return _numbered(name[:LONGEST_NAME])


def _numbered(name: str) -> str:
    """Returns a name with the next number where runs have it already."""
    from core.runs.launch import REPEAT_SECONDS
    from core.runs.store import RunStore

    root = settings.runs_dir()
    stamp = root.stat().st_mtime_ns if root.is_dir() else 0
    known = caches.remember(
        "names of runs",
        (str(root), stamp),
        lambda: [(run.name, run.recorded.launched or 0.0) for run in RunStore().list()],
        entries=2,
    )
    latest = time.time() - REPEAT_SECONDS  # the second click of a double one means the run of the first
    taken = {run for run, launched in known if launched < latest}
    if name not in taken:
        return name
    return next(new for number in itertools.count(2) if (new := f"{name} {number}") not in taken)


def recipe(choice: TrainChoice, anatomy: Anatomy) -> Recipe:
    """Makes phases and freeze plan from the choices.

    Raises:
        InputError: They do not fit together.
    """
    from core.models.freeze import unfreezing

    if choice.preset == "course":
        run = COURSE[choice.course]
        return Recipe(choice.preset, run.model.weights, run.freeze, run.training.phases)
    plan = freeze_plan.plan_for(anatomy)
    if choice.preset == "custom":
        return Recipe(choice.preset, choices.model().weights, choices.freeze(), choice.phases)
    if plan.plain and choice.preset in WITH_PLAN:
        plan = replace(plan, trainable_stages=plan.last_stages(len(anatomy.backbone_stages)))
    gradual: tuple[tuple[FreezePlan, int], ...] = ()
    if choice.preset == "gradual":
        gradual = unfreezing(anatomy, freeze_plan.schedule(anatomy), plan.norm)
    return make_recipe(
        choice.preset,
        epochs=choice.epochs,
        lr=choice.lr,
        optimizer=choice.optimizer,
        weights=choices.model().weights,
        freeze=plan,
        rates=Rates(choice.backbone_factor, choice.stage_decay, choice.stage_factors),
        gradual=gradual,
    )


def experiment(choice: TrainChoice, made: Recipe) -> Experiment:
    """Returns the experiment that choices and a recipe make.

    Raises:
        InputError: The data are not there, or something does not fit together.
    """
    data, name = caches.anchored(choices.chosen_data()), choice.name or default_name(choice)
    if choice.preset == "course":
        run = COURSE[choice.course]
        training = replace(run.training, seed=choice.seed, device=choice.device)
        return Experiment(data, run.model, training, run.freeze, run.augment, name)
    return Experiment(
        data=data,
        model=caches.normalised(replace(choices.model(), weights=made.weights), data),
        training=choice.training(made.phases),
        freeze=made.freeze,
        augment=choice.augment,
        name=name,
    )


def check(experiment: Experiment, anatomy: Anatomy) -> None:
    """Finds what the trainer would refuse: parts or stages that the network has not, weights that are gone."""
    from core.models.freeze import learning
    from core.training.optim.optimizers import stage_rates
    from core.workflows.network_loading import weights_file

    for phase in experiment.training.phases:
        learning(anatomy, experiment.plan(phase))
        stage_rates(phase, anatomy)
    weights_file(experiment.model, None, caches.roots())


def what(anatomy: Anatomy, plan: FreezePlan) -> str:
    """Returns in a few words what learns under a plan."""
    from core.models.freeze import is_linear_probe, stage_state

    if is_linear_probe(anatomy, replace(plan, norm="eval")):
        return _("the head")
    if plan.learns == "norm-bias":
        return _("the head, norms and biases")
    count = plan.trainable_stages
    if not plan.plain:
        states = stage_state(anatomy, plan)
        touched = [name for name, found in states.items() if name.startswith("stage") and found != "frozen"]
        return _n("the head and parts of one stage", "the head and parts of {n} stages", len(touched)).format(
            n=len(touched)
        )
    if count == "all" or count == len(anatomy.backbone_stages):
        return _("everything")
    return _n("the head and the last stage", "the head and the last {n} stages", int(count)).format(n=count)


def proof(status: RunStatus) -> None:
    """Draws the proof that freezing froze, and what was handed on from an earlier run, where a run recorded them."""
    if status.frozen_values and status.frozen_changed is not None:
        text = _("{changed} of {values} frozen values changed: compared bit by bit after the training.").format(
            changed=number_format.exact(status.frozen_changed), values=number_format.count(status.frozen_values)
        )
        if status.frozen_buffers_changed:
            text += " " + _("Statistics of frozen BatchNorm layers drifted, as asked: {n} values.").format(
                n=number_format.exact(status.frozen_buffers_changed)
            )
        components.note(text)
    found = status.transferred
    if found:
        components.note(
            _n(
                "{n} tensor was handed on from earlier weights; {left} of the network's own started at random.",
                "{n} tensors were handed on from earlier weights; {left} of the network's own started at random.",
                found.copied,
            ).format(n=found.copied, left=found.missing + found.misfit)
        )
