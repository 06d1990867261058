"""The race: each step is the optimizer's own rule, budgets are equal, and a rate can be too small or too large."""

from __future__ import annotations

import pytest
import torch

from core.errors import InputError
from core.lessons.race import OPTIMIZERS, RATES, SURFACES, run, train_heads, tuned


def gradient(name: str, point: tuple[float, float]) -> torch.Tensor:
    values = torch.tensor(point, dtype=torch.float64, requires_grad=True)
    (found,) = torch.autograd.grad(SURFACES[name].loss(values[0], values[1]), values)
    return found


@pytest.mark.parametrize("name", SURFACES)
def test_the_steps_are_those_of_the_rules_by_hand(name: str) -> None:
    rate, start = 0.01, torch.tensor(SURFACES[name].start, dtype=torch.float64)
    sgd = run(SURFACES[name], "SGD", rate, 20)
    place = start.clone()
    for point in sgd.points[1:]:
        place = place - rate * gradient(name, tuple(place.tolist()))
        assert point == pytest.approx(tuple(place.tolist()), rel=1e-9)
    place, speed = start.clone(), torch.zeros(2, dtype=torch.float64)
    for point in run(SURFACES[name], "Momentum", rate, 20).points[1:]:
        speed = 0.9 * speed + gradient(name, tuple(place.tolist()))
        place = place - rate * speed
        assert point == pytest.approx(tuple(place.tolist()), rel=1e-9)
    place, first, second = start.clone(), torch.zeros(2).double(), torch.zeros(2).double()
    for turn, point in enumerate(run(SURFACES[name], "Adam", rate, 20).points[1:], start=1):
        slope = gradient(name, tuple(place.tolist()))
        first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
        place = place - rate * (first / (1 - 0.9**turn)) / ((second / (1 - 0.999**turn)).sqrt() + 1e-8)
        assert point == pytest.approx(tuple(place.tolist()), rel=1e-6)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_everybody_has_the_same_start_steps_and_rates(optimizer: str) -> None:
    for surface in SURFACES.values():
        best = tuned(surface, optimizer, 40)
        assert best.points[0] == surface.start
        assert best.rate in RATES
        assert best.fate != "exploded"
        assert len(best.points) == len(best.losses) == 41
        assert all(best.losses[-1] <= run(surface, optimizer, rate, 40).losses[-1] + 1e-12 for rate in RATES[:3])


def test_a_rate_is_too_small_right_or_too_large() -> None:
    valley = SURFACES["valley"]
    assert run(valley, "SGD", 1e-4, 60).fate == "under way"
    assert run(valley, "SGD", 1, 60).fate == "exploded"
    assert run(valley, "SGD", 0.5, 60).fate in ("swings", "under way")
    assert tuned(valley, "Adam", 100).fate == "arrived"
    assert run(SURFACES["saddle"], "SGD", 0.1, 200).fate == "arrived"


def test_small_rates_hurt_plain_gradient_descent_most() -> None:
    small = {name: train_heads(name, (1e-3, 0.1)) for name in ("SGD", "Adam", "RMSprop")}
    assert small["Adam"][0].loss < small["SGD"][0].loss
    assert small["RMSprop"][0].loss < small["SGD"][0].loss
    assert small["Adam"][1].accuracy > 0.9


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_rates_that_walk_together_walk_as_each_does_alone(optimizer: str) -> None:
    """Also beside one that explodes."""
    surface = SURFACES["banana"]
    best = tuned(surface, optimizer, 30, (0.01, 100.0, 0.05))
    alone = {rate: run(surface, optimizer, rate, 30) for rate in (0.01, 0.05, 100.0)}
    assert best == alone[best.rate]
    assert best.losses[-1] == min(path.losses[-1] for path in alone.values() if path.fate != "exploded")


@pytest.mark.parametrize(("optimizer", "rate", "steps"), [("Lion", 0.1, 5), ("SGD", 0, 5), ("SGD", 0.1, 0)])
def test_what_cannot_run_is_refused(optimizer: str, rate: float, steps: int) -> None:
    with pytest.raises(InputError):
        run(SURFACES["valley"], optimizer, rate, steps)
