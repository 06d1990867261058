"""The range test: what it does to the network (nothing), which steps it takes, and what it reads from the curve."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from tiny import CPU, HEAD, PLAN, experiment, tiny

from core.errors import InputError
from core.specs import AugmentSpec, EarlyStopping, FreezePlan, LiveChange, Loss, Mix, Phase, Schedule
from core.training.features.batch_sources import Material
from core.training.loop.events import ProgressEvent
from core.training.lr_finder import DEFAULT_STEPS, RateCurve, Tried, find_rate, only_phase, stop_requests
from core.training.lr_suggestion import NEVER_FELL, TOO_SHORT, smooth, suggest

Make = Callable[..., Material]
SCRATCH = Phase("train", "plan", 2, lr=0.3, schedule=Schedule("cosine", warmup=1.0))


def found(*args: Any, **more: Any) -> RateCurve:
    last = list(find_rate(*args, **more))[-1]
    assert isinstance(last, RateCurve)
    return last


def test_the_given_network_and_torchs_chance_are_left_alone(material: Make) -> None:
    network = tiny()
    before = {name: value.clone() for name, value in network.model.state_dict().items()}
    torch.manual_seed(5)
    chance = torch.get_rng_state()
    curve = found(network, material(), experiment(SCRATCH, freeze=FreezePlan("all")), CPU)
    assert all(torch.equal(value, before[name]) for name, value in network.model.state_dict().items())
    assert torch.equal(chance, torch.get_rng_state())
    assert not network.model.training
    assert all(parameter.grad is None for parameter in network.model.parameters())
    assert len(curve.losses) > 50


def test_rates_rise_by_the_same_factor_over_the_optimizers_span(material: Make) -> None:
    images = material()
    curve = found(tiny(), images, experiment(HEAD), CPU)
    ratios = [after / before for before, after in zip(curve.rates, curve.rates[1:], strict=False)]
    assert curve.rates[0] == pytest.approx(1e-7)
    assert max(ratios) == pytest.approx(min(ratios))
    assert ratios[0] == pytest.approx((10 / 1e-7) ** (1 / (DEFAULT_STEPS - 1)))
    assert found(tiny(), images, experiment(replace(HEAD, optimizer="sgd")), CPU).rates[0] == pytest.approx(1e-6)
    assert found(tiny(), images, experiment(HEAD), CPU, span=(0.01, 0.1), steps=20).rates[-1] <= 0.1 + 1e-9


@pytest.mark.parametrize("augment", [None, AugmentSpec.preset("strong")])
def test_a_seed_repeats_the_curve_and_another_changes_it(material: Make, augment: AugmentSpec | None) -> None:
    images = material(augment)
    task = experiment(
        SCRATCH, freeze=FreezePlan("all"), augment=augment, mix=Mix(0.2), clip=1.0, accumulate=2, loss=Loss("focal")
    )
    one = found(tiny(), images, task, CPU)
    torch.manual_seed(99)
    again = found(tiny(), images, task, CPU)
    other = found(tiny(), images, replace(task, training=replace(task.training, seed=1)), CPU)
    assert one.losses == again.losses
    assert one.suggested == again.suggested
    assert one.losses != other.losses


def test_a_linear_probe_runs_on_features_computed_once_and_finds_the_same(material: Make) -> None:
    images = material()
    told: list[object] = []
    for event in find_rate(tiny(), images, experiment(HEAD), CPU, steps=40):
        told.append(event)
    probe = told[-1]
    assert isinstance(probe, RateCurve)
    assert probe.cached
    assert any(isinstance(event, ProgressEvent) for event in told)
    assert all(event.done <= 40 for event in told if isinstance(event, Tried))
    live = found(tiny(), images, experiment(HEAD, augment=AugmentSpec(crop_scale=0.999999)), CPU, steps=40)
    assert not live.cached


def test_a_good_rate_trains_better_than_one_far_below_it(material: Make) -> None:
    from core.training.loop.events import EpochEnd
    from core.training.loop.trainer import Trainer

    images = material(images=24)
    task = experiment(replace(SCRATCH, schedule=Schedule()), freeze=FreezePlan("all"))
    curve = found(tiny(), images, task, CPU)
    assert curve.suggested is not None
    assert curve.suggested <= curve.least

    def reached(rate: float) -> float:
        phase = replace(task.training.phases[0], lr=rate, epochs=6)
        trial = replace(task, training=replace(task.training, phases=(phase,)))
        ends = [e for e in Trainer(tiny(), images, trial, CPU).run() if isinstance(e, EpochEnd)]
        return ends[-1].train_loss

    assert reached(curve.suggested) < reached(curve.suggested / 100)


def test_an_explosion_ends_the_test(material: Make) -> None:
    curve = found(
        tiny(),
        material(),
        experiment(replace(SCRATCH, optimizer="sgd"), freeze=FreezePlan("all")),
        CPU,
        span=(1e-3, 1e6),
    )
    assert curve.exploded
    assert len(curve.rates) < DEFAULT_STEPS
    assert all(math.isfinite(loss) for loss in curve.losses)


def test_a_loss_that_is_no_number_at_the_first_step_is_said(material: Make) -> None:
    network = tiny()
    with torch.no_grad():
        network.model[5].weight.fill_(math.nan)
    with pytest.raises(InputError, match="not a number at the first step"):
        found(network, material(), experiment(HEAD), CPU)


def test_too_few_images_or_steps_and_wrong_spans_are_refused(material: Make) -> None:
    images = material()
    few = replace(images, train=images.train[:4])
    with pytest.raises(InputError, match="4 training images are too few"):
        found(tiny(), few, experiment(HEAD), CPU)
    with pytest.raises(InputError, match="at least 20 steps"):
        found(tiny(), images, experiment(HEAD), CPU, steps=3)
    with pytest.raises(InputError, match="the lower one first"):
        found(tiny(), images, experiment(HEAD), CPU, span=(1.0, 0.1))
    with pytest.raises(InputError, match="no phase 7"):
        found(tiny(), images, experiment(HEAD), CPU, phase=7)


def test_a_wish_to_stop_ends_it_without_a_curve(material: Make) -> None:
    events = list(find_rate(tiny(), material(), experiment(HEAD), CPU, poll_requests=lambda: stop_requests(True)))
    assert not any(isinstance(event, RateCurve) for event in events)


def test_what_the_rate_does_not_depend_on_finds_the_same_test_again() -> None:
    one = experiment(HEAD, PLAN, freeze=FreezePlan(1))
    faster = replace(HEAD, lr=0.3, epochs=9, schedule=Schedule("one-cycle"))
    other = replace(
        experiment(faster, freeze=FreezePlan(1), early=EarlyStopping(), ema=0.9, acts=(LiveChange(1, "rate", 2.0),)),
        name="another",
    )
    assert only_phase(one, 0).to_json() == only_phase(other, "head").to_json()
    assert only_phase(one, 0) != only_phase(one, 1)
    assert only_phase(one, 1).freeze == FreezePlan(1)
    assert only_phase(one, 0).freeze == FreezePlan()
    again = only_phase(one, 1)
    assert only_phase(again, 0) == again


def test_a_curve_is_written_and_read() -> None:
    curve = RateCurve(
        (1.0, 0.6),
        None,
        None,
        None,
        None,
        1e-2,
        NEVER_FELL,
        (1e-3, 1e-2),
        (1.0, 0.5),
        False,
        "head",
        "sgd",
        4,
        "fp32",
        True,
        1.5,
    )
    assert RateCurve.from_record(json.loads(json.dumps(curve.as_record()))) == curve
    with pytest.raises(ValueError, match="lengths"):
        RateCurve.from_record({**curve.as_record(), "losses": [1.0]})
    with pytest.raises(KeyError):
        RateCurve.from_record({"rates": []})


# --- reading a curve --------------------------------------------------------------------------------------------------

RATES = [1e-7 * (10 / 1e-7) ** (step / 99) for step in range(100)]


def valley(
    rise: float, *, low: float = 1e-4, bottom: float = 1e-2, level: float = 2.0, noise: float = 0.0
) -> list[float]:
    """A curve that is level, falls to 0.5 between two rates and then rises."""
    chance = torch.Generator().manual_seed(0)
    losses = []
    for rate in RATES:
        fallen = min(1.0, max(0.0, math.log(rate / low) / math.log(bottom / low)))
        risen = max(0.0, math.log(rate / (10 * bottom)))
        losses.append(level - 1.5 * fallen + rise * risen + noise * float(torch.randn((), generator=chance)))
    return losses


@pytest.mark.parametrize("noise", [0.0, 0.1])
@pytest.mark.parametrize("rise", [0.0, 3.0])
def test_the_suggestion_lies_within_the_fall(rise: float, noise: float) -> None:
    found = suggest(RATES, valley(rise, noise=noise))
    assert found.suggested is not None
    assert 1e-4 <= found.suggested <= 1e-2
    assert found.steepest is not None
    assert 1e-4 <= found.steepest <= 1e-2
    assert f"{found.suggested:.0e}" == f"{found.suggested:.0e}".replace(".", "")


def test_a_flat_or_rising_curve_suggests_nothing() -> None:
    for losses in ([2.0] * 100, [2.0 + 0.01 * step for step in range(100)]):
        found = suggest(RATES, losses)
        assert found.suggested is None
        assert found.reason == NEVER_FELL
    noisy = torch.randn(100, generator=torch.Generator().manual_seed(3)).mul(0.3).add(2.0).tolist()
    assert suggest(RATES, noisy).suggested is None


def test_a_curve_of_a_few_points_suggests_nothing() -> None:
    assert suggest(RATES[:4], [2.0, 1.0, 0.5, 0.4]).reason == TOO_SHORT


def test_smoothing_keeps_a_level_and_does_not_lag_behind() -> None:
    assert smooth([1.5] * 40) == pytest.approx([1.5] * 40)
    step = smooth([2.0] * 50 + [1.0] * 50)
    assert (step[49] + step[50]) / 2 == pytest.approx(1.5)
    exploded = smooth([2.0] * 40 + [0.5] * 10 + [1e30] * 10)
    assert exploded[:50].argmin() >= 40
    assert exploded[44] < 1.2
