"""The sums and the clock of an epoch: what is dropped, what is carried on, and when to report."""

from __future__ import annotations

import pytest
import torch
from tiny import CPU

from core.training.loop import epoch_meter
from core.training.loop.distributed import ALONE, World
from core.training.loop.epoch_meter import EpochMeter

LOGITS, LABELS = torch.tensor([[2.0, 1.0], [0.0, 3.0], [1.0, 0.0]]), torch.tensor([0, 1, 1])


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(epoch_meter.time, "perf_counter", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_only_what_became_a_step_counts() -> None:
    meter = EpochMeter(CPU, ALONE)
    meter.set_sums([1.0, 2.0, 3.0])
    meter.start()
    meter.add(torch.tensor(0.5, requires_grad=True), LOGITS, LABELS)
    assert meter.totals() == [1.0, 2.0, 3.0]
    meter.step()
    assert meter.totals() == [1.5, 4.0, 6.0]
    meter.step()
    assert meter.totals() == [1.5, 4.0, 6.0]
    meter.add(torch.tensor(9.0), LOGITS, LABELS)
    meter.start()  # as after a step that did not fit into the memory
    meter.step()
    assert meter.totals() == [1.5, 4.0, 6.0]
    assert not meter.sums.requires_grad


def test_the_first_process_carries_on_what_all_have_summed() -> None:
    others = EpochMeter(CPU, World(rank=1, size=2))
    others.set_sums([1.0, 2.0, 3.0])
    assert others.sums.tolist() == [0.0, 0.0, 0.0]


def test_seconds_by_part(clock: Clock) -> None:
    meter = EpochMeter(CPU, ALONE)
    clock.now += 7
    meter.start()
    for part, seconds in (("data", 1.0), ("forward", 2.0), ("data", 0.5)):
        clock.now += seconds
        meter.lap(part)
    clock.now += 4
    meter.skip()
    clock.now += 1
    meter.lap("backward")
    assert meter.seconds == {"data": 1.5, "forward": 2.0, "backward": 1.0}
    meter.begin_epoch()
    assert set(meter.seconds.values()) == {0.0}


def test_a_report_is_due_after_an_interval(clock: Clock) -> None:
    meter = EpochMeter(CPU, ALONE)
    meter.start()
    clock.now += epoch_meter.REPORT_SECONDS / 2
    meter.lap("data")
    assert not meter.report_due(8)
    clock.now += epoch_meter.REPORT_SECONDS / 2
    meter.lap("data")
    assert meter.report_due(7)
    clock.now += 3.0
    assert meter.unreported_seconds() == epoch_meter.REPORT_SECONDS
    assert meter.unreported_seconds(now=True) == epoch_meter.REPORT_SECONDS + 3.0
    assert not meter.reported()
    meter.skip()
    assert not meter.report_due(8)
    clock.now += epoch_meter.CHECKPOINT_SECONDS
    assert meter.reported()
    assert not meter.reported()
