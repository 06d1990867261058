"""Presets become plans and phases."""

from __future__ import annotations

import pytest

from core.errors import InputError
from core.specs import OPTIMIZERS, PRESETS, FreezePlan
from core.training.recipes import Rates, make_recipe


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_spends_the_epochs_it_was_given(preset: str) -> None:
    recipe = make_recipe(preset, epochs=7)
    assert sum(phase.epochs for phase in recipe.phases) == 7


def test_linear_probe_trains_the_head_alone() -> None:
    recipe = make_recipe("linear-probe")
    assert recipe.freeze == FreezePlan(0)
    assert [phase.trains for phase in recipe.phases] == ["head"]


def test_two_phase_goes_from_head_to_plan_at_a_lower_rate() -> None:
    head, tuned = make_recipe("two-phase", lr=0.01, unfreeze_stages=2).phases
    assert (head.trains, tuned.trains) == ("head", "plan")
    assert tuned.lr < head.lr == 0.01
    assert tuned.backbone_factor < 1


def test_scratch_starts_from_random_weights_and_trains_everything() -> None:
    recipe = make_recipe("scratch")
    assert (recipe.weights, recipe.freeze.trainable_stages) == ("none", "all")


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_default_rate_follows_the_optimizer(optimizer: str) -> None:
    rate = make_recipe("linear-probe", optimizer=optimizer).phases[0].lr
    assert rate == pytest.approx({"adamw": 1e-3, "adam": 1e-3, "rmsprop": 3e-4, "sgd": 1e-2}[optimizer])


@pytest.mark.parametrize(
    ("preset", "values", "sentence"),
    [
        ("best", {}, "Choose one of"),
        ("linear-probe", {"unfreeze_stages": 2}, "trains the head alone"),
        ("fine-tune", {"unfreeze_stages": 0}, "only the head would train"),
        ("full", {"unfreeze_stages": 1}, "trains every stage"),
        ("two-phase", {"epochs": 1}, "at least 2 epochs"),
        ("full", {"epochs": 0}, "epochs is 0"),
    ],
)
def test_what_does_not_fit_a_preset_is_refused(preset: str, values: dict[str, int], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        make_recipe(preset, **values)  # type: ignore[arg-type]


def test_gradual_lets_one_more_stage_join_in_each_phase() -> None:
    recipe = make_recipe("gradual", epochs=8, unfreeze_stages=3)
    assert [phase.trains for phase in recipe.phases] == ["head", "plan", "plan", "plan"]
    assert [phase.freeze for phase in recipe.phases] == [None, FreezePlan(1), FreezePlan(2), FreezePlan(3)]
    assert [phase.epochs for phase in recipe.phases] == [2, 2, 2, 2]
    assert recipe.freeze == FreezePlan(3)


def test_gradual_follows_a_schedule() -> None:
    late = FreezePlan(thaw=("layer3",))
    recipe = make_recipe("gradual", epochs=10, gradual=((FreezePlan(1), 3), (late, 9)))
    assert [(phase.epochs, phase.freeze) for phase in recipe.phases] == [(2, None), (6, FreezePlan(1)), (2, late)]
    assert [phase.schedule for phase in recipe.phases] == ["constant", "constant", "cosine"]
    assert recipe.freeze == late


@pytest.mark.parametrize("starts", [(1,), (3, 3), (5, 4), (11,)])
def test_impossible_schedules_are_refused(starts: tuple[int, ...]) -> None:
    steps = tuple((FreezePlan(count), start) for count, start in enumerate(starts, start=1))
    with pytest.raises(InputError, match="epochs at which stages join in"):
        make_recipe("gradual", epochs=10, gradual=steps)


@pytest.mark.parametrize("values", [{"epochs": 3}, {"unfreeze_stages": "all"}])
def test_gradual_says_what_it_needs(values: dict[str, object]) -> None:
    with pytest.raises(InputError, match="Gradual unfreezing"):
        make_recipe("gradual", **values)  # type: ignore[arg-type]


@pytest.mark.parametrize("preset", ["fine-tune", "two-phase", "full"])
def test_rates_and_parts_of_ones_own(preset: str) -> None:
    plan = FreezePlan(1, hold=("layer4.0",))
    rates = Rates(0.5, 0.4, (("stage1", 0.01),))
    recipe = make_recipe(preset, freeze=plan, rates=rates)
    assert recipe.freeze == (FreezePlan("all") if preset == "full" else plan)
    tuned = recipe.phases[-1]
    assert (tuned.backbone_factor, tuned.stage_decay, tuned.stage_factors) == (0.5, 0.4, (("stage1", 0.01),))
    assert recipe.phases[0].trains == "plan" or recipe.phases[0].stage_decay == 1.0
