"""A study: one experiment whose settings are varied by a design, repeated over seeds, as a record that goes to JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from core.errors import InputError
from core.specs.checks import number, one_of, whole
from core.specs.experiment import SCHEMA, Experiment

STUDY_SCHEMA = 1
"""Version of a study's JSON."""
DESIGNS = ("grid", "random", "sobol", "optuna")
"""How settings are picked: every combination; independently by lot; spread evenly over all factors at once (Sobol 1967,
doi:10.1016/0041-5553(67)90144-9, scrambled); or each after what those before reached, see
:mod:`core.workflows.studies.search`."""
PRUNERS = ("none", "median")
"""What ends a setting of the design ``optuna`` early: nothing, or falling below the median of those before."""
MOST_FACTORS = 8
MOST_VALUES = 60
"""Values of one factor at most."""
LONGEST_LABEL = 60
MOST_FOLDS = 20
REMEDY = "remedy"
"""The factor of remedies against imbalance, whose runs repeat one recipe as those of other seeds do."""
MOST_SAMPLES = 200
"""Settings that any design but a grid draws at most."""


@dataclass(frozen=True, slots=True)
class Level:
    """One value of a factor: what is set, and what that is called.

    Attributes:
        label: What people call it.
        settings: Dotted fields of the experiment, each with its value as JSON spells it.
    """

    label: str
    settings: tuple[tuple[str, Any], ...]

    def __post_init__(self) -> None:
        if not isinstance(self.label, str) or not 0 < len(self.label) <= LONGEST_LABEL:
            raise InputError("A value's name has 1 to 60 characters; {value} has not.", value=str(self.label)[:80])
        if not self.settings:
            raise InputError("{label} sets nothing. Name at least one field and its value.", label=self.label)
        try:
            plain = tuple((str(name), json.loads(json.dumps(value))) for name, value in self.settings)
        except (TypeError, ValueError) as error:
            raise InputError("The value of {label} is none that JSON can hold.", label=self.label) from error
        object.__setattr__(self, "settings", plain)


@dataclass(frozen=True, slots=True)
class Factor:
    """What is varied: a field with its values, a field within a range, or named variants that set several fields.

    Attributes:
        name: What it is called; for a plain field, the field itself.
        levels: Its values; none where it is a range.
        low: Least value of a range.
        high: Greatest value of a range.
        log: Whether a range is drawn evenly over orders of magnitude, as fits rates.
        whole: Whether a range is of whole numbers.
    """

    name: str
    levels: tuple[Level, ...] = ()
    low: float | None = None
    high: float | None = None
    log: bool = False
    whole: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not 0 < len(self.name) <= 80:
            raise InputError("A factor's name has 1 to 80 characters.")
        if self.ranged:
            self._check_range()
            return
        if len(self.levels) < 2:
            raise InputError("{name} has fewer than two values, so nothing is compared. Give two.", name=self.name)
        if len(self.levels) > MOST_VALUES:
            raise InputError(
                "{name} has {count} values. At most {most} are tried.",
                name=self.name,
                count=len(self.levels),
                most=MOST_VALUES,
            )
        labels = [level.label for level in self.levels]
        twice = next((label for label in labels if labels.count(label) > 1), None)
        if twice is not None:
            raise InputError("{value} stands twice in {name}. Give each value once.", value=twice, name=self.name)

    @property
    def ranged(self) -> bool:
        """Whether it is drawn from a range."""
        return self.low is not None or self.high is not None

    def _check_range(self) -> None:
        number(f"low of {self.name}", self.low, low=-1e12, high=1e12)
        number(f"high of {self.name}", self.high, low=-1e12, high=1e12)
        assert self.low is not None
        assert self.high is not None
        if self.levels:
            raise InputError("{name} has values and a range. Keep one of them.", name=self.name)
        if self.low >= self.high:
            raise InputError("{name} goes from {low} to {high}. The lower end comes first.", **self._ends())
        if self.log and self.low <= 0:
            raise InputError("{name} begins at {low}, which has no order of magnitude. Begin above 0.", **self._ends())

    def _ends(self) -> dict[str, Any]:
        return {"name": self.name, "low": self.low, "high": self.high}

    @classmethod
    def of(cls, name: str, *values: object) -> Factor:
        """Returns the factor of a plain field with its values."""
        return cls(name, tuple(Level(label_of(value), ((name, value),)) for value in values))


