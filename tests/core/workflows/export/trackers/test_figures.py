"""What trackers are given of a run, without any of their packages."""

from __future__ import annotations

import json

import pytest

from core.cli import main
from core.errors import InputError
from core.runs import Run
from core.runs.files import read_lines
from core.runs.recorder import BEFORE
from core.workflows.export.trackers import figures, mlflow, wandb


def test_epoch_0_is_what_was_judged_before_training(run: Run) -> None:
    before = json.loads((run.path / BEFORE).read_text())
    first = {point.tag: point.value for point in figures.points(run) if point.step == 0 and point.tag[:5] != "step/"}
    assert first == {figures.EPOCHS[name]: value for name, value in before.items() if name in figures.EPOCHS}
    assert "accuracy/validation" in first
    (run.path / BEFORE).unlink()  # a run of an earlier version
    assert min(point.step for point in figures.points(run)) == 1


def test_every_epoch_step_and_stage_is_there_at_its_time(run: Run) -> None:
    found = list(figures.points(run))
    rows, steps = run.metrics()[0], run.steps()[0]
    curve = {point.step: point for point in found if point.tag == "loss/train"}
    assert {step: point.value for step, point in curve.items()} == {row["epoch"]: row["train_loss"] for row in rows}
    begun = run.status().begun
    assert begun is not None
    assert curve[2].time == pytest.approx(begun + rows[0]["seconds"] + rows[1]["seconds"])
    assert [point.step for point in found if point.tag == "step/loss"] == [row["step"] for row in steps]
    health = read_lines(run.path / "health.jsonl")[0]
    stages = [(row["epoch"], entry) for row in health for entry in row["stages"]]
    assert [(row.epoch, row.counts) for row in figures.histograms(run) if row.tag.startswith("weights/")] == [
        (epoch, entry["weights"]["counts"]) for epoch, entry in stages if entry.get("weights")
    ]
    assert any(point.tag.startswith("gradient_norm/") for point in found)


def test_settings_and_results_are_plain_values(run: Run) -> None:
    said = figures.settings(run.experiment)
    assert (said["backbone"], said["all/rate"], said["all/epochs"]) == ("mnist_cnn", 0.02, 3)
    assert figures.results(run.status())["result/val_accuracy"] == run.status().val_accuracy


def test_a_history_of_wandb_has_one_row_an_epoch_and_one_a_step(run: Run) -> None:
    rows = wandb.rows_of(run)
    assert [row["epoch"] for row in rows if "epoch" in row] == [0, 1, 2, 3]
    assert [row[wandb.STEP] for row in rows if wandb.STEP in row] == [row["step"] for row in run.steps()[0]]
    last = next(row for row in rows if row.get("epoch") == 3)
    assert last["loss/train"] == run.metrics()[0][-1]["train_loss"]
    assert any(isinstance(value, figures.Histogram) for value in last.values())
    assert not any(tag.startswith("step/") for tag in last)


def test_a_folder_of_mlflow_is_a_sqlite_file_and_a_server_stays(tmp_path) -> None:
    assert mlflow.address("http://there:5000") == "http://there:5000"
    assert mlflow.address(tmp_path / "books") == f"sqlite:///{(tmp_path / 'books' / 'mlflow.db').as_posix()}"


@pytest.mark.parametrize("tracker", ["mlflow", "wandb"])
def test_without_the_package_it_is_said(
    run: Run, tmp_path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tracker: str
) -> None:
    monkeypatch.setattr({"mlflow": mlflow, "wandb": wandb}[tracker], "PACKAGE", "no_such_package")
    assert main([tracker, str(run.path), "--to", str(tmp_path / "there")]) == 2
    assert f"pip install -r requirements-{tracker}.txt" in capsys.readouterr().err
    assert not (tmp_path / "there").exists()
    with pytest.raises(InputError, match="no_such_package"):
        figures.require("no_such_package", "It", "some.txt")
