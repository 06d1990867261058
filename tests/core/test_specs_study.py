"""A study's record: to JSON and back, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from tiny import HEAD, experiment

from core.errors import InputError
from core.specs.study import Factor, Level, Study, factor_from

RATES = Factor.of("training.phases.lr", 0.001, 0.01)
KINDS = Factor("recipe", (Level("all", (("freeze.trainable_stages", "all"),)), Level("none", (("augment", "none"),))))
RANGE = Factor("model.head.dropout", low=0.0, high=0.5)


def test_a_study_goes_to_json_and_back() -> None:
    whole = Study(experiment(HEAD), (RATES, KINDS), seeds=(0, 3), name="rates", ready="some", first=experiment(HEAD))
    drawn = Study(experiment(HEAD), (RATES, RANGE), "sobol", 5)
    for study in (whole, drawn):
        assert Study.from_json(study.to_json()) == study
    assert json.loads(whole.to_json())["factors"][0] == {"field": "training.phases.lr", "values": [0.001, 0.01]}


def test_a_study_is_written_by_hand() -> None:
    base = json.loads(experiment(HEAD).to_json())
    record = {"experiment": base, "factors": [{"field": "training.batch_size", "values": [4, 8]}]}
    found = Study.from_json(json.dumps(record))
    assert (found.design, found.seeds, found.factors[0].levels[1].label) == ("grid", (0,), "8")


@pytest.mark.parametrize(
    ("record", "sentence"),
    [
        ([], "must be a JSON object"),
        ({"field": "a", "values": 3}, "values of a must be a list"),
        ({"field": "a", "values": [3]}, "fewer than two values"),
        ({"field": "a", "values": [3, 3]}, "3 stands twice in a"),
        ({"field": "a", "values": list(range(61))}, "61 values. At most 60"),
        ({"field": "a", "low": 1}, "high of a is None"),
        ({"field": "a", "low": 2, "high": 1}, "lower end comes first"),
        ({"field": "a", "low": 0, "high": 1, "log": True}, "Begin above 0"),
        ({"field": "a", "low": 0, "high": 1, "values": [1, 2]}, "values and a range"),
        ({"field": "a", "low": 0, "high": float("nan")}, "high of a is nan"),
        ({"field": "a", "low": 0, "high": 1, "log": "yes"}, "true or false"),
        ({"values": [1, 2]}, "names no field"),
        ({"field": "a", "size": 3}, "unknown key size"),
        ({"variants": {"x": {"a": 1}}}, "Variants need a name"),
        ({"name": "kind", "variants": [1]}, "must be an object"),
        ({"name": "kind", "variants": {"x": {}, "y": {"a": 1}}}, "x sets nothing"),
    ],
)
def test_factors_that_are_none_are_refused(record: object, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        factor_from(record)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"factors": ()}, "varies nothing and trains once"),
        ({"factors": (RATES, RATES)}, "stands twice"),
        ({"factors": (RANGE,)}, "a grid needs values"),
        ({"design": "best"}, "design is best"),
        ({"samples": 1}, "samples is 1"),
        ({"seeds": ()}, "no seed"),
        ({"seeds": (1, 1)}, "stands twice in 1, 1"),
        ({"seeds": (-1,)}, "seed is -1"),
        ({"name": "x" * 121}, "longer than 120"),
    ],
)
def test_studies_that_are_none_are_refused(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        replace(Study(experiment(HEAD), (RATES,)), **changes)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ("3", "must be a JSON object"),
        ('{"factors": []}', "misses the key experiment"),
        ('{"experiment": {}, "factors": {}}', "factors of the study must be a list"),
        ('{"experiment": {}, "factors": [], "seeds": 3}', "seeds of the study must be a list"),
        ('{"experiment": {}, "factors": [], "more": 3}', "unknown key more"),
        ('{"schema": 9, "experiment": {}, "factors": []}', "has schema 9"),
        ('{"experiment": 3, "factors": []}', "must be a JSON object"),
    ],
)
def test_texts_that_are_no_study_are_refused(text: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        Study.from_json(text)
