"""The batch size that is found where none is given."""

from __future__ import annotations

import pytest
import torch

from core.specs import DataSpec, Experiment, FreezePlan, ModelSpec, TrainingSpec
from core.training.estimate import batch_size
from core.training.estimate.step_memory import memory_of
from core.training.recipes import make_recipe

CPU = torch.device("cpu")
GIB = 2**30


def task(preset: str = "full", optimizer: str = "adamw") -> Experiment:
    recipe = make_recipe(preset, optimizer=optimizer)
    training = TrainingSpec(preset, recipe.phases, batch_size="auto", device="cpu", precision="fp32")
    return Experiment(DataSpec("shapes"), ModelSpec("resnet18"), training, recipe.freeze)


def found(monkeypatch: pytest.MonkeyPatch, free: float, experiment: Experiment) -> int:
    monkeypatch.setattr(batch_size, "memory_free", lambda _: int(free))
    return batch_size.batch_size(experiment, 4, CPU)


def needs(batch: int, plan: FreezePlan) -> int:
    return memory_of(ModelSpec("resnet18"), 4, plan, batch).step


def test_plenty_of_memory_gives_the_most_that_is_of_use(monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(monkeypatch, 500 * GIB, task()) == batch_size.MAX_BATCH["cpu"]


@pytest.mark.parametrize("batch", [4, 8, 16])
def test_the_largest_power_of_two_that_fits_is_taken(monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    enough = needs(batch, FreezePlan("all")) / batch_size.MEMORY_SHARE
    assert found(monkeypatch, enough + 1000, task()) == batch
    assert found(monkeypatch, enough - 1000, task()) == batch // 2


def test_what_learns_less_may_take_more(monkeypatch: pytest.MonkeyPatch) -> None:
    free = needs(4, FreezePlan("all")) / batch_size.MEMORY_SHARE + 1000
    assert found(monkeypatch, free, task("linear-probe")) > found(monkeypatch, free, task("full"))


def test_every_phase_must_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    free = needs(8, FreezePlan(1)) / batch_size.MEMORY_SHARE + 1000
    assert found(monkeypatch, free, task("two-phase")) == 8


def test_hardly_any_memory_gives_two_and_lets_the_training_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(monkeypatch, 0, task()) == 2
