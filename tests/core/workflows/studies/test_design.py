"""Which experiments a study makes, and which fields it can vary."""

from __future__ import annotations

import pytest
from tiny import HEAD, PLAN, experiment

from core.errors import InputError
from core.specs import AugmentSpec, Experiment
from core.specs.study import Factor, Level, Study
from core.workflows.studies.design import MOST_MEMBERS, count, expand
from core.workflows.studies.fields import FIELDS, full_name, value_of, with_settings

BASE = experiment(HEAD, PLAN)


def test_a_grid_is_every_combination_and_every_seed() -> None:
    study = Study(
        BASE, (Factor.of("training.phases.lr", 0.1, 0.2), Factor.of("augment", "none", "basic")), seeds=(5, 6)
    )
    found = expand(study, "mine")
    assert len(found) == count(study) == 8
    assert [(one.setting, one.seed) for one in found[:3]] == [(0, 5), (0, 6), (1, 5)]
    assert [phase.lr for phase in found[7].experiment.training.phases] == [0.2, 0.2]
    assert found[7].experiment.augment == AugmentSpec.preset("basic")
    assert found[7].experiment.training.seed == 6
    assert found[7].experiment.name == "unused · lr 0.2 · augment basic · seed 6"
    assert {one.experiment.series for one in found} == {"mine"}


def test_variants_set_several_fields() -> None:
    variants = (
        Level("copied", (("model.weights", "run:first"), ("training.phases.1.lr", 0.5))),
        Level("random", (("model.weights", "none"),)),
    )
    first, second = expand(Study(BASE, (Factor("start", variants),), name="handed on"))
    assert first.experiment.model.weights == "run:first"
    assert [phase.lr for phase in first.experiment.training.phases] == [HEAD.lr, 0.5]
    assert second.experiment.name == "handed on · random"


@pytest.mark.parametrize("design", ["random", "sobol"])
def test_draws_lie_in_their_ranges_and_are_the_same_again(design: str) -> None:
    rate = Factor("training.phases.lr", low=1e-5, high=1e-1, log=True)
    size = Factor("training.batch_size", low=2, high=5, whole=True)
    study = Study(BASE, (rate, size, Factor.of("augment", "none", "basic", "strong")), design, 32)
    found = expand(study)
    assert [one.experiment for one in found] == [one.experiment for one in expand(study)]
    rates = [one.experiment.training.phases[0].lr for one in found]
    assert all(1e-5 <= lr <= 1e-1 for lr in rates)
    assert 8 <= sum(lr < 1e-3 for lr in rates) <= 24  # half of the orders of magnitude
    assert {one.experiment.training.batch_size for one in found} == {2, 3, 4, 5}
    if design == "sobol":
        assert sum(lr < 1e-3 for lr in rates) == 16


def test_a_draw_of_few_values_makes_each_setting_once() -> None:
    found = expand(Study(BASE, (Factor.of("training.batch_size", 2, 4),), "random", 50))
    assert sorted(one.experiment.training.batch_size for one in found) == [2, 4]


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("training.lr", 1, "training has no lr. It has: preset, phases"),
        ("trainin", 1, "it has no trainin. It has: data, model"),
        ("training.phases.2.lr", 1, "training.phases has 2 entries"),
        ("training.phases.0.lr.x", 1, "is a single value"),
        ("training.phases.lr", -1, "lr is -1"),
        ("training.phases.lr", "fast", "lr is fast"),
        ("training.phases.lr", None, "lr is None"),
        ("training.phases", [], "no phase"),
        ("training.seed", 3, "No study varies training.seed. Seeds stand beside"),
        ("series", "x", "No study varies series"),
        ("augment", "huge", "augment is huge. Choose one of: none, basic"),
        ("augment", {"flap": 1}, "unknown key flap"),
        ("recipe", "wow", "preset is wow"),
        ("recipe", 3, "recipe is 3"),
        ("model", 3, "model must be a JSON object"),
        ("model.backbone", "", "No backbone is named"),
    ],
)
def test_fields_and_values_that_cannot_be_are_refused(name: str, value: object, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        with_settings(BASE, [(name, value)])


def test_studies_that_cannot_be_told_apart_or_are_too_large_are_refused() -> None:
    large = Study(BASE, (Factor.of("training.batch_size", *range(1, 41)),), seeds=tuple(range(8)))
    with pytest.raises(InputError, match=f"has 320 runs. At most {MOST_MEMBERS}"):
        expand(large)
    alike = Factor("size", tuple(Level(name, (("training.batch_size", 4),)) for name in ("four", "fore")))
    with pytest.raises(InputError, match="four and fore are the same experiment"):
        expand(Study(BASE, (alike,)))
    twice = Factor("kind", (Level("a", (("training.batch_size", 2),)), Level("b", (("training.batch_size", 3),))))
    with pytest.raises(InputError, match="set by two factors"):
        expand(Study(BASE, (Factor.of("training.batch_size", 4, 8), twice)))
    with pytest.raises(InputError, match="says nothing where every phase trains the head"):
        expand(Study(experiment(HEAD), (Factor.of("freeze.trainable_stages", 0, 1),)))


def test_a_recipe_stands_for_freeze_plan_and_phases() -> None:
    found = with_settings(BASE, [("training.phases.lr", 0.5), ("recipe", "scratch")])
    assert (found.training.preset, found.freeze.trainable_stages, found.model.weights) == ("scratch", "all", "none")
    assert [phase.lr for phase in found.training.phases] == [0.5]
    assert found.training.epochs == BASE.training.epochs
    assert value_of(found, "recipe") == "scratch"


@pytest.mark.parametrize("field", FIELDS.values(), ids=FIELDS)
def test_every_field_on_offer_takes_its_options(field: object) -> None:
    value_of(BASE, field.name)  # type: ignore[attr-defined]
    for value in field.options:  # type: ignore[attr-defined]
        assert isinstance(with_settings(BASE, [(field.name, value)]), Experiment)  # type: ignore[attr-defined]


def test_a_field_is_named_by_its_last_word() -> None:
    assert full_name("lr") == "training.phases.lr"
    assert full_name("dropout") == "model.head.dropout"
    assert full_name("nothing") == "nothing"
    assert full_name("seed") == "data.seed"
