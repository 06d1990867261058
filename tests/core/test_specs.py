"""An experiment validates itself and survives JSON."""

from __future__ import annotations

import dataclasses
import json
import math
import pickle
import subprocess
import sys
from dataclasses import replace

import pytest

from core.errors import InputError, WeightsUnavailable
from core.specs import (
    AUGMENT_PRESETS,
    AugmentSpec,
    DataSpec,
    Experiment,
    FreezePlan,
    ModelSpec,
    Phase,
    Preprocessing,
    TrainingSpec,
)
from core.training.recipes import make_recipe


@pytest.fixture
def experiment() -> Experiment:
    recipe = make_recipe("two-phase", epochs=6)
    return Experiment(
        data=DataSpec("shapes", val_share=0.3),
        model=ModelSpec("resnet18", image_size=64),
        training=TrainingSpec("two-phase", recipe.phases),
        freeze=recipe.freeze,
        augment=AugmentSpec.preset("strong"),
        name="نمونه",
    )


def test_json_round_trip_is_lossless(experiment: Experiment) -> None:
    assert Experiment.from_json(experiment.to_json()) == experiment


def test_unknown_key_is_named(experiment: Experiment) -> None:
    record = json.loads(experiment.to_json())
    record["model"]["colour"] = "red"
    with pytest.raises(InputError, match=r"model has the unknown key colour\. Known keys: backbone"):
        Experiment.from_json(json.dumps(record))


def test_missing_key_is_named(experiment: Experiment) -> None:
    record = json.loads(experiment.to_json())
    del record["training"]["phases"][0]["epochs"]
    with pytest.raises(InputError, match="phase misses the key epochs"):
        Experiment.from_json(json.dumps(record))


@pytest.mark.parametrize("text", ["", "[]", "{", '{"schema": 99}', '{"data": 3, "model": {}, "training": {}}'])
def test_what_is_no_experiment_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(InputError):
        Experiment.from_json(text)


@pytest.mark.parametrize("rate", [0, -1.0, math.nan, math.inf, "0.1", True, None])
def test_impossible_rates_are_refused(rate: object) -> None:
    with pytest.raises(InputError, match="lr is"):
        Phase("head", "head", 1, lr=rate)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "values", "sentence"),
    [
        (Phase, {"name": "a", "trains": "head", "epochs": 0}, "epochs is 0"),
        (Phase, {"name": "a", "trains": "tail", "epochs": 1}, "Choose one of: head, plan"),
        (FreezePlan, {"trainable_stages": -1}, "trainable_stages is -1"),
        (FreezePlan, {"trainable_stages": "some"}, "whole number from 0 or"),
        (DataSpec, {"source": " "}, "No data are named"),
        (DataSpec, {"source": "x", "val_share": 0.6, "test_share": 0.5}, "Leave at least 0.1"),
        (DataSpec, {"source": "x", "val_share": 0}, "needs validation images"),
        (ModelSpec, {"backbone": "resnet18", "weights": "mine"}, "weights is mine"),
        (ModelSpec, {"backbone": "resnet18", "image_size": 4}, "image_size is 4"),
        (AugmentSpec, {"crop_scale": 0.0}, "crop_scale is 0"),
        (Preprocessing, {"resize": 200, "crop": 224}, "resize is 200"),
        (TrainingSpec, {"preset": "full", "phases": ()}, "has no phase"),
    ],
)
def test_bad_values_are_named_with_what_is_allowed(kind: type, values: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        kind(**values)


def test_preprocessing_keeps_its_margin_at_another_size() -> None:
    prep = Preprocessing(256, 224)
    assert prep.at(112) == dataclasses.replace(prep, resize=128, crop=112)
    assert prep.at(None) is prep


@pytest.mark.parametrize("kind", [InputError, WeightsUnavailable])
def test_errors_survive_pickling_with_their_values(kind: type[InputError]) -> None:
    error = pickle.loads(pickle.dumps(kind("No {what}.", what="luck")))
    assert type(error) is kind
    assert (str(error), error.values) == ("No luck.", {"what": "luck"})


def test_light_modules_load_no_torch() -> None:
    code = (
        "import sys, core.specs, core.settings, core.runs, core.training.recipes, core.cli, "
        "core.workflows.trainer_process.worker\nprint([m for m in ('torch', 'numpy', 'PIL', 'sklearn') if m in "
        "sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


@pytest.mark.parametrize("name", AUGMENT_PRESETS)
def test_a_preset_of_augmentation_is_known_again(name: str) -> None:
    assert AugmentSpec.preset(name).preset_name == name
    assert replace(AugmentSpec.preset(name), rotation=7.0).preset_name is None


@pytest.mark.parametrize(
    ("plan", "plain", "learn"),
    [
        (FreezePlan(), True, 1),
        (FreezePlan(2), True, 2),
        (FreezePlan(9), True, 5),
        (FreezePlan("all", norm="train"), True, 5),
        (FreezePlan(1, thaw=("stage2",)), False, 1),
        (FreezePlan(1, hold=("stage5",)), False, 1),
        (FreezePlan("all", learns="norm-bias"), False, 5),
    ],
)
def test_a_plain_plan_is_a_number_of_last_stages(plan: FreezePlan, plain: bool, learn: int) -> None:
    assert plan.plain == plain
    assert plan.last_stages(5) == learn


@pytest.mark.parametrize(
    ("batch", "accumulate", "images", "steps"),
    [(32, 1, 64, 2), (32, 1, 65, 3), (32, 2, 65, 2), (32, 1, 3, 1), (8, 1, 0, 1), ("auto", 1, 64, None)],
)
def test_steps_of_an_epoch(batch: int | str, accumulate: int, images: int, steps: int | None) -> None:
    spec = TrainingSpec("full", make_recipe("full").phases, batch_size=batch, accumulate=accumulate)
    assert spec.steps(images) == steps
