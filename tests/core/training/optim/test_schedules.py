"""Schedules, held step by step against torch's own."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler

from core.specs import SCHEDULES, Phase, Schedule
from core.training.optim.schedules import Plateau, curve, rate_factor

EPOCHS, STEPS = 12, 7
Oracle = Callable[[torch.optim.Optimizer], lr_scheduler.LRScheduler]


def optimizer(rate: float = 1.0) -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate)


def rates_of(oracle: Oracle, calls: int) -> list[float]:
    """Returns the rate before each call of the scheduler's ``step``."""
    moved = optimizer()
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SequentialLR hands its children an epoch, which torch deprecates
        schedule = oracle(moved)
        for _ in range(calls):
            found.append(float(moved.param_groups[0]["lr"]))
            moved.step()
            schedule.step()
    return found


def ours(schedule: Schedule, epochs: int = EPOCHS, steps: int = STEPS) -> list[float]:
    return [rate_factor(schedule, step, steps, epochs) for step in range(epochs * steps)]


BY_STEP: dict[str, tuple[Schedule, Oracle]] = {
    "constant": (Schedule(), lambda o: lr_scheduler.ConstantLR(o, factor=1.0)),
    "cosine": (Schedule("cosine"), lambda o: lr_scheduler.CosineAnnealingLR(o, EPOCHS * STEPS)),
    "cosine to a floor": (
        Schedule("cosine", floor=0.1),
        lambda o: lr_scheduler.CosineAnnealingLR(o, EPOCHS * STEPS, eta_min=0.1),
    ),
    "straight line": (Schedule("polynomial"), lambda o: lr_scheduler.PolynomialLR(o, EPOCHS * STEPS)),
    "parabola": (Schedule("polynomial", power=2.0), lambda o: lr_scheduler.PolynomialLR(o, EPOCHS * STEPS, power=2.0)),
    "exponential": (Schedule("exponential", gamma=0.8), lambda o: lr_scheduler.ExponentialLR(o, 0.8 ** (1 / STEPS))),
    "warm-up, then cosine": (
        Schedule("cosine", warmup=2.0),
        lambda o: lr_scheduler.SequentialLR(
            o,
            [
                lr_scheduler.LinearLR(o, start_factor=1 / (2 * STEPS + 1), total_iters=2 * STEPS),
                lr_scheduler.CosineAnnealingLR(o, (EPOCHS - 2) * STEPS),
            ],
            [2 * STEPS],
        ),
    ),
}


@pytest.mark.parametrize("name", BY_STEP)
def test_as_torch_at_every_step(name: str) -> None:
    schedule, oracle = BY_STEP[name]
    assert ours(schedule) == pytest.approx(rates_of(oracle, EPOCHS * STEPS), rel=1e-9, abs=1e-12)


BY_EPOCH: dict[str, tuple[Schedule, Oracle]] = {
    "step": (Schedule("step", every=5, gamma=0.3), lambda o: lr_scheduler.StepLR(o, 5, gamma=0.3)),
    "multi-step": (
        Schedule("multi-step", milestones=(2, 3, 9), gamma=0.5),
        lambda o: lr_scheduler.MultiStepLR(o, [2, 3, 9], gamma=0.5),
    ),
    "exponential": (Schedule("exponential", gamma=0.7), lambda o: lr_scheduler.ExponentialLR(o, 0.7)),
}


@pytest.mark.parametrize("name", BY_EPOCH)
def test_as_torch_at_the_start_of_every_epoch(name: str) -> None:
    schedule, oracle = BY_EPOCH[name]
    assert ours(schedule)[::STEPS] == pytest.approx(rates_of(oracle, EPOCHS), rel=1e-9)


@pytest.mark.parametrize("name", ["step", "multi-step"])
def test_drops_happen_between_epochs_alone(name: str) -> None:
    rates = np.array(ours(BY_EPOCH[name][0])).reshape(EPOCHS, STEPS)
    assert (rates == rates[:, :1]).all()


def test_one_cycle_has_torchs_shape() -> None:
    epochs, steps = 10, 200
    total = epochs * steps
    found = np.array(ours(Schedule("one-cycle"), epochs, steps))
    wanted = np.array(rates_of(lambda o: lr_scheduler.OneCycleLR(o, max_lr=1.0, total_steps=total), total))
    assert np.abs(found - wanted).max() < 2 / (0.3 * total)  # both reach the top within a step of 30 %
    assert abs(int(found.argmax()) - int(wanted.argmax())) <= 1
    assert found[0] == pytest.approx(1 / 25)
    assert found[-1] < 1e-5


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("warmup", [0.0, 0.5, 3.0])
def test_every_schedule_stays_between_nothing_and_the_rate(name: str, warmup: float) -> None:
    schedule = Schedule(name, warmup=warmup, milestones=(4,) if name == "multi-step" else ())
    rates = ours(schedule)
    assert all(0 < rate <= 1 for rate in rates)
    warming = round(warmup * STEPS)
    assert all(later > earlier for earlier, later in pairwise(rates[:warming]))


@pytest.mark.parametrize("name", SCHEDULES)
def test_steps_beyond_the_end_and_epochs_of_one_step_are_no_trouble(name: str) -> None:
    schedule = Schedule(name, milestones=(1,) if name == "multi-step" else ())
    assert all(math.isfinite(rate_factor(schedule, step, 1, 1)) for step in range(5))


@pytest.mark.parametrize("high", [False, True])
@pytest.mark.parametrize("patience", [0, 1, 4])
@pytest.mark.parametrize("seed", range(6))
def test_plateau_as_torch(seed: int, patience: int, high: bool) -> None:
    chance = np.random.default_rng(seed)
    walk = np.abs(1.0 + chance.normal(0, 0.05, 60).cumsum())
    values = np.where(chance.random(60) < 0.3, np.round(walk, 1), walk)  # ties too
    schedule, state = Schedule("plateau", gamma=0.5, patience=patience), Plateau()
    moved = optimizer()
    oracle = lr_scheduler.ReduceLROnPlateau(moved, "max" if high else "min", factor=0.5, patience=patience, eps=0)
    for value in values:
        state.epoch(schedule, float(value), high=high)
        oracle.step(float(value))
        assert state.factor == pytest.approx(moved.param_groups[0]["lr"], rel=1e-9)
    assert state.factor < 1


def test_a_plateau_outlives_a_first_epoch_that_was_no_number() -> None:
    schedule, state = Schedule("plateau", gamma=0.5, patience=0), Plateau()
    for value in (math.nan, 1.0, 0.5):
        state.epoch(schedule, value, high=False)
    assert (state.best, state.factor) == (0.5, 1.0)


@pytest.mark.parametrize("steps", [1, 3, 500])
def test_a_curve_shows_the_rates_that_are_used(steps: int) -> None:
    phase = Phase("a", "plan", 6, lr=0.2, schedule=Schedule("cosine", warmup=1.0))
    epochs, rates = curve(phase, steps, points=50)
    assert len(epochs) == len(rates) == min(50, 6 * steps)
    assert (epochs[0], epochs[-1]) == (0, (6 * steps - 1) / steps)
    assert epochs == sorted(set(epochs))
    for epoch, rate in zip(epochs, rates, strict=True):
        assert rate == 0.2 * rate_factor(phase.schedule, round(epoch * steps), steps, 6)
