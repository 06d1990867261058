"""The choice of the number format: by passes timed in turn, and the same at every start."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from pathlib import Path

import pytest
import torch

from core.training.optim import precision
from core.training.optim.precision import CHOICES, TRIAL_PASSES, choose_precision

CPU = torch.device("cpu")


class FakeMachine:
    """A clock that only work moves on, by the next of some seconds for its number format.

    Args:
        fp32: Seconds of the passes in float32.
        bf16: The same in bfloat16.
    """

    def __init__(self, fp32: Sequence[float], bf16: Sequence[float]) -> None:
        self.seconds = {False: cycle(fp32), True: cycle(bf16)}
        self.time, self.passes = 0.0, []

    def clock(self) -> float:
        return self.time

    def work(self) -> None:
        short = torch.is_autocast_enabled("cpu")
        self.passes.append("bf16" if short else "fp32")
        self.time += next(self.seconds[short])

    def choose(self, of: str = "a network") -> str:
        return choose_precision("auto", CPU, self.work, of, clock=self.clock)


@pytest.fixture(autouse=True)
def _instructions(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor that may be faster in bfloat16, whatever this one is."""
    monkeypatch.setattr(precision, "_can_be_faster", lambda: True)


@pytest.mark.parametrize(
    ("fp32", "bf16", "chosen"),
    [
        ([1.0], [0.5], "bf16"),
        ([1.0], [0.74], "bf16"),
        ([1.0], [0.76], "fp32"),
        ([1.0], [0.9], "fp32"),
        ([1.0], [3.0], "fp32"),
        ([9.0, 1.0, 1.0, 1.0], [0.7, 0.7, 0.7, 0.7], "bf16"),  # the first pass warms up
        ([1.0, 1.0, 5.0, 1.0], [0.9], "fp32"),  # one disturbed pass decides nothing
        ([1.0], [0.5, 0.5, 7.0, 0.5], "bf16"),
        ([0.0], [0.0], "fp32"),
    ],
)
def test_bfloat16_is_chosen_where_it_is_clearly_faster(fp32: list[float], bf16: list[float], chosen: str) -> None:
    machine = FakeMachine(fp32, bf16)
    assert machine.choose() == chosen
    assert machine.passes == ["fp32", "bf16"] * (TRIAL_PASSES // 2)


@pytest.mark.parametrize(
    ("bf16", "rounds"), [([30.0], 2), ([9.0, 0.5, 0.5, 0.5], 4), ([0.5, 9.0, 9.0], 3), ([9.0, 0.5, 9.0, 0.5], 4)]
)
def test_bfloat16_that_is_hopeless_twice_running_is_not_timed_on(bf16: list[float], rounds: int) -> None:
    machine = FakeMachine([1.0], bf16)
    machine.choose()
    assert machine.passes == ["fp32", "bf16"] * rounds


def test_a_processor_without_instructions_for_bfloat16_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "_can_be_faster", lambda: False)
    machine = FakeMachine([1.0], [0.5])
    assert machine.choose() == "fp32"
    assert machine.passes == []
    assert not CHOICES.folder.exists()


def test_what_was_found_is_kept_for_this_machine_and_network() -> None:
    assert FakeMachine([1.0], [0.5]).choose() == "bf16"
    slow = FakeMachine([1.0], [2.0])
    assert slow.choose() == "bf16"
    assert slow.passes == []
    assert slow.choose("another network") == "fp32"


@pytest.mark.parametrize("content", ["", "fp16", "bf16\n"])
def test_a_damaged_choice_is_made_again(content: str) -> None:
    FakeMachine([1.0], [0.5]).choose()
    (kept,) = CHOICES.folder.glob("*.txt")
    kept.write_text(content)
    assert FakeMachine([1.0], [2.0]).choose() == "fp32"
    assert kept.read_text() == "fp32"


def test_starts_at_the_same_time_find_the_same() -> None:
    machines = [FakeMachine([1.0], [seconds]) for seconds in (0.5, 2.0, 0.5, 2.0, 0.5, 2.0)]
    with ThreadPoolExecutor(len(machines)) as pool:
        found = list(pool.map(FakeMachine.choose, machines))
    assert len(set(found)) == 1
    assert sum(bool(machine.passes) for machine in machines) == 1


@pytest.mark.parametrize("wanted", ["fp32", "bf16"])
def test_what_was_asked_for_is_not_timed(wanted: str) -> None:
    machine = FakeMachine([1.0], [1.0])
    assert choose_precision(wanted, CPU, machine.work, "a network", clock=machine.clock) == wanted
    assert machine.passes == []
    assert not CHOICES.folder.exists()


def test_a_cache_that_cannot_be_written_costs_only_the_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("BACKBONE_LAB_CACHE", str(tmp_path / "file"))
    for _ in range(2):
        machine = FakeMachine([1.0], [0.5])
        assert machine.choose() == "bf16"
        assert machine.passes
