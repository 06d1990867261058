"""Watching a training from the inside: what is measured is right, and nothing of the training changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from tiny import CPU, HEAD, PLAN, experiment, tiny
from torch import Tensor, nn

from core.models.network import Network
from core.specs import Experiment, FreezePlan, Phase
from core.training.features.batch_sources import Material
from core.training.loop.events import EpochEnd
from core.training.loop.trainer import Trainer
from core.training.monitoring import health_monitor, time_budget
from core.training.monitoring.health_monitor import HealthMonitor
from core.training.monitoring.kept_looks import KeptLooks
from core.training.monitoring.stage_answers import HISTOGRAM_BINS, histogram
from core.training.monitoring.time_budget import TimeBudget, is_due

Make = Callable[..., Material]
ALL = experiment(Phase("all", "plan", 3, "sgd", lr=0.05, momentum=0.0), freeze=FreezePlan("all"))


@pytest.fixture(autouse=True)
def no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_monitor, "FREE_SECONDS", 1e9)
    monkeypatch.setattr(health_monitor, "PASS_FREE_SECONDS", 1e9)


class Dropping(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(nn.functional.dropout(input, 0.5, self.training))


def watched(network: Network, images: Material, task: Experiment) -> list[dict[str, Any]]:
    health = HealthMonitor(network, images, CPU)
    trainer = Trainer(network, images, task, CPU, observer=health)
    rows = []
    for event in trainer.run():
        if isinstance(event, EpochEnd):
            with trainer.average_applied():
                rows.append(health.epoch_end(event.epoch, trainer.state.step))
    assert health.error is None
    return [row for row in rows if row is not None]


def stage(row: dict[str, Any], name: str) -> dict[str, Any]:
    return next(entry for entry in row["stages"] if entry["stage"] == name)


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_watching_changes_no_bit(material: Make, ema: float) -> None:
    task = experiment(HEAD, PLAN, freeze=FreezePlan(1), ema=ema, clip=0.5)
    images, plain, seen = material(), tiny(), tiny()
    plain.model[5], seen.model[5] = Dropping(8, 2), Dropping(8, 2)
    seen.model[5].load_state_dict(plain.model[5].state_dict())
    list(Trainer(plain, images, task, CPU).run())
    chance = torch.get_rng_state()
    rows = watched(seen, images, task)
    assert len(rows) == 5
    assert torch.equal(chance, torch.get_rng_state())
    theirs = plain.model.state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in seen.model.state_dict().items())


def test_figures_are_those_of_the_step(material: Make) -> None:
    """With plain SGD the change is the rate times the gradient."""
    network = tiny()
    first = watched(network, material(), ALL)[0]
    rate = 0.05
    for entry in first["stages"]:
        assert entry["learns"] == 1.0
        assert 0 < entry["gradient"] < 1e3
        assert 0 < entry["update"] < 1
    head = stage(first, "head")
    lengths = [float(p.detach().norm()) for p in (network.model[5].weight, network.model[5].bias)]
    # the head moved little in three epochs, so its length now is about its length then
    assert head["update"] == pytest.approx(rate * head["gradient"] / sum(v**2 for v in lengths) ** 0.5, rel=0.2)


def test_distance_is_measured_from_the_start(material: Make) -> None:
    network = tiny()
    start = {name: p.detach().clone() for name, p in network.model.named_parameters()}
    last = watched(network, material(), ALL)[-1]
    for part in network.anatomy.stages:
        now = {name: p.detach() for name, p in network.model.named_parameters()}
        moved = sum(float((now[n] - start[n]).square().sum()) for n in part.parameter_names) ** 0.5
        length = sum(float(start[n].square().sum()) for n in part.parameter_names) ** 0.5
        assert stage(last, part.name)["distance"] == pytest.approx(moved / length, rel=1e-3)


def test_frozen_stages_stay_and_are_drawn_once(material: Make) -> None:
    rows = watched(tiny(), material(), experiment(HEAD))
    assert [entry["distance"] for entry in rows[-1]["stages"]][:-1] == [0.0, 0.0, 0.0]
    assert "gradient" not in stage(rows[0], "stage1")
    assert [("weights" in stage(row, "stage1")) for row in rows] == [True, False, False]
    assert all("weights" in stage(row, "head") for row in rows)
    assert all(stage(row, "stage1")["drift"] == 0.0 for row in rows)


def test_frozen_statistics_that_move_are_seen(material: Make) -> None:
    rows = watched(tiny(), material(), experiment(HEAD, freeze=FreezePlan(norm="train")))
    assert stage(rows[-1], "stage1")["learns"] == 0.0
    assert stage(rows[-1], "stage1")["drift"] > 0.01


def test_dead_units_are_counted(material: Make) -> None:
    network = tiny()
    with torch.no_grad():
        network.model[1][1].weight[:3] = 0.0  # the norm before the second ReLU: three of eight channels give nothing
        network.model[1][1].bias[:3] = -1.0
    row = watched(network, material(), experiment(HEAD))[0]
    assert stage(row, "stage2")["units"] == 8
    assert stage(row, "stage2")["dead"] == 3
    counts = stage(row, "stage2")["activations"]["counts"]
    assert len(counts) == HISTOGRAM_BINS
    assert counts[0] == max(counts)  # most values of a ReLU are zero


def test_a_frozen_part_is_asked_once_for_all_heads(material: Make) -> None:
    """What another training saw of the same frozen part is what this one would have seen."""
    images, kept, calls, rows = material(), KeptLooks(), [], []
    images.store.fill()
    for seed, looks in ((0, kept), (1, kept), (1, KeptLooks())):
        network = tiny()
        for name, parameter in network.model.named_parameters():
            parameter.requires_grad_(name.startswith("5."))
        with torch.no_grad():
            network.model[5].weight.normal_(generator=torch.Generator().manual_seed(seed))
        network.model[0].register_forward_hook(lambda *_, seed=seed: calls.append(seed))
        health = HealthMonitor(network, images, CPU, looks)
        rows.append(health.epoch_end(1, 1, last=True))
        with torch.no_grad():
            network.model[5].weight += 1
        rows.append(health.epoch_end(2, 2, last=True))
        assert health.error is None
    assert calls == [0, 1]  # the first network once, the second never, the third once
    assert rows[2:4] == rows[4:6]
    assert stage(rows[0], "stage1")["activations"] == stage(rows[3], "stage1")["activations"]
    assert stage(rows[2], "head")["activations"] != stage(rows[3], "head")["activations"]
    network.model[0][1].running_mean += 0.5
    assert stage(health.epoch_end(3, 3, last=True), "stage1")["activations"] != stage(rows[0], "stage1")["activations"]
    assert calls == [0, 1, 1]


def test_what_learns_is_asked_anew(material: Make) -> None:
    network, calls = tiny(), []
    network.model[0].register_forward_hook(lambda *_: calls.append(1))
    health = HealthMonitor(network, material(), CPU)
    rows = [health.epoch_end(epoch, epoch, last=True) for epoch in (1, 2)]
    assert len(calls) == 2
    assert rows[0]["stages"][0]["activations"] == rows[1]["stages"][0]["activations"]


def test_modes_and_gradients_are_left_alone(material: Make) -> None:
    network = tiny()
    network.model.train()
    network.model[2].eval()
    before = {name: module.training for name, module in network.model.named_modules()}
    health = HealthMonitor(network, material(), CPU)
    health.before_step(1.0)
    assert health.epoch_end(1, 1, last=True) is not None
    assert before == {name: module.training for name, module in network.model.named_modules()}
    assert not any(module._forward_hooks for module in network.model.modules())


def test_a_look_that_fails_ends_the_looking_only(material: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(health_monitor, "histogram", fail)
    network, images = tiny(), material()
    health = HealthMonitor(network, images, CPU)
    trainer = Trainer(network, images, ALL, CPU, observer=health)
    rows = [health.epoch_end(e.epoch, 0) for e in trainer.run() if isinstance(e, EpochEnd)]
    assert rows == [None, None, None]
    assert isinstance(health.error, RuntimeError)


def test_very_long_runs_are_told_in_few_rows() -> None:
    last, rows = 0, 0
    for epoch in range(1, 100_001):
        if is_due(epoch, last, health_monitor.HISTOGRAM_SPACING):
            last, rows = epoch, rows + 1
    assert rows < 1_000
    assert last > 98_000


def test_an_allowance_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time_budget.time, "perf_counter", lambda: now[0])
    room, spent = TimeBudget(0.02, 0.1), 0.0
    for _ in range(1000):
        now[0] += 0.05
        if room.permits("row"):
            with room.spending("row"):
                now[0] += 0.01
            spent += 0.01
    assert 0.5 * 0.02 * now[0] < spent <= 0.1 + 0.02 * now[0] + 0.01


def test_histograms_count_every_value() -> None:
    found = histogram(torch.cat([torch.randn(9_999, generator=torch.Generator().manual_seed(0)), torch.tensor([1e9])]))
    assert found is not None
    assert sum(found["counts"]) == 10_000
    assert -4 < found["low"] < -2
    assert 2 < found["high"] < 4  # one value far out does not squeeze the rest
    assert histogram(torch.tensor([float("nan")])) is None
    same = histogram(torch.ones(5))
    assert same is not None
    assert sum(same["counts"]) == 5
