"""The verb that trains a recipe several times."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.runs.store import Run, RunStore
from core.specs import Experiment
from core.workflows import run_series
from core.workflows.trainer_process import worker

Call = Callable[..., tuple[int, dict[str, Any], str]]
SMALL = ("--backbone", "mnist_cnn", "--preset", "scratch", "--epochs", 1, "--device", "cpu", "--precision", "fp32")


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trains each run in this process when it is started."""

    def start(one: Experiment, folder: Path | None, **more: Any) -> Run:
        run = RunStore(folder).create(one, owner=more["owner"])
        worker.work(run, roots=more["roots"])
        return run

    monkeypatch.setattr(run_series.launch, "start", start)


@pytest.mark.usefixtures("at_once")
def test_seeds_are_trained_and_told_together(call: Call, image_folder: Callable[..., Path]) -> None:
    status, record, said = call("series", "--data", image_folder(images=8), *SMALL, "--seeds", "3,4")
    assert status == 0
    assert [row["state"] for row in record["runs"]] == ["finished", "finished"]
    assert [RunStore().open(row["run"]).experiment.training.seed for row in record["runs"]] == [3, 4]
    assert "2 runs" in said
    assert said.count("finished: ") == 2
    loss = record["metrics"]["val_loss"]
    assert loss["mean"] == pytest.approx(statistics.fmean(loss["values"]))
    assert loss["deviation"] == pytest.approx(statistics.stdev(loss["values"]))
    again = call("series", record["series"])
    assert again[:2] == (0, record)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--data", "shapes", "--backbone", "mnist_cnn"), "needs --seeds"),
        (("--data", "shapes", "--backbone", "mnist_cnn", "--seeds", "1"), "at least two runs"),
        (("nothing",), "no runs of a series nothing"),
        (("nothing", "--folds", "3"), "--folds cannot stand beside"),
        (("nothing", "--lr", "3"), "--lr cannot stand beside"),
    ],
)
def test_words_that_make_no_series_are_refused(call: Call, words: tuple[str, ...], sentence: str) -> None:
    status, _, said = call("series", *words)
    assert status == 2
    assert sentence in said
    assert RunStore().list() == []
