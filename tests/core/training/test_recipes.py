"""Presets become plans and phases."""

from __future__ import annotations

from itertools import pairwise

import pytest

from core.errors import InputError
from core.models.anatomy.examine import anatomy_of
from core.specs import OPTIMIZERS, PRESETS, FreezePlan
from core.training.optim.optimizers import stage_rates
from core.training.recipes import DEFAULT_EPOCHS, Rates, fewest_epochs, make_recipe


def test_every_preset_is_made_but_those_that_are_names_only() -> None:
    assert set(PRESETS) - set(DEFAULT_EPOCHS) == {"course", "custom"}
    for preset in ("course", "custom"):
        with pytest.raises(InputError, match="makes none"):
            make_recipe(preset)


@pytest.mark.parametrize("preset", DEFAULT_EPOCHS)
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
    assert rate == pytest.approx(
        {"adamw": 1e-3, "adam": 1e-3, "rmsprop": 3e-4, "sgd": 1e-2, "adagrad": 1e-2}[optimizer]
    )


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
    assert [phase.schedule.name for phase in recipe.phases] == ["constant", "constant", "cosine"]
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


def test_six_steps_as_the_course_has_them() -> None:
    recipe = make_recipe("six-step")
    head, both = recipe.phases
    assert recipe.weights == "default"
    assert recipe.freeze == FreezePlan(1)
    assert (head.trains, head.epochs, both.trains, both.epochs) == ("head", 20, "plan", 30)
    assert both.lr == pytest.approx(head.lr / 10)
    assert (both.backbone_factor, both.stage_decay) == (1.0, 1.0)


@pytest.mark.parametrize(("epochs", "split"), [(2, (1, 1)), (3, (1, 2)), (5, (2, 3)), (10, (4, 6)), (100, (40, 60))])
def test_six_steps_keep_their_proportion(epochs: int, split: tuple[int, int]) -> None:
    block = FreezePlan(thaw=("layer4.1",))
    recipe = make_recipe("six-step", epochs=epochs, freeze=block)
    assert tuple(phase.epochs for phase in recipe.phases) == split
    assert recipe.freeze == block


def test_six_steps_need_two_epochs() -> None:
    with pytest.raises(InputError, match="at least 2 epochs"):
        make_recipe("six-step", epochs=1)


@pytest.mark.parametrize("epochs", [1, 8])
def test_discriminative_slows_each_earlier_stage(epochs: int) -> None:
    recipe = make_recipe("discriminative", epochs=epochs)
    (phase,) = recipe.phases
    assert recipe.freeze == FreezePlan("all")
    assert phase.schedule.name == "one-cycle"
    rates = stage_rates(phase, anatomy_of("resnet18"))
    values = list(rates.values())
    assert all(later / earlier == pytest.approx(2.6) for earlier, later in pairwise(values))


def test_discriminative_takes_rates_of_ones_own() -> None:
    (phase,) = make_recipe("discriminative", rates=Rates(0.5, 0.8)).phases
    assert (phase.backbone_factor, phase.stage_decay) == (0.5, 0.8)


@pytest.mark.parametrize("preset", DEFAULT_EPOCHS)
@pytest.mark.parametrize("optimizer", ["NAdam", "Adadelta", "Rprop", "Adafactor", "SGD", "sgd"])
def test_any_optimizer_may_be_named(preset: str, optimizer: str) -> None:
    recipe = make_recipe(preset, optimizer=optimizer)
    assert {phase.optimizer for phase in recipe.phases} == {optimizer}


@pytest.mark.parametrize(("name", "short"), [("SGD", "sgd"), ("RMSprop", "rmsprop"), ("Adagrad", "adagrad")])
def test_a_class_by_its_full_name_has_the_rate_of_its_short_one(name: str, short: str) -> None:
    assert make_recipe("full", optimizer=name).phases[0].lr == make_recipe("full", optimizer=short).phases[0].lr


@pytest.mark.parametrize("preset", DEFAULT_EPOCHS)
def test_the_fewest_epochs_are_the_fewest(preset: str) -> None:
    fewest = fewest_epochs(preset)
    assert sum(phase.epochs for phase in make_recipe(preset, epochs=fewest).phases) == fewest
    with pytest.raises(InputError):
        make_recipe(preset, epochs=fewest - 1)


def test_a_schedule_of_ones_own_needs_the_epoch_in_which_its_last_stage_joins_in() -> None:
    assert fewest_epochs("gradual", [3, 7]) == 7
    assert make_recipe("gradual", epochs=7, gradual=[(FreezePlan(1), 3), (FreezePlan(2), 7)]).phases[-1].epochs == 1