@dataclass(frozen=True, slots=True)
class Study:
    """A design over settings of an experiment; without factors a series, which repeats it over seeds and folds.

    Attributes:
        experiment: What all members have in common.
        factors: What is varied.
        design: One of :data:`DESIGNS`.
        samples: Settings that any design but a grid draws.
        seeds: Each setting is trained once with each.
        folds: Under each seed it is trained once on each of so many folds; 0 for the experiment's own division.
        name: What people call it.
        pruner: One of :data:`PRUNERS`, for the design ``optuna``.
        ready: Id of the ready study that it was made from; empty for one of one's own.
        first: A run that is trained before the members and is none of them: ``run:first`` as a member's weights means
            its weights. ``None`` where nothing is handed on.
    """

    experiment: Experiment
    factors: tuple[Factor, ...]
    design: str = "grid"
    samples: int = 16
    seeds: tuple[int, ...] = (0,)
    name: str = ""
    folds: int = field(default=0, kw_only=True)
    pruner: str = field(default="none", kw_only=True)
    ready: str = field(default="", kw_only=True)
    first: Experiment | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        one_of("design", self.design, DESIGNS)
        one_of("pruner", self.pruner, PRUNERS)
        if self.pruner != "none" and self.design != "optuna":
            raise InputError("The pruner {name} belongs to the design optuna.", name=self.pruner)
        whole("samples", self.samples, low=2, high=MOST_SAMPLES)
        if len(self.factors) > MOST_FACTORS or not (self.factors or self.design == "grid"):
            raise InputError(
                "The study varies {count} factors. Name 1 to {most}.", count=len(self.factors), most=MOST_FACTORS
            )
        if self.folds:
            whole("folds", self.folds, low=2, high=MOST_FOLDS)
        names = [factor.name for factor in self.factors]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise InputError("The factor {name} stands twice. Give all its values in one.", name=twice)
        ranged = next((factor.name for factor in self.factors if factor.ranged), None)
        if self.design == "grid" and ranged is not None:
            raise InputError(
                "{name} is a range, and a grid needs values. Name them, or choose the design random, sobol or optuna.",
                name=ranged,
            )
        if not self.seeds:
            raise InputError("The study has no seed. Give at least one, such as 0.")
        for seed in self.seeds:
            whole("seed", seed, low=0, high=2**32 - 1)
        if len(set(self.seeds)) < len(self.seeds):
            seeds = ", ".join(map(str, self.seeds))
            raise InputError("A seed stands twice in {seeds}. Give each once.", seeds=seeds)
        if not self.factors and len(self.seeds) * max(1, self.folds) < 2:
            raise InputError(
                "The study varies nothing and trains once. Name a factor, several seeds, or 2 folds or more."
            )
        if not isinstance(self.name, str) or len(self.name) > 120:
            raise InputError("The study's name is longer than 120 characters. Choose a shorter one.")

    @property
    def is_series(self) -> bool:
        """Whether it repeats one recipe: over seeds and folds, under remedies against imbalance at most."""
        return all(factor.name == REMEDY for factor in self.factors)

    def as_record(self) -> dict[str, Any]:
        """Returns it as JSON can hold it, the schema's version first."""
        factors = [_factor_record(factor) for factor in self.factors]
        experiment = {"schema": SCHEMA, **asdict(self.experiment)}
        rest = {"design": self.design, "samples": self.samples, "seeds": list(self.seeds), "name": self.name}
        rest |= {"folds": self.folds} if self.folds else {}
        rest |= {"pruner": self.pruner} if self.pruner != "none" else {}
        rest |= {"ready": self.ready} if self.ready else {}
        rest |= {"first": {"schema": SCHEMA, **asdict(self.first)}} if self.first is not None else {}
        record = {"schema": STUDY_SCHEMA, **rest, "factors": factors, "experiment": experiment}
        plain: dict[str, Any] = json.loads(json.dumps(record))
        return plain

    def to_json(self) -> str:
        """Returns it as indented JSON."""
        return json.dumps(self.as_record(), indent=2, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Study:
        """Reads what :meth:`to_json` wrote, or what a person wrote by hand.

        Raises:
            InputError: The text is no JSON, has an unknown key, misses one, or holds a value that is not allowed.
        """
        try:
            record = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError("The study is not valid JSON: {reason}", reason=str(error)) from error
        return cls.from_record(record)

    @classmethod
    def from_record(cls, record: object) -> Study:
        """Reads what :meth:`as_record` made, also after JSON.

        Raises:
            InputError: It is none.
        """
        if not isinstance(record, Mapping):
            raise InputError("The study must be a JSON object.")
        plain = ("design", "samples", "folds", "pruner", "name", "ready")
        known = ("schema", "experiment", "factors", "seeds", "first", *plain)
        _known_keys("the study", record, known)
        schema = record.get("schema", STUDY_SCHEMA)
        if schema != STUDY_SCHEMA:
            raise InputError(
                "The study has schema {schema}; this version reads schema {known}.",
                schema=str(schema)[:40],
                known=STUDY_SCHEMA,
            )
        for key in ("experiment", "factors"):
            if key not in record:
                raise InputError("{where} misses the key {key}.", where="the study", key=key)
        for key in ("factors", "seeds"):
            if not isinstance(record.get(key, []), list | tuple):
                raise InputError("{key} of the study must be a list.", key=key)
        seeds = tuple(record.get("seeds", (0,)))
        factors = tuple(factor_from(row) for row in record["factors"])
        rest = {key: record[key] for key in plain if key in record}
        if record.get("first") is not None:
            rest["first"] = Experiment.from_json(json.dumps(record["first"]))
        return cls(Experiment.from_json(json.dumps(record["experiment"])), factors, seeds=seeds, **rest)


def label_of(value: object) -> str:
    """Returns what a value is called where nobody named it."""
    if isinstance(value, str):
        return (value if len(value) <= LONGEST_LABEL else "…" + value[1 - LONGEST_LABEL :]) or "-"  # a path's end tells
    if isinstance(value, float):
        return f"{value:g}"
    return json.dumps(value, ensure_ascii=False)[:LONGEST_LABEL]


def factor_from(record: object) -> Factor:
    """Reads a factor: ``{"field", "values"}``, ``{"field", "low", "high"}`` or ``{"name", "variants"}``.

    Raises:
        InputError: It is none of these.
    """
    if not isinstance(record, Mapping):
        raise InputError("A factor must be a JSON object with field and values.")
    known = ("field", "values", "low", "high", "log", "whole", "name", "variants")
    _known_keys("a factor", record, known)
    if "variants" in record:
        return _variants(record)
    name = record.get("field")
    if not isinstance(name, str) or not name:
        raise InputError("A factor names no field. Write for instance training.phases.lr, or variants with a name.")
    if "low" in record or "high" in record:
        for key in ("log", "whole"):
            if not isinstance(record.get(key, False), bool):
                raise InputError("{name} is {value}. It must be true or false.", name=key, value=str(record[key])[:60])
        if "values" in record:
            raise InputError("{name} has values and a range. Keep one of them.", name=name)
        ends = (record.get("low"), record.get("high"))
        return Factor(name, (), *ends, log=record.get("log", False), whole=record.get("whole", False))
    values = record.get("values")
    if not isinstance(values, list | tuple):
        raise InputError("The values of {name} must be a list.", name=name)
    return Factor.of(name, *values)


def _variants(record: Mapping[str, Any]) -> Factor:
    rows, name = record["variants"], record.get("name")
    if not isinstance(name, str) or not name:
        raise InputError("Variants need a name: what it is in which they differ.")
    if not isinstance(rows, Mapping) or not all(isinstance(row, Mapping) for row in rows.values()):
        raise InputError("The variants of {name} must be an object: a name, and the fields that it sets.", name=name)
    return Factor(name, tuple(Level(label, tuple(row.items())) for label, row in rows.items()))


def _factor_record(factor: Factor) -> dict[str, Any]:
    if factor.ranged:
        ends = {"low": factor.low, "high": factor.high, "log": factor.log, "whole": factor.whole}
        return {"field": factor.name, **ends}
    plain = all(
        len(level.settings) == 1
        and level.settings[0][0] == factor.name
        and label_of(level.settings[0][1]) == level.label
        for level in factor.levels
    )
    if plain:
        return {"field": factor.name, "values": [level.settings[0][1] for level in factor.levels]}
    return {"name": factor.name, "variants": {level.label: dict(level.settings) for level in factor.levels}}


def _known_keys(where: str, record: Mapping[str, Any], known: tuple[str, ...]) -> None:
    unknown = next((key for key in sorted(map(str, record)) if key not in known), None)
    if unknown is not None:
        raise InputError(
            "{where} has the unknown key {key}. Known keys: {known}.", where=where, key=unknown, known=", ".join(known)
        )
