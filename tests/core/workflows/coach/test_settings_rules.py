"""Slips in settings: each is found where it is made, and not where it is not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from core.runs.status import RunStatus
from core.specs import DataSpec, EarlyStopping, Experiment, FreezePlan, ModelSpec, Phase, Schedule, TrainingSpec
from core.training.course_recipes import find
from core.workflows.coach.diagnose import advise_run
from core.workflows.coach.settings_rules import judge_settings
from core.workflows.findings import RunEvidence

COUNTS = {"train": {"a": 100, "b": 100}, "val": {"a": 50, "b": 50}, "test": {"a": 50, "b": 50}}
DATA = DataSpec("photos")


def said(experiment: Experiment, counts: dict[str, dict[str, int]] | None = None, **splits: str) -> dict[str, str]:
    run = RunEvidence([{"epoch": 1}], [], RunStatus(), experiment, counts or COUNTS, (), splits)
    return {f.id: f"{f.sentence} {f.evidence} {f.advice}" for f in judge_settings(run)}


def made(*phases: Phase, plan: FreezePlan | None = None, weights: str = "default", **training: Any) -> Experiment:
    return Experiment(
        DATA, ModelSpec("resnet18", weights), TrainingSpec("custom", phases, **training), plan or FreezePlan(1)
    )


HEAD = Phase("head", "head", 5, "sgd", lr=0.1)


@pytest.mark.parametrize(("early", "plateau", "found"), [(3, 5, True), (5, 4, True), (6, 4, False), (20, 5, False)])
def test_a_plateau_longer_than_early_stopping(early: int, plateau: int, found: bool) -> None:
    phase = replace(HEAD, schedule=Schedule("plateau", patience=plateau))
    assert ("plateau-too-patient" in said(made(phase, early=EarlyStopping("val_loss", early)))) is found
    assert "plateau-too-patient" not in said(made(phase, early=EarlyStopping("val_accuracy", early)))
    assert "plateau-too-patient" not in said(made(phase))


def test_the_notes_five_class_cnn_has_it() -> None:
    assert list(said(find("five-classes-cnn").experiment(DATA))) == ["plateau-too-patient"]


@pytest.mark.parametrize(
    ("after", "found"),
    [
        (Phase("all", "plan", 5, "sgd", lr=0.1), True),
        (Phase("all", "plan", 5, "sgd", lr=0.01), False),
        (Phase("all", "plan", 5, "sgd", lr=0.1, backbone_factor=0.1), False),
        (Phase("all", "plan", 5, "adam", lr=0.1), False),  # another optimizer's rate is another scale
        (Phase("all", "plan", 5, "sgd", lr=0.1, freeze=FreezePlan()), False),
    ],
)
def test_a_rate_that_is_not_lowered_when_layers_thaw(after: Phase, found: bool) -> None:
    assert ("rate-kept" in said(made(HEAD, after))) is found
    assert "rate-kept" not in said(made(HEAD, after, weights="none"))


def test_the_notes_cats_and_dogs_keep_their_rate() -> None:
    assert "0.1" in said(find("vgg16-cats-dogs").experiment(DATA))["rate-kept"]
    assert "rate-kept" not in said(find("resnet18-fruit").experiment(DATA))


def test_validation_pictures_from_the_test_folder() -> None:
    splits = {"train/a/1.png": "train", "Test/a/2.png": "val", "test/a/3.png": "test", "test/4.png": "val"}
    assert "1 of 2 lie there, such as Test/a/2.png" in said(made(HEAD), **splits)["validates-on-test"]
    assert "validates-on-test" not in said(made(HEAD), **{"valid/a/1.png": "val", "a/test/1.png": "train"})


@pytest.mark.parametrize(("test", "step"), [(10, "10 %"), (25, "4 %"), (30, None), (0, None)])
def test_accuracies_that_few_pictures_cannot_give(test: int, step: str | None) -> None:
    found = said(made(HEAD), {**COUNTS, "test": {"a": test}})
    assert ("few-pictures" in found) is (step is not None)
    if step:
        assert f"steps of {step}" in found["few-pictures"]


def test_the_coach_says_it_beside_what_the_curves_show() -> None:
    experiment = find("mobilenet-v2-as-run").experiment(DATA)
    found = advise_run([], [], RunStatus(state="running"), experiment, COUNTS)
    assert {finding.id for finding in found} == {"early-watches-training"}
    found = advise_run([], [], RunStatus(state="running"), find("five-classes-cnn").experiment(DATA), COUNTS)
    assert {finding.id for finding in found} == {"plateau-too-patient"}
