"""Growing files: each byte once, torn and rewritten ones; and what is kept of a long curve."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from core.runs import journal as journals
from core.runs.files import append_line, write_atomic
from core.runs.journal import Journal, thinned
from core.runs.usage import Meter


def epoch(number: int, phase: int = 0, **more: float) -> dict[str, object]:
    return {"epoch": number, "phase": f"p{phase}", "phase_index": phase, "val_loss": 1.0 / number, **more}


def write(path: Path, *rows: dict[str, object]) -> None:
    write_atomic(path / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in rows))


def test_a_growing_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    honest = journals.read_lines

    def counted(path: Path, offset: int = 0) -> tuple[list[dict[str, object]], int]:
        rows, end = honest(path, offset)
        read.append(end - offset)
        return rows, end

    monkeypatch.setattr(journals, "read_lines", counted)
    book = Journal(tmp_path)
    for number in range(1, 51):
        append_line(tmp_path / "metrics.jsonl", epoch(number))
        book.look()
        book.look()
    assert list(book.epochs.column("epoch")) == list(range(1, 51))
    assert sum(read) == (tmp_path / "metrics.jsonl").stat().st_size


def test_the_version_changes_with_what_is_there_and_not_otherwise(tmp_path: Path) -> None:
    book = Journal(tmp_path)
    empty = book.look()
    append_line(tmp_path / "metrics.jsonl", epoch(1))
    one = book.look()
    assert empty != one == book.look()


def test_a_torn_line_is_taken_once_it_is_whole(tmp_path: Path) -> None:
    line = json.dumps(epoch(1)) + "\n"
    path = tmp_path / "metrics.jsonl"
    path.write_text(line[:20])
    book = Journal(tmp_path)
    book.look()
    assert len(book.epochs) == 0
    path.write_text(line)
    book.look()
    assert book.epochs.last["epoch"] == 1


def test_damaged_and_repeated_rows_are_passed_over(tmp_path: Path) -> None:
    rows = [json.dumps(epoch(1)), "{torn", "[]", '{"epoch": null}', json.dumps(epoch(1)), json.dumps(epoch(2))]
    (tmp_path / "metrics.jsonl").write_text("\n".join(rows) + "\n")
    book = Journal(tmp_path)
    book.look()
    assert list(book.epochs.column("epoch")) == [1, 2]


def test_a_file_that_was_taken_back_is_read_anew(tmp_path: Path) -> None:
    write(tmp_path, epoch(1), epoch(2, 1), epoch(3, 1))
    book = Journal(tmp_path)
    book.look()
    assert book.phases == [(1, "p0"), (2, "p1")]
    write(tmp_path, epoch(1), epoch(2, 2, val_loss=9.0), epoch(3, 2), epoch(4, 3))  # as long at least as before
    book.look()
    assert list(book.epochs.column("val_loss"))[1] == 9.0
    assert book.phases == [(1, "p0"), (2, "p2"), (4, "p3")]
    write(tmp_path, epoch(1))
    book.look()
    assert len(book.epochs) == 1


def test_a_column_that_begins_late_or_holds_nothing_stands_beside_its_rows(tmp_path: Path) -> None:
    write(tmp_path, epoch(1), epoch(2, val_f1=0.5), {**epoch(3), "val_loss": None})
    book = Journal(tmp_path)
    book.look()
    assert np.isnan(book.epochs.column("val_f1")).tolist() == [True, False, True]
    assert np.isnan(book.epochs.column("val_loss")).tolist() == [False, False, True]
    assert np.isnan(book.epochs.column("never")).all()
    assert book.recent("val_loss", 2) == 0.5


@pytest.mark.parametrize("count", [1, 7, 400, 401, 999, 10_000, 100_000])
def test_a_long_curve_keeps_its_extremes_and_what_must_be_kept(count: int) -> None:
    chance = np.random.default_rng(count)
    first, second = chance.normal(size=count), chance.normal(size=count)
    kept = thinned([first, second], 400, keep=[count // 3])
    assert len(kept) <= 400 + 3
    assert {0, count - 1, count // 3, first.argmin(), first.argmax(), second.argmin(), second.argmax()} <= set(kept)
    assert (np.diff(kept) > 0).all()


def test_points_stay_where_they_are_while_a_curve_grows() -> None:
    values = np.random.default_rng(0).normal(size=1600)
    before, after = thinned([values[:1500]], 400), thinned([values], 400)
    settled = before[before < 1400]
    assert set(settled) == set(after[after < 1400])


def test_gaps_in_a_curve_are_no_extremes() -> None:
    values = np.full(5000, np.nan)
    values[[100, 4000]] = 3.0, -2.0
    assert {100, 4000} <= set(thinned([values], 100))


def test_the_usage_of_a_process_is_told() -> None:
    meter = Meter(os.getpid(), "cpu")
    assert meter.read().cores is None
    sum(number * number for number in range(2_000_000))
    found = meter.read()
    assert found.cores is not None
    assert found.cores > 0
    assert found.memory is not None
    assert found.memory > 10_000_000
    assert found.gpu is None


def test_nothing_is_invented_of_a_process_that_is_gone() -> None:
    found = Meter(2**22 + 1, "cpu").read()
    assert found.cores is None
    assert found.memory is None


class Driver:
    """Stands in for NVIDIA's binding: two cards, of which the second computes for the process 7; no power is told."""

    class NVMLError(Exception):
        pass

    NVML_TEMPERATURE_GPU = 0
    nvmlInit = nvmlShutdown = staticmethod(lambda: None)
    nvmlDeviceGetCount = staticmethod(lambda: 2)
    nvmlDeviceGetHandleByIndex = staticmethod(lambda index: index)
    nvmlDeviceGetName = staticmethod(lambda card: f"Card {card}".encode())
    nvmlDeviceGetTemperature = staticmethod(lambda card, _kind: 50 + card)

    @staticmethod
    def nvmlDeviceGetComputeRunningProcesses(card: int) -> list[SimpleNamespace]:
        return [SimpleNamespace(pid=7)] if card == 1 else []

    @staticmethod
    def nvmlDeviceGetMemoryInfo(card: int) -> SimpleNamespace:
        return SimpleNamespace(used=1000 + card, total=8000)

    @staticmethod
    def nvmlDeviceGetUtilizationRates(_card: int) -> SimpleNamespace:
        return SimpleNamespace(gpu=93)

    @classmethod
    def nvmlDeviceGetPowerUsage(cls, _card: int) -> int:
        raise cls.NVMLError


def test_the_card_that_computes_for_the_process_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", Driver)
    found = Meter(7, "cuda:0").read()
    assert (found.gpu, found.gpu_busy, found.gpu_memory, found.gpu_temperature) == ("Card 1", 0.93, 1001, 51.0)
    assert found.gpu_power is None


def test_a_card_is_found_by_what_the_process_may_see(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", Driver)
    meter = Meter(os.getpid(), "cuda:0")
    monkeypatch.setattr(meter, "_visible", lambda: ["1", "0"])
    assert meter.read().gpu == "Card 1"


def test_without_a_driver_nothing_is_said_of_a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert Meter(os.getpid(), "cuda:0").read().gpu is None
