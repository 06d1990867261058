"""The coach: each remark on a curve that was made for it, and none on a healthy run."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from core.runs.status import RunStatus, State
from core.specs import AugmentSpec, DataSpec, EarlyStopping, Experiment, FreezePlan, ModelSpec, Phase, TrainingSpec
from core.workflows.coach.diagnose import Finding, advise_run

COUNTS = {"train": {"a": 100, "b": 110}, "val": {"a": 50, "b": 50}, "test": {"a": 20, "b": 20}}


def experiment(*, epochs: int = 20, augment: str = "none", lr: float = 1e-3, **training: Any) -> Experiment:
    return Experiment(
        DataSpec("photos"),
        ModelSpec("resnet18"),
        TrainingSpec("full", (Phase("full", "plan", epochs, lr=lr),), 16, **training),
        freeze=FreezePlan("all"),
        augment=AugmentSpec.preset(augment),
    )


def rows(train: list[float], val: list[float] | None = None, **columns: list[float]) -> list[dict[str, Any]]:
    """Rows with these losses; the accuracy follows from the loss unless it is given."""
    val = val if val is not None else [loss * 1.05 for loss in train]
    made = []
    for index, (one, other) in enumerate(zip(train, val, strict=True)):
        row: dict[str, Any] = {
            "epoch": index + 1,
            "phase_index": 0,
            "train_loss": one,
            "val_loss": other,
            "train_accuracy": math.exp(-one),
            "val_accuracy": math.exp(-other),
            "lr": 1e-3,
        }
        row |= {name: values[index] for name, values in columns.items()}
        row.setdefault("val_balanced_accuracy", row["val_accuracy"])
        made.append(row)
    return made


def falling(n: int, start: float = 0.7, rate: float = 0.25, floor: float = 0.05) -> list[float]:
    return [floor + (start - floor) * math.exp(-rate * index) for index in range(n)]


def stage(name: str, **values: Any) -> dict[str, Any]:
    usual = {"learns": 1.0, "distance": 0.1, "gradient": 0.5, "update": 1e-3, "drift": 0.2, "units": 64, "dead": 3}
    return {"stage": name, **usual, **values}


def health(n: int, **changes: dict[str, Any]) -> list[dict[str, Any]]:
    names = ("stage1", "stage2", "stage3", "head")
    return [
        {"epoch": epoch, "step": epoch * 10, "stages": [stage(name, **changes.get(name, {})) for name in names]}
        for epoch in range(1, n + 1)
    ]


def said(
    made: list[dict[str, Any]],
    inside: list[dict[str, Any]] | None = None,
    *,
    state: State = "running",
    task: Experiment | None = None,
    counts: dict[str, dict[str, int]] | None = None,
    best: int | None = None,
    **more: Any,
) -> dict[str, Finding]:
    task = task or experiment()
    status = RunStatus(state=state, epochs=task.training.epochs, best_epoch=best or len(made))
    found = advise_run(made, inside or [], status, task, counts or COUNTS, **more)
    for remark in found:  # every sentence can be filled in
        assert str(remark.sentence)
        assert str(remark.evidence)
        assert str(remark.advice)
        assert "{" not in f"{remark.sentence}{remark.evidence}{remark.advice}"
    return {remark.id: remark for remark in found}


@pytest.mark.parametrize("n", [3, 8, 20])
@pytest.mark.parametrize("state", ["running", "finished"])
def test_a_healthy_run_is_called_healthy(n: int, state: str) -> None:
    found = said(rows(falling(n)), health(n), state=state)
    assert list(found) == ["healthy"]
    assert found["healthy"].tone == "good"


def test_a_linear_probe_is_healthy_too() -> None:
    frozen = {"learns": 0.0, "distance": 0.0, "drift": 0.0, "gradient": None, "update": None, "dead": 40}
    inside = health(10, stage1=frozen, stage2=frozen, stage3=frozen, head={"drift": None, "units": 0, "update": 5e-3})
    assert list(said(rows(falling(10)), inside)) == ["healthy"]


def test_nothing_is_said_before_anything_is_known() -> None:
    assert said([]) == {}
    assert said(rows(falling(1)), health(1)) == {}


def test_learning_by_heart() -> None:
    rising = [0.7, 0.6, 0.55, 0.6, 0.68, 0.75, 0.85, 0.95, 1.05, 1.1]
    found = said(rows(falling(10, rate=0.6, floor=0.01), rising))
    assert found["overfitting"].tone == "bad"
    assert found["overfitting"].sentence.values == {"epoch": 3}
    assert "points apart" in str(found["overfitting"].evidence)
    few = {"train": {"a": 5, "b": 5}, "val": {"a": 2, "b": 1}}
    assert "overfitting" not in said(rows([0.05] * 6, [0.25] * 6), counts=few)  # three images tell nothing


def test_too_high_a_rate_makes_the_loss_jump() -> None:
    found = said(rows([0.7, 0.4, 1.2, 0.5, 1.5, 0.6, 1.3, 0.5]))
    assert found["rate-too-high"].tone == "warn"
    found = said(rows([0.7, 0.9, 1.5, 2.0, 2.6, 3.0]))
    assert found["rate-too-high"].tone == "bad"


def test_a_first_epoch_after_a_phase_is_no_jump() -> None:
    made = rows([*falling(8), 0.5, 0.3, 0.2, 0.15, 0.12])
    for row in made[8:]:
        row["phase_index"] = 1
    task = experiment()
    assert "rate-too-high" not in said(made, task=task)


def test_a_loss_that_is_no_number() -> None:
    made = rows([0.7, 0.6, 0.9])
    made[-1]["train_loss"] = None  # JSON has no word for it
    found = said(made, state="failed", task=experiment(lr=0.5))
    assert found["diverged"].tone == "bad"
    assert "0.05" in str(found["diverged"].advice)


def test_too_low_a_rate() -> None:
    creeping = [0.69 - 0.002 * index for index in range(10)]
    assert "rate-too-low" in said(rows(creeping))
    late = [*falling(15), *[0.05 - 0.0005 * i for i in range(5)]]
    assert "rate-too-low" not in said(rows(late))
    made = rows(creeping)
    for index, row in enumerate(made):
        row["lr"] = 1e-3 * 0.5**index  # a schedule that has run out
    assert "rate-too-low" not in said(made)


def test_learning_nothing_and_too_little() -> None:
    flat = [0.693 + 0.001 * (-1) ** index for index in range(8)]
    found = said(rows(flat))
    assert found["nothing-learned"].tone == "bad"
    assert "plateau" not in found
    little = rows([0.5] * 8, train_accuracy=[0.62] * 8, val_accuracy=[0.6] * 8)
    assert "underfitting" in said(little, state="finished")


def test_what_is_said_of_the_last_epoch_is_its_own_figure() -> None:
    made = rows([0.5] * 6, train_accuracy=[0.5, 0.5, 0.5, 0.6, 0.62, 0.717], val_accuracy=[0.5] * 6)
    evidence = said(made, state="finished")["underfitting"].evidence
    assert str(evidence).startswith("After 6 epochs 71.7 % of the training images are right")


@pytest.mark.parametrize(
    ("free", "augment", "weights", "advice"),
    [
        (10, "strong", "default", "Let more stages learn, train for more epochs, raise the rate, or augment less."),
        (10, "none", "default", "Let more stages learn, train for more epochs, or raise the rate."),
        (100, "basic", "default", "Train for more epochs, raise the rate, or augment less."),
        (100, "none", "default", "Train for more epochs, or raise the rate."),
        (100, "none", "none", "Train for more epochs, raise the rate, or begin with pretrained weights."),
    ],
)
def test_nothing_is_advised_that_is_so_already(free: int, augment: str, weights: str, advice: str) -> None:
    made = rows([0.5] * 8, train_accuracy=[0.62] * 8, val_accuracy=[0.6] * 8)
    task = experiment(augment=augment)
    task = replace(task, model=replace(task.model, weights=weights))
    status = RunStatus(state="finished", epochs=8, best_epoch=8, trainable_parameters=free, total_parameters=100)
    found = {finding.id: finding for finding in advise_run(made, [], status, task, COUNTS)}
    assert str(found["underfitting"].advice) == advice


def test_a_validation_loss_that_climbs_away() -> None:
    made = rows([1.4, 1.3, 1.2], [17.0, 26.0, 65.0], train_accuracy=[0.5] * 3, val_accuracy=[0.5] * 3)
    found = said(made, state="finished")
    assert "losses-apart" in found
    assert "healthy" not in found
    assert found["nothing-learned"].tone == "bad"


def test_no_good_word_before_anything_was_learned() -> None:
    made = rows([1.4, 1.41, 1.4], [1.4, 1.41, 1.42], train_accuracy=[0.5] * 3, val_accuracy=[0.5] * 3)
    assert said(made) == {}


def test_validation_better_than_training() -> None:
    easier = rows(falling(8, floor=0.3), falling(8, floor=0.1))
    assert said(easier, task=experiment(augment="strong"))["val-better"].tone == "good"
    assert said(easier)["val-better"].tone == "warn"


def test_the_best_epoch_was_long_ago() -> None:
    made = rows(falling(40))
    task = experiment(epochs=60)
    assert "best-long-ago" in said(made, best=20, task=task)
    assert "best-long-ago" not in said(made, best=35, task=task)
    assert "best-long-ago" not in said(made, best=20, task=task, state="finished")
    assert "best-long-ago" not in said(made, best=20, task=experiment(epochs=60, early=EarlyStopping()))


def test_flat_curves() -> None:
    flat = [*falling(6, start=1.2, floor=0.2), *[0.2] * 20]
    found = said(rows(flat, [loss * 1.02 for loss in flat]), task=experiment(epochs=60))
    assert "plateau" in found
    done = [*falling(6, floor=0.001), *[0.001] * 20]
    assert "plateau" not in said(rows(done, done), task=experiment(epochs=60))  # all is right already


def two_phases(
    train: list[float], val: list[float], accuracy: list[float], head: int, **more: Any
) -> dict[str, Finding]:
    """What is said of a run whose first epochs train the head alone."""
    made = rows(train, val, val_accuracy=accuracy, train_accuracy=[0.95] * len(train))
    for row in made[head:]:
        row["phase_index"] = 1
    phases = (Phase("head", "head", head), Phase("fine-tune", "plan", len(train) - head, lr=3e-4, backbone_factor=0.3))
    task = replace(experiment(), training=TrainingSpec("two-phase", phases, 16))
    return said(made, task=task, **more)


def test_a_phase_that_made_validation_worse_is_said_with_its_figures() -> None:
    """Cats and dogs: 98.6, then 93.6 and up to 96.4 % in fine-tuning, whose weights were thrown away."""
    train = [0.5, 0.2, 0.12, 0.11, 0.08, 0.05, 0.03]
    val = [0.3, 0.1, 0.07, 0.16, 0.12, 0.1, 0.09]
    accuracy = [0.90, 0.971, 0.986, 0.936, 0.95, 0.957, 0.964]
    found = two_phases(train, val, accuracy, 3, state="finished", best=3)
    first = next(iter(found.values()))
    assert "healthy" not in found
    assert str(first.sentence) == "Phase 2 did not help; the best weights are from before it."
    for part in ("98.6 % in epoch 3", "93.6 % after its first epoch", "96.4 % at best", "0.07, then 0.16 and 0.09"):
        assert part in str(first.evidence)
    assert str(first.advice).startswith("Lower its rate: 0.0001")
    assert str(two_phases(train, val, accuracy, 3)["phase-2-in-vain"].sentence).startswith("Phase 2 has not helped so")


def test_a_phase_that_has_just_begun_is_not_judged() -> None:
    early = two_phases([0.5, 0.2, 0.12, 0.11, 0.1], [0.3, 0.1, 0.07, 0.16, 0.12], [0.9, 0.97, 0.986, 0.93, 0.95], 3)
    assert not [name for name in early if name.startswith("phase-")]


def test_a_phase_that_helped_is_praised_after_the_whole() -> None:
    losses = falling(8, rate=0.6, floor=0.03)
    found = two_phases(losses, losses, [math.exp(-loss) for loss in losses], 3, state="finished", best=8)
    assert list(found) == ["healthy", "phase-2-helped"]
    assert found["phase-2-helped"].evidence.values["epoch"] == 8


def test_a_phase_is_judged_by_what_decides_which_weights_are_kept() -> None:
    """The accuracy stands still while the loss, by which the best is chosen here, falls on."""
    losses = falling(6)
    made = rows(losses, losses, val_accuracy=[0.9] * 6, train_accuracy=[0.9] * 6)
    for row in made[3:]:
        row["phase_index"] = 1
    phases = (Phase("head", "head", 3), Phase("fine-tune", "plan", 3))
    task = replace(experiment(), training=TrainingSpec("two-phase", phases, 16, best="val_loss"))
    assert "phase-2-helped" in said(made, task=task, state="finished")


def test_a_phase_that_a_later_one_made_up_for_is_not_blamed() -> None:
    accuracy = [0.8, 0.9, 0.7, 0.8, 0.95, 0.96]
    made = rows(falling(6), falling(6), val_accuracy=accuracy, train_accuracy=accuracy)
    for place, row in enumerate(made):
        row["phase_index"] = place // 2
    phases = tuple(Phase(name, "plan", 2) for name in ("a", "b", "c"))
    task = replace(experiment(), training=TrainingSpec("custom", phases, 16))
    found = said(made, task=task, state="finished", best=6)
    assert [name for name in found if name.startswith("phase-")] == ["phase-3-helped"]


@pytest.mark.parametrize(("dead", "tone"), [(30, "warn"), (60, "bad")])
def test_dead_units(dead: int, tone: str) -> None:
    found = said(rows(falling(5)), health(5, stage2={"dead": dead}))
    assert found["dead-relus"].tone == tone
    assert "stage2" in str(found["dead-relus"].sentence)


def test_units_that_die() -> None:
    inside = health(5)
    inside[-1]["stages"][0]["dead"] = 20  # of 64, and 3 at first
    assert "dead-relus" in said(rows(falling(5)), inside)


def test_vanishing_and_exploding_gradients() -> None:
    found = said(rows(falling(5)), health(5, stage1={"gradient": 1e-5}))
    assert "stage1" in str(found["vanishing-gradients"].sentence)
    inside = health(8)
    for row in inside[4:]:
        for entry in row["stages"]:
            entry["gradient"] = 400.0
    found = said(rows(falling(8)), inside)
    assert found["exploding-gradients"].tone == "bad"


def test_large_and_tiny_steps() -> None:
    assert "large-steps" in said(rows(falling(5)), health(5, stage3={"update": 0.4}))
    tiny = {"update": 1e-8}
    assert "tiny-steps" in said(rows(falling(5)), health(5, stage1=tiny, stage2=tiny, stage3=tiny, head=tiny))


def test_frozen_norms_that_move() -> None:
    frozen = {"learns": 0.0, "distance": 0.0, "drift": 0.3}
    found = said(rows(falling(5)), health(5, stage1=frozen, stage2=frozen))
    assert "2 frozen stages" in str(found["norm-drift"].evidence)


def test_uneven_classes_that_cost_something() -> None:
    counts = {"train": {"a": 300, "b": 20}, "val": {"a": 80, "b": 8}}
    made = rows(falling(8), val_balanced_accuracy=[0.6] * 8)
    found = said(made, counts=counts)
    assert found["imbalance"].evidence.values["few"] == 20
    assert "imbalance" not in said(rows(falling(8)), counts=counts)  # it costs nothing
    assert "imbalance" not in said(made)  # the classes are even


def test_a_class_is_missing() -> None:
    counts = {"train": {"a": 50, "b": 50}, "val": {"a": 10, "b": 0}}
    assert said(rows(falling(4)), counts=counts)["class-missing"].evidence.values["name"] == "b"
    counts = {"train": {"a": 50}, "val": {"a": 10, "b": 10}}
    assert said(rows(falling(4)), counts=counts)["class-missing"].tone == "bad"


def test_stopping_early_by_the_training_loss() -> None:
    task = experiment(early=EarlyStopping("train_loss", 3))
    assert "train_loss" in str(said(rows(falling(4)), task=task)["early-watches-training"].evidence)
    assert "early-watches-training" not in said(rows(falling(4)), task=experiment(early=EarlyStopping()))
    assert "best-by-training" in said(rows(falling(4)), task=experiment(best="train_accuracy"))


def test_leaks() -> None:
    copies, splits = (
        [("a/1.png", "a/2.png", "a/gone.png"), ("b/1.png", "b/2.png")],
        {"a/1.png": "train", "b/1.png": "val"},
    )
    found = said(rows(falling(4)), copies=copies, splits={**splits, "a/2.png": "val", "b/2.png": "val"})
    assert "1 groups of copies, such as a/1.png and a/2.png" in str(found["leakage"].evidence)
    assert "leakage" not in said(rows(falling(4)), copies=copies, splits=splits)


def test_a_test_on_the_training_folder() -> None:
    copies = [(f"train/{i}.png", f"test/{i}.png") for i in range(40)]
    splits = {key: key.partition("/")[0] for pair in copies for key in pair}
    found = said(rows(falling(4)), copies=copies, splits=splits)
    assert "test-is-training" in found
    assert "leakage" not in found


def test_the_gravest_comes_first() -> None:
    splits = {"a": "train", "b": "val"}
    task = experiment(early=EarlyStopping("train_loss", 3), augment="basic")
    easier = rows(falling(8, floor=0.3), falling(8, floor=0.1))
    found = list(said(easier, task=task, copies=[("a", "b")], splits=splits).values())
    assert [remark.tone for remark in found] == ["bad", "warn", "good"]
