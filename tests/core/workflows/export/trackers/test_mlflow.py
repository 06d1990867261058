"""MLflow's books, read back by MLflow."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.cli import main
from core.runs import Run
from core.workflows.export.trackers import figures, mlflow

mlflow_itself = pytest.importorskip("mlflow")
pytest.importorskip("sqlalchemy")
pytest.importorskip("alembic")


def test_mlflow_reads_what_was_written_and_a_second_time_replaces_it(run: Run, tmp_path: Path) -> None:
    for _turn in range(2):
        uri = mlflow.export(run, tmp_path / "books")
    client = mlflow_itself.MlflowClient(tracking_uri=uri)
    (made,) = client.search_runs([client.get_experiment_by_name(mlflow.EXPERIMENT).experiment_id])
    assert (made.info.run_name, made.info.status) == (run.name, "FINISHED")
    assert made.data.params == {name: str(value) for name, value in figures.settings(run.experiment).items()}
    history = client.get_metric_history(made.info.run_id, "loss/validation")
    rows = [(point.step, point.value) for point in figures.points(run) if point.tag == "loss/validation"]
    assert sorted((metric.step, metric.value) for metric in history) == rows
    assert made.data.metrics["result/val_accuracy"] == run.status().val_accuracy
    assert "experiment.json" in [file.path for file in client.list_artifacts(made.info.run_id)]


def test_a_folder_that_cannot_be_written_is_said(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert main(["mlflow", str(run.path), "--to", str(tmp_path / "file" / "below")]) == 2
    assert "cannot be written" in capsys.readouterr().err
