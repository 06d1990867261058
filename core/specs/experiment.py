"""Everything that decides what a run does, to JSON and back."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar

from core.errors import InputError
from core.specs.augmentation import AugmentSpec, Operation
from core.specs.data import DataSpec
from core.specs.learning import EarlyStopping, LiveChange, Loss, Mix, Schedule
from core.specs.model import FreezePlan, HeadSpec, ModelSpec, Piece
from core.specs.training import Phase, TrainingSpec

SCHEMA = 5
"""Version of ``experiment.json``; older ones are brought up to it when they are read."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Experiment:
    """Everything that decides what a run does.

    Attributes:
        data: Which images, and how they are divided.
        model: Which network.
        training: How it is trained.
        freeze: What of it learns, where a phase sets nothing else.
        augment: How training images are changed, where a phase sets nothing else.
        name: What people call the run.
        series: Id that the runs of a series share: the same recipe with several seeds or folds.
    """

    data: DataSpec
    model: ModelSpec
    training: TrainingSpec
    freeze: FreezePlan = field(default_factory=FreezePlan)
    augment: AugmentSpec = field(default_factory=AugmentSpec)
    name: str = ""
    series: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.series, str) or not re.fullmatch(r"[\w-]{0,60}", self.series):
            raise InputError("series is {value}. It must be at most 60 letters, digits or hyphens.", value=self.series)
        if not isinstance(self.name, str) or len(self.name) > 120:
            raise InputError("The run's name is longer than 120 characters. Choose a shorter one.")

    def plan(self, phase: Phase) -> FreezePlan:
        """Returns what learns in one of the phases: the head alone, the phase's own plan, or the experiment's."""
        if phase.trains == "head":
            return FreezePlan(norm=self.freeze.norm)
        return phase.freeze or self.freeze

    def augmentation(self, phase: Phase) -> AugmentSpec:
        """Returns how training images are changed in one of the phases: its own way, or the experiment's."""
        return self.augment if phase.augment is None else phase.augment

    def to_json(self) -> str:
        """Returns the experiment as indented JSON, the schema's version first."""
        return json.dumps({"schema": SCHEMA, **dataclasses.asdict(self)}, indent=2, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Experiment:
        """Reads what :meth:`to_json` wrote.

        Raises:
            InputError: The text is no JSON, has an unknown key, misses one, or holds a value that is not allowed.
        """
        try:
            record = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError("The experiment is not valid JSON: {reason}", reason=str(error)) from error
        if not isinstance(record, dict):
            raise InputError("The experiment must be a JSON object.")
        record = _up_to_date(record)
        parts: dict[str, Any] = dict(record)
        for key, kind in (
            ("data", DataSpec),
            ("model", ModelSpec),
            ("freeze", FreezePlan),
            ("augment", AugmentSpec),
            ("training", TrainingSpec),
        ):
            if key in parts:
                parts[key] = from_record(kind, key, parts[key])
        return from_record(cls, "experiment", parts)


def _up_to_date(record: dict[str, Any]) -> dict[str, Any]:
    """Brings an older experiment to the schema of this version."""
    schema = record.pop("schema", SCHEMA)
    if schema not in (1, 2, 3, 4, SCHEMA):
        raise InputError(
            "The experiment has schema {schema}; this version reads schema {known}.", schema=schema, known=SCHEMA
        )
    model = record.get("model")
    if schema == 1 and isinstance(model, dict) and "dropout" in model:  # dropout moved into the head
        kept = {key: value for key, value in model.items() if key != "dropout"}
        record = {**record, "model": {**kept, "head": {"dropout": model["dropout"]}}}
    if schema < SCHEMA and isinstance(record.get("model"), dict):
        record = {**record, "model": _model_up_to_date(record["model"])}
    training = record.get("training")
    if schema < 4 and isinstance(training, dict):  # a run that goes on draws as it began
        training = {"draws": "stream", **training}
        record = {**record, "training": training}
    if schema < 3 and isinstance(training, dict) and isinstance(training.get("phases"), list):
        record = {**record, "training": {**training, "phases": [_phase_up_to_date(p) for p in training["phases"]]}}
    return record


def _model_up_to_date(model: dict[str, Any]) -> dict[str, Any]:
    """Names a small network as it is called since schema 5, and keeps the layers of one that has others since."""
    if model.get("backbone") == "flowers_cnn":
        return {**model, "backbone": "five_classes_cnn"}
    if model.get("backbone") == "alzheimer_cnn" and not model.get("design"):
        return {**model, "design": _FORMER_BRAIN_CNN}
    return model


def _phase_up_to_date(phase: object) -> object:
    """Makes a schedule that is only named, as in schema 1 and 2, an object."""
    if isinstance(phase, dict) and isinstance(phase.get("schedule"), str):
        return {**phase, "schedule": {"name": phase["schedule"]}}
    return phase


def from_record(kind: type[_T], where: str, values: object) -> _T:
    """Makes one of the specs from a JSON object, such as ``dataclasses.asdict`` gives.

    Args:
        kind: The spec's class.
        where: What an error calls the object.
        values: The object.

    Raises:
        InputError: A key is unknown or missing, or a value is not allowed.
    """
    if not isinstance(values, Mapping):
        raise InputError("{where} must be a JSON object.", where=where)
    known, needed = _keys(kind)  # type: ignore[arg-type]
    if unknown := sorted(values.keys() - known.keys()):
        raise InputError(
            "{where} has the unknown key {key}. Known keys: {known}.",
            where=where,
            key=unknown[0],
            known=", ".join(known),
        )
    if missing := [name for name in needed if name not in values]:
        raise InputError("{where} misses the key {key}.", where=where, key=missing[0])
    return kind(**{key: _value(key, value) for key, value in values.items()})


@cache
def _keys(kind: type[Any]) -> tuple[dict[str, None], tuple[str, ...]]:
    """Returns the names of a spec's fields, in order, and those without a default."""
    fields = dataclasses.fields(kind)
    bare = [f for f in fields if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING]
    return dict.fromkeys(f.name for f in fields), tuple(f.name for f in bare)


def _value(key: str, value: object) -> object:
    """Makes what JSON spells as lists and objects into tuples and records again."""
    listed = _LISTS.get(key)
    if listed is not None and isinstance(value, list):
        return tuple(from_record(listed[1], listed[0], item) for item in value)
    kind = _RECORDS.get(key)
    if kind is not None and isinstance(value, dict):
        return from_record(kind, key, value)
    if isinstance(value, list):
        return tuple(tuple(item) if isinstance(item, list) else item for item in value)
    return value


_LISTS: dict[str, tuple[str, Any]] = {
    "phases": ("phase", Phase),
    "design": ("piece", Piece),
    "acts": ("act", LiveChange),
    "operations": ("operation", Operation),
}
_FORMER_BRAIN_CNN = [
    *(
        piece
        for size in (32, 32, 64, 64)
        for piece in (
            {"kind": "conv", "size": size, "kernel": 3, "padding": 1},
            {"kind": "relu"},
            {"kind": "max-pool", "kernel": 2},
        )
    ),
    {"kind": "flatten"},
    *(piece for size in (128, 64) for piece in ({"kind": "linear", "size": size}, {"kind": "relu"})),
]
"""The layers of ``alzheimer_cnn`` up to schema 4."""
_RECORDS: dict[str, Any] = {
    "head": HeadSpec,
    "freeze": FreezePlan,
    "augment": AugmentSpec,
    "schedule": Schedule,
    "loss": Loss,
    "mix": Mix,
    "early": EarlyStopping,
}
