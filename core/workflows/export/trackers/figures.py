"""What a run folder holds, as figures over epochs and steps: the one mapping that every tracker is written from.

Loads no torch, and needs none of the trackers' packages.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import NamedTuple

from core.errors import InputError
from core.runs.files import read_json, read_lines
from core.runs.recorder import BEFORE
from core.runs.status import RunStatus
from core.runs.store import Run
from core.specs import Experiment

EPOCHS = {
    "train_loss": "loss/train",
    "val_loss": "loss/validation",
    "train_accuracy": "accuracy/train",
    "val_accuracy": "accuracy/validation",
    "val_balanced_accuracy": "accuracy/validation_balanced",
    "val_f1": "f1/validation",
    "lr": "learning_rate",
    "images_per_second": "time/images_per_second",
    "seconds": "time/seconds_an_epoch",
    "data_seconds": "time/data",
    "forward_seconds": "time/forward",
    "backward_seconds": "time/backward",
    "val_seconds": "time/validation",
}
"""Columns of ``metrics.jsonl`` and ``before.json``, and what their curves are called; a name there has no spaces."""
STEPS = {"loss": "step/loss", "accuracy": "step/accuracy", "lr": "step/learning_rate"}
STAGES = {"gradient": "gradient_norm", "update": "update_ratio", "distance": "distance_from_start"}
HISTOGRAMS = ("weights", "activations")


class Point(NamedTuple):
    """A figure of a run.

    Attributes:
        tag: Its curve, such as ``loss/validation``; what counts along steps begins with ``step/``.
        value: The figure.
        step: Epoch, 0 before training, or step.
        time: When it was reached, in Unix seconds; ``None`` where the run did not note it.
    """

    tag: str
    value: float
    step: int
    time: float | None


class Histogram(NamedTuple):
    """How values of a stage were spread after an epoch.

    Attributes:
        tag: Its name, such as ``weights/stage1``.
        epoch: The epoch.
        low: Left end of the first bin.
        high: Right end of the last bin.
        counts: Values in each bin; all bins are equally wide.
    """

    tag: str
    epoch: int
    low: float
    high: float
    counts: list[int]


def require(package: str, name: str, file: str) -> None:
    """Makes sure that a tracker's package is there.

    Raises:
        InputError: It is not.
    """
    if find_spec(package) is None:
        raise InputError(
            "{name} needs the package {package}. Install it with “pip install -r {file}”.",
            name=name,
            package=package,
            file=file,
        )


def points(run: Run) -> Iterator[Point]:
    """Yields the figures of a run: before training, epoch by epoch, step by step, then stage by stage."""
    status = run.status()
    begun = status.begun or status.started or 0.0
    before = read_json(run.path / BEFORE)
    passed = 0.0
    for row in [{"epoch": 0, **before}] * bool(before) + run.metrics()[0]:
        passed += float(row.get("seconds") or 0.0)
        for column, tag in EPOCHS.items():
            if row.get(column) is not None:
                yield Point(tag, float(row[column]), int(row["epoch"]), begun + passed)
    for row in run.steps()[0]:
        for column, tag in STEPS.items():
            if row.get(column) is not None:
                yield Point(tag, float(row[column]), int(row["step"]), begun + float(row.get("t") or 0.0))
    for row in read_lines(run.path / "health.jsonl")[0]:
        for entry in row.get("stages", ()):
            for column, tag in STAGES.items():
                if entry.get(column) is not None:
                    yield Point(f"{tag}/{entry['stage']}", float(entry[column]), int(row["epoch"]), None)
            if entry.get("units"):
                dead = entry["dead"] / entry["units"]
                yield Point(f"dead_ReLU_units/{entry['stage']}", dead, int(row["epoch"]), None)


def histograms(run: Run) -> Iterator[Histogram]:
    """Yields the histograms of weights and activations of each stage, epoch by epoch."""
    for row in read_lines(run.path / "health.jsonl")[0]:
        for entry in row.get("stages", ()):
            for what in HISTOGRAMS:
                if drawn := entry.get(what):
                    counts = [int(count) for count in drawn["counts"]]
                    ends = float(drawn["low"]), float(drawn["high"])
                    yield Histogram(f"{what}/{entry['stage']}", int(row["epoch"]), *ends, counts)


def settings(experiment: Experiment) -> dict[str, bool | str | float | int]:
    """Returns what runs are compared by."""
    training = experiment.training
    found: dict[str, bool | str | float | int] = {
        "data": experiment.data.source,
        "backbone": experiment.model.backbone,
        "weights": experiment.model.weights,
        "preset": training.preset,
        "batch size": str(training.batch_size),
        "seed": training.seed,
        "loss": training.loss.name,
        "augmented": experiment.augment.active,
        "clip": training.clip or 0.0,
        "ema": training.ema,
        "epochs": training.epochs,
    }
    for phase in training.phases:
        found |= {
            f"{phase.name}/optimizer": phase.optimizer,
            f"{phase.name}/rate": phase.lr,
            f"{phase.name}/epochs": phase.epochs,
            f"{phase.name}/schedule": phase.schedule.name,
            f"{phase.name}/weight decay": phase.weight_decay,
        }
    return found


def results(status: RunStatus) -> dict[str, float]:
    """Returns what a run came to, so far."""
    names = ("val_accuracy", "test_accuracy", "best_val_accuracy", "best_epoch", "seconds")
    return {f"result/{name}": float(value) for name in names if (value := getattr(status, name)) is not None}
