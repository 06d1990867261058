"""The fields of an experiment that a study can vary: their dotted names, and how one is set. Loads no torch."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from core.errors import InputError
from core.specs import (
    AUGMENT_PRESETS,
    BALANCES,
    FITS,
    INITS,
    NORM_MODES,
    OPTIMIZERS,
    POOLS,
    SAMPLERS,
    SCHEDULES,
    SCHEMA,
    AugmentSpec,
    Experiment,
)
from core.training.recipes import DEFAULT_EPOCHS, fewest_epochs, make_recipe

RECIPE = "recipe"
"""A field that stands for freeze plan and phases together: the preset that makes them."""
EVERY_PHASE = "training.phases"
FIXED: Mapping[str, str] = {
    "training.seed": "Seeds stand beside the factors (seeds, or --seeds 0,1,2).",
    "training.acts": "It records what was changed in a run at work.",
    "training.precisions": "It records what a run has found.",
    "training.preset": "Name the field recipe instead.",
    "training.processes": "Set it in the experiment: it is the same for all members.",
    "name": "A member is named after its settings.",
    "series": "The members of a study share its id.",
}
"""Fields that no study varies, and why."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field that is often varied.

    Attributes:
        name: Its dotted name.
        kind: ``choice`` of the options, ``number``, ``whole`` number, or free ``text``.
        options: What can be chosen, or usual values to begin with.
        log: Whether a range of it is drawn over orders of magnitude.
    """

    name: str
    kind: Literal["choice", "number", "whole", "text"]
    options: tuple[Any, ...]
    log: bool = False


FIELDS: Mapping[str, Field] = {
    field.name: field
    for field in (
        Field("training.phases.lr", "number", (1e-4, 1e-3, 1e-2, 1e-1), log=True),
        Field("training.phases.optimizer", "choice", OPTIMIZERS),
        Field(RECIPE, "choice", tuple(DEFAULT_EPOCHS)),
        Field("model.backbone", "text", ()),
        Field("model.weights", "choice", ("default", "none")),
        Field("augment", "choice", AUGMENT_PRESETS),
        Field("freeze.trainable_stages", "whole", (0, 1, 2, 3)),
        Field("model.head.dropout", "number", (0.0, 0.25, 0.5)),
        Field("model.head.pool", "choice", POOLS),
        Field("model.init", "choice", INITS),
        Field("model.image_size", "whole", (64, 96, 128, 224)),
        Field("model.fit", "choice", FITS),
        Field("data.images_per_class", "whole", (5, 10, 20, 50)),
        Field("data.test_share", "number", (0.05, 0.3, 0.4)),
        Field("data.val_share", "number", (0.1, 0.2, 0.3)),
        Field("data.seed", "whole", (0, 1, 2)),
        Field("training.batch_size", "whole", (8, 16, 32, 64)),
        Field("training.phases.epochs", "whole", (2, 5, 10)),
        Field("training.phases.momentum", "number", (0.0, 0.9)),
        Field("training.phases.weight_decay", "number", (0.0, 1e-4, 1e-2), log=True),
        Field("training.phases.backbone_factor", "number", (0.01, 0.1, 1.0), log=True),
        Field("training.phases.schedule.name", "choice", tuple(s for s in SCHEDULES if s != "multi-step")),
        Field("training.loss.smoothing", "number", (0.0, 0.1)),
        Field("training.loss.balance", "choice", BALANCES),
        Field("training.mix.mixup", "number", (0.0, 0.2)),
        Field("training.sampler", "choice", SAMPLERS),
        Field("freeze.norm", "choice", NORM_MODES),
    )
}
"""Fields that are offered; any other of the experiment can be named, too."""


def with_settings(base: Experiment, settings: Sequence[tuple[str, Any]]) -> Experiment:
    """Returns an experiment with some of its fields set, the recipe before all others.

    Args:
        base: The experiment.
        settings: Dotted fields, such as ``training.phases.lr`` (of every phase), ``training.phases.1.lr`` (of the
            second) or ``model.head.dropout``, and their values as JSON spells them; ``augment`` takes a preset's name,
            too, and :data:`RECIPE` a preset of :func:`core.training.recipes.make_recipe`.

    Raises:
        InputError: There is no such field, no study varies it, or the value is not allowed.
    """
    found = base
    for name, value in settings:
        if name == RECIPE:
            found = _with_recipe(found, value)
    record = asdict(found)
    for name, value in settings:
        if name != RECIPE:
            _set(record, name, _spelled(name, value))
    return Experiment.from_json(json.dumps({"schema": SCHEMA, **record}))


def full_name(word: str) -> str:
    """Returns the dotted name of a field that is given by its last word, such as ``lr``; any other name as it is."""
    found = [name for name in FIELDS if name == word or name.endswith(f".{word}")]
    return found[0] if len(found) == 1 else word


def value_of(base: Experiment, name: str) -> Any:  # noqa: ANN401 - a field can hold anything
    """Returns what an experiment has in a field, of the first phase where it is one of every phase.

    Raises:
        InputError: There is no such field.
    """
    if name == RECIPE:
        return base.training.preset
    if name == "augment":
        return base.augment.preset_name or asdict(base.augment)
    found: Any = asdict(base)
    for part in _parts(found, name):
        found = found[part]
    return found


def _with_recipe(base: Experiment, value: object) -> Experiment:
    from dataclasses import replace

    if not isinstance(value, str):
        raise InputError("recipe is {value}. Choose one of: {known}.", value=str(value)[:60], known=_presets())
    epochs = max(base.training.epochs, fewest_epochs(value)) if value in DEFAULT_EPOCHS else None
    made = make_recipe(value, epochs=epochs)
    weights = "none" if value == "scratch" else base.model.weights
    training = replace(base.training, preset=value, phases=made.phases)
    return replace(base, training=training, freeze=made.freeze, model=replace(base.model, weights=weights))


def _presets() -> str:
    return ", ".join(DEFAULT_EPOCHS)


def _spelled(name: str, value: object) -> Any:  # noqa: ANN401
    """Returns a value as the record has it: a preset of augmentation is spelled out."""
    if name.rpartition(".")[2] == "augment" and isinstance(value, str):
        return asdict(AugmentSpec.preset(value))
    return copy.deepcopy(value)


def _set(record: dict[str, Any], name: str, value: object) -> None:
    if name in FIXED:
        raise InputError("No study varies {field}. {reason}", field=name, reason=FIXED[name])
    rest = name.removeprefix(f"{EVERY_PHASE}.")
    if rest != name and not rest.partition(".")[0].isdigit():
        for number in range(len(record["training"]["phases"])):
            _set(record, f"{EVERY_PHASE}.{number}.{rest}", value)
        return
    *way, last = _parts(record, name)
    place: Any = record
    for part in way:
        place = place[part]
    place[last] = value


def _parts(record: dict[str, Any], name: str) -> list[str | int]:
    """Returns the way to a field, each step checked.

    Raises:
        InputError: There is no such field; the sentence names those that there are.
    """
    place: Any = record
    found: list[str | int] = []
    words = name.split(".")
    for number, word in enumerate(words):
        before = ".".join(words[:number])
        if isinstance(place, list | tuple) and before == EVERY_PHASE and not word.isdigit():
            found.append(0)
            place = place[0]
        if isinstance(place, list | tuple) and word.isascii() and word.isdigit() and int(word) < len(place):
            found.append(int(word))
            place = place[int(word)]
        elif isinstance(place, dict) and word in place:
            found.append(word)
            place = place[word]
        else:
            raise _no_field(name, before, word, place)
    return found


def _no_field(name: str, before: str, word: str, place: object) -> InputError:
    if isinstance(place, dict):
        known = ", ".join([*place, RECIPE] if not before else place)
        return InputError(
            "{name} is no field of an experiment: {where} has no {word}. It has: {known}.",
            name=name,
            where=before or "it",
            word=word or "empty name",
            known=known,
        )
    if isinstance(place, list | tuple):
        return InputError(
            "{name} is no field of an experiment: {where} has {count} entries, counted from 0.",
            name=name,
            where=before,
            count=len(place),
        )
    return InputError(
        "{name} is no field of an experiment: {where} is a single value. Name it alone.", name=name, where=before
    )
