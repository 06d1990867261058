"""From the words of ``train`` to an experiment."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli.common.helpers import data_of, roots
from core.cli.common.training_options import complete, given
from core.data.revisions.store import adopt
from core.errors import InputError
from core.specs import DataSpec, EarlyStopping, Experiment, FreezePlan, Loss, Mix, ModelSpec, Phase, TrainingSpec
from core.training.recipes import Recipe, make_recipe

if TYPE_CHECKING:
    from core.models.anatomy.examine import Anatomy
    from core.models.network import Network

SCHEDULE_OPTIONS = {
    "warmup": ("warmup", ()),
    "every": ("every", ("step",)),
    "milestones": ("milestones", ("multi-step",)),
    "gamma": ("gamma", ("step", "multi-step", "exponential", "plateau")),
    "power": ("power", ("polynomial",)),
    "floor": ("floor", ("cosine", "polynomial")),
    "patience": ("patience", ("plateau",)),
    "watch": ("metric", ("plateau",)),
}
"""Words of the schedule: the field of :class:`core.specs.Schedule`, and the curves that read it (none: all)."""

BESIDE_RECIPE = (
    "data",
    "name",
    "epochs",
    "weights",
    "image_size",
    "seed",
    "device",
    "precision",
    "batch_size",
    "val_share",
    "test_share",
    "val_of",
    "group_by",
    "classes",
    "images_per_class",
    "class_share",
    "class_cap",
    "revision",
    "fit",
    "normalise",
)
"""What may be set of a run of the course."""


def experiment(arguments: argparse.Namespace) -> Experiment:
    """Turns the words into an experiment, and checks what can be checked before a run is made.

    Raises:
        InputError: Something is missing, unknown or does not fit together.
    """
    if arguments.experiment:
        return _repeated(arguments)
    words = complete(arguments)
    for word in ("data",) if arguments.recipe else ("data", "backbone"):
        if not getattr(words, word):
            raise InputError("train needs --{word} (or --run with a run's folder).", word=word)
    return _of_the_course(arguments, words) if arguments.recipe else _composed(arguments, words)


def _of_the_course(arguments: argparse.Namespace, options: argparse.Namespace) -> Experiment:
    """Makes a run of the course, on other images if given."""
    from core.models.network import outline
    from core.training.course_recipes import find

    others = given(arguments, *BESIDE_RECIPE)
    if others:
        raise InputError(
            "--recipe brings network and training along, so {word} cannot stand beside it. What can: {known}.",
            word=others[0],
            known=", ".join(f"--{name.replace('_', '-')}" for name in BESIDE_RECIPE),
        )
    known = vars(arguments)
    run, data = find(arguments.recipe), data_of(options)
    if not {"val_share", "test_share", "val_of"} & vars(arguments).keys():
        data = run.divided(data)
    found = run.experiment(data, epochs=options.epochs, name=options.name)
    changes = {key: known[key] for key in ("device", "seed", "precision", "batch_size") if key in known}
    model = {key: known[key] for key in ("weights", "image_size", "fit") if key in known}
    network = _measured(replace(found.model, **model), options.normalise, found.data, options)
    found = replace(found, training=replace(found.training, **changes), model=network)
    _check(found, outline(found.model, _classes(found.data, options)), options)
    return found


def _composed(arguments: argparse.Namespace, options: argparse.Namespace) -> Experiment:
    from core.cli.common import shorthands as words
    from core.models.catalog.catalog import entries
    from core.models.network import outline

    data = data_of(options)
    classes = _classes(data, options)
    spec = _measured(words.model(options, options.weights or "default"), options.normalise, data, options)
    network = outline(spec, classes)
    freeze = words.plan(options.freeze, network.anatomy, options.norm)
    gradual = words.schedule(options.gradual, network.anatomy, options.norm)
    pretrained = spec.weights != "none" and (bool(entries(spec.backbone)) or ":" in spec.weights)
    preset = options.preset or _preset(network.anatomy, freeze, gradual=bool(gradual), pretrained=pretrained)
    recipe = make_recipe(
        preset,
        epochs=options.epochs,
        lr=options.lr,
        optimizer=options.optimizer,
        unfreeze_stages=options.unfreeze_stages,
        weights=spec.weights if options.weights else None,
        freeze=freeze,
        rates=words.rates(options),
        gradual=gradual,
    )
    phases = _phases(recipe, arguments)
    spec = replace(spec, weights=recipe.weights if pretrained or options.weights else "none")
    found = Experiment(
        data,
        spec,
        _training(preset, phases, options, given(arguments)),
        recipe.freeze,
        words.augmentation(options.augment),
        options.name,
    )
    _check(found, network, options)
    return found


def _repeated(arguments: argparse.Namespace) -> Experiment:
    """Reads an experiment as a run wrote it; its images and weights must still be there."""
    from core.models.network import outline

    others = given(arguments, "name", "device", "seed")
    if others:
        raise InputError(
            "--experiment repeats a run as it was, so {word} cannot stand beside it; --name, --device and --seed can.",
            word=others[0],
        )
    found = read(Path(arguments.experiment).expanduser())
    known = vars(arguments)
    changes = {key: known[key] for key in ("device", "seed") if key in known}
    found = replace(found, training=replace(found.training, **changes), name=known.get("name", found.name))
    classes = _classes(found.data, arguments)
    _check(found, outline(found.model, classes), arguments)
    return found


def read(path: Path) -> Experiment:
    """Reads an experiment from its file, or from the folder of the run that it stands in.

    Raises:
        InputError: It cannot be read, or is none.
    """
    if path.is_dir():
        path /= "experiment.json"
    try:
        adopt(path.parent)
        return Experiment.from_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError("The experiment {file} cannot be read: {reason}.", file=path, reason=error.strerror) from error
    except UnicodeDecodeError as error:
        raise InputError("The experiment is not valid JSON: {reason}", reason=str(error)) from error


def _measured(spec: ModelSpec, normalise: str, data: DataSpec, arguments: argparse.Namespace) -> ModelSpec:
    """Returns the network with the normalisation that is asked for, measured on the training images if need be."""
    if normalise != "data":
        return replace(spec, normalise=normalise)
    from core.data.sources import open_spec
    from core.data.statistics import colours
    from core.models.catalog.catalog import prepared
    from core.workflows.data_check.dividing import divide

    found = colours(divide(open_spec(data, roots=roots(arguments)), data), prepared(spec))
    return replace(spec, normalise="data", colours=found)


def _classes(data: DataSpec, arguments: argparse.Namespace) -> tuple[str, ...]:
    from core.data.sources import open_spec

    return open_spec(data, roots=roots(arguments)).classes


def _check(found: Experiment, network: Network, arguments: argparse.Namespace) -> None:
    """Finds out now what would end the run in its first second."""
    from core.training.optim.optimizers import build_optimizer
    from core.workflows.network_loading import weights_file

    for phase in found.training.phases:
        build_optimizer(phase, network.model, network.anatomy)
    weights_file(found.model, arguments.runs_dir, roots(arguments))


def _phases(recipe: Recipe, arguments: argparse.Namespace) -> tuple[Phase, ...]:
    """Puts what was given of optimizer and schedule into every phase of a recipe."""
    known = vars(arguments)
    changes: dict[str, Any] = {key: known[key] for key in ("momentum", "nesterov", "weight_decay") if key in known}
    if "option" in known:
        changes["options"] = tuple(_option(word) for word in known["option"])
    curve = {field: known[word] for word, (field, _) in SCHEDULE_OPTIONS.items() if word in known}
    if "schedule" in known:
        curve["name"] = known["schedule"]
    names = [curve.get("name", phase.schedule.name) for phase in recipe.phases]
    for word, (_, readers) in SCHEDULE_OPTIONS.items():
        if word in known and readers and not set(readers) & set(names):
            raise InputError(
                "--{word} says nothing to the schedule {name}. It is for: {readers}.",
                word=word,
                name=names[-1],
                readers=", ".join(readers),
            )
    if "momentum" in known and recipe.phases[0].optimizer.lower() not in ("sgd", "rmsprop"):
        raise InputError(
            "--momentum says nothing to {name}. It is for sgd and rmsprop; for others there is --option.",
            name=recipe.phases[0].optimizer,
        )
    return tuple(replace(phase, **changes, schedule=replace(phase.schedule, **curve)) for phase in recipe.phases)


def _option(word: str) -> tuple[str, float | bool]:
    name, _, text = word.partition("=")
    if text.lower() in ("true", "false"):
        return name, text.lower() == "true"
    try:
        return name, float(text)
    except ValueError as error:
        raise InputError(
            "--option is {text}. Write a name and a number, true or false: eps=1e-7.", text=word
        ) from error


def _training(
    preset: str, phases: tuple[Phase, ...], options: argparse.Namespace, words: Sequence[str]
) -> TrainingSpec:
    if "--focal-gamma" in words and options.loss != "focal":
        raise InputError("--focal-gamma says nothing to the loss {name}. It is for: focal.", name=options.loss)
    own = {
        "preset": preset,
        "phases": phases,
        "loss": Loss(options.loss, options.smoothing, options.focal_gamma, "balanced" if options.balance else "none"),
        "mix": Mix(options.mixup, options.cutmix),
        "early": _early(options.early),
        "recover": not options.no_recover,
    }
    same = {field.name: getattr(options, field.name) for field in fields(TrainingSpec) if hasattr(options, field.name)}
    return TrainingSpec(**{**same, **own})


def _early(text: str | None) -> EarlyStopping | None:
    """Reads ``val_loss:5`` or ``val_f1:3:0.01``."""
    if text is None:
        return None
    metric, *rest = text.split(":")
    try:
        patience = int(rest[0])
        least = [float(word) for word in rest[1:]]
        if len(least) > 1:
            raise ValueError
    except (ValueError, IndexError) as error:
        raise InputError(
            "--early is {text}. Write what is watched, how many epochs to wait and, if wished, the least change: "
            "val_loss:5 or val_f1:3:0.01.",
            text=text,
        ) from error
    return EarlyStopping(metric, patience, *least)


def _preset(anatomy: Anatomy, plan: FreezePlan | None, *, gradual: bool, pretrained: bool) -> str:
    """Returns the recipe that a freeze plan asks for; from random weights, everything learns where nothing is given."""
    from core.models.freeze import is_linear_probe

    if gradual:
        return "gradual"
    if plan is None:
        return "linear-probe" if pretrained else "scratch"
    if is_linear_probe(anatomy, plan):
        return "linear-probe"
    whole = plan.trainable_stages == "all" and not plan.hold and plan.learns == "all"
    return "two-phase" if not whole else "full" if pretrained else "scratch"
