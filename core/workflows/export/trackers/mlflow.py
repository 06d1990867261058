"""A run in MLflow's books, made from its folder at any time: a database on this machine, or a server's address.

Needs the optional packages of ``requirements-mlflow.txt``. Histograms are left out: MLflow has none. Loads no torch.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from core.errors import InputError
from core.runs.status import LIVE
from core.runs.store import Run
from core.workflows.export.trackers import figures

PACKAGE = "mlflow"
BOOKS = "mlflow.db"
EXPERIMENT = "Backbone Lab"
TAG = "backbone_lab.run"
FILES = ("experiment.json", "environment.json", "classes.json", "split.csv")
_BATCH, _SETTINGS = 1000, 100
"""Most metrics and most parameters that MLflow takes at once."""
_ENDS = {"finished": "FINISHED", "failed": "FAILED"}
_T = TypeVar("_T")


def address(to: Path | str) -> str:
    """Returns the address that MLflow has for a server or a folder, whose books are a SQLite file."""
    return str(to) if "://" in str(to) else f"sqlite:///{(Path(to).expanduser().absolute() / BOOKS).as_posix()}"


def export(run: Run, to: Path | str) -> str:
    """Writes a run's curves, settings, results and small files; what was written of it before is replaced.

    Args:
        run: Any run, also one that still trains.
        to: A folder, or a server's address such as ``http://localhost:5000``.

    Returns:
        The address to look at: ``mlflow ui --backend-store-uri ADDRESS``.

    Raises:
        RunMissing: The run is gone.
        InputError: The packages are missing, the folder cannot be written or the server does not answer.
    """
    for package in (PACKAGE, *(("sqlalchemy", "alembic") if "://" not in str(to) else ())):
        figures.require(package, "MLflow", "requirements-mlflow.txt")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # nothing is told to anybody by writing a file
    mlflow = importlib.import_module(PACKAGE)
    uri = address(to)
    try:
        if uri.startswith("sqlite"):
            Path(to).expanduser().mkdir(parents=True, exist_ok=True)
        _write(run, mlflow, uri, _artifacts(to))
    except (OSError, mlflow.exceptions.MlflowException) as error:
        raise InputError(
            "MLflow's books cannot be written under {folder}: {reason}.",
            folder=str(to),
            reason=(str(error).strip() or type(error).__name__).split("\n", 1)[0][:200].rstrip("."),
        ) from error
    return uri


def _write(run: Run, mlflow: ModuleType, uri: str, artifacts: str | None) -> None:
    client = mlflow.MlflowClient(tracking_uri=uri)
    entities, status, experiment = mlflow.entities, run.status(), run.experiment
    book = client.get_experiment_by_name(EXPERIMENT)
    number = book.experiment_id if book else client.create_experiment(EXPERIMENT, artifact_location=artifacts)
    for earlier in client.search_runs([number], f"tags.`{TAG}` = '{run.id}'"):
        client.delete_run(earlier.info.run_id)
    begun = _milliseconds(status.begun or status.started)
    made = client.create_run(number, start_time=begun, run_name=run.name, tags={TAG: run.id}).info.run_id
    params = [entities.Param(name, str(value)) for name, value in figures.settings(experiment).items()]
    for some in _batches(params, _SETTINGS):
        client.log_batch(made, params=some)
    metrics = [
        entities.Metric(point.tag, point.value, _milliseconds(point.time or begun / 1000), point.step)
        for point in figures.points(run)
    ]
    ended = _milliseconds(status.ended)
    metrics += [entities.Metric(name, value, ended, 0) for name, value in figures.results(status).items()]
    for some in _batches(metrics, _BATCH):
        client.log_batch(made, metrics=some)
    for name in FILES:
        if (run.path / name).is_file():
            client.log_artifact(made, str(run.path / name))
    if status.state not in LIVE:
        client.set_terminated(made, _ENDS.get(status.state, "KILLED"), end_time=ended)


def _artifacts(to: Path | str) -> str | None:
    """Returns where files go: beside the books, or where the server wants them."""
    return None if "://" in str(to) else (Path(to).expanduser().absolute() / "files").as_uri()


def _milliseconds(seconds: float | None) -> int:
    return round(1000 * (seconds or 0.0))


def _batches(rows: Sequence[_T], size: int) -> Iterator[list[_T]]:
    left = iter(rows)
    while some := list(islice(left, size)):
        yield some
