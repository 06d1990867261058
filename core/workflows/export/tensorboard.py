"""A run as TensorBoard event files, made from its folder at any time: while it trains, or years later.

Needs the optional package tensorboardX (``requirements-tensorboard.txt``), which needs no TensorFlow. Loads no torch.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import InputError
from core.runs.files import read_json, read_lines
from core.runs.status import RunStatus
from core.runs.store import Run
from core.specs import Experiment

if TYPE_CHECKING:
    from tensorboardX import SummaryWriter

PACKAGE = "tensorboardX"
FILES = "events.out.tfevents.*"
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
"""Columns of ``metrics.jsonl`` and what their curves are called; a name there has no spaces."""
STEPS = {"loss": "step/loss", "accuracy": "step/accuracy", "lr": "step/learning_rate"}
STAGES = {"gradient": "gradient_norm", "update": "update_ratio", "distance": "distance_from_start"}
HISTOGRAMS = ("weights", "activations")


def available() -> bool:
    """Whether event files can be written here."""
    return find_spec(PACKAGE) is not None


def export(run: Run, folder: Path | str) -> Path:
    """Writes a run's curves, histograms and settings; what was exported of it before is replaced.

    Epochs count along the horizontal axis, steps for what is named ``step/``.

    Args:
        run: Any run, also one that still trains.
        folder: Where; the files go into a folder of the run's name below it, so that several runs can be compared.

    Returns:
        The folder with the event files.

    Raises:
        RunMissing: The run is gone.
        InputError: The package is missing, or the folder cannot be written.
    """
    if not available():
        raise InputError(
            "TensorBoard files need the package tensorboardX. Install it with “pip install -r {file}”.",
            file="requirements-tensorboard.txt",
        )
    experiment, status = run.experiment, run.status()
    target = Path(folder).expanduser() / run.id
    try:
        target.mkdir(parents=True, exist_ok=True)
        for old in target.glob(FILES):
            old.unlink()
        writer = importlib.import_module(PACKAGE).SummaryWriter(str(target), filename_suffix=".run")
        with writer:
            _scalars(writer, run, status.begun or status.started or 0.0)
            _health(writer, run)
            _texts(writer, run, experiment)
            writer.add_hparams(_settings(experiment), dict(_results(status)), name=".")
    except OSError as error:
        raise InputError(
            "The event files cannot be written under {folder}: {reason}.", folder=str(folder), reason=error.strerror
        ) from error
    return target


def _scalars(writer: SummaryWriter, run: Run, begun: float) -> None:
    """Writes the curves of epochs and steps, at the times at which they were reached."""
    passed = 0.0
    for row in run.metrics()[0]:
        passed += float(row.get("seconds") or 0.0)
        for column, tag in EPOCHS.items():
            if row.get(column) is not None:
                writer.add_scalar(tag, float(row[column]), int(row["epoch"]), walltime=begun + passed)
    for row in run.steps()[0]:
        for column, tag in STEPS.items():
            if row.get(column) is not None:
                walltime = begun + float(row.get("t") or 0.0)
                writer.add_scalar(tag, float(row[column]), int(row["step"]), walltime=walltime)


def _health(writer: SummaryWriter, run: Run) -> None:
    """Writes what was seen inside, stage by stage."""
    for row in read_lines(run.path / "health.jsonl")[0]:
        epoch = int(row["epoch"])
        for entry in row.get("stages", ()):
            stage = entry["stage"]
            for column, tag in STAGES.items():
                if entry.get(column) is not None:
                    writer.add_scalar(f"{tag}/{stage}", float(entry[column]), epoch)
            if entry.get("units"):
                writer.add_scalar(f"dead_ReLU_units/{stage}", entry["dead"] / entry["units"], epoch)
            for what in HISTOGRAMS:
                if entry.get(what):
                    _histogram(writer, f"{what}/{stage}", entry[what], epoch)


def _histogram(writer: SummaryWriter, tag: str, drawn: Mapping[str, Any], epoch: int) -> None:
    """Writes counts in equal bins; their sums follow from the bins' middles."""
    low, high, counts = float(drawn["low"]), float(drawn["high"]), [int(count) for count in drawn["counts"]]
    width = (high - low) / len(counts)
    limits = [low + width * (index + 1) for index in range(len(counts))]
    middles = [limit - width / 2 for limit in limits]
    writer.add_histogram_raw(
        tag,
        min=low,
        max=high,
        num=sum(counts),
        sum=sum(middle * count for middle, count in zip(middles, counts, strict=True)),
        sum_squares=sum(middle**2 * count for middle, count in zip(middles, counts, strict=True)),
        bucket_limits=limits,
        bucket_counts=counts,
        global_step=epoch,
    )


def _texts(writer: SummaryWriter, run: Run, experiment: Experiment) -> None:
    """Writes what the run does, on what, and which classes there are."""
    environment = read_json(run.path / "environment.json")
    packages = environment.get("packages") or {}
    versions = [f"{name} {version}" for name, version in packages.items() if version]
    writer.add_text("experiment", _as_code(experiment.to_json()), 0)
    writer.add_text("environment", ", ".join([str(environment.get("platform", "")), *versions]).strip(", "), 0)
    writer.add_text("classes", ", ".join(run.classes()), 0)


def _as_code(text: str) -> str:
    """Returns text as a block of code in Markdown."""
    return "".join(f"    {line}\n" for line in text.splitlines())


def _settings(experiment: Experiment) -> dict[str, bool | str | float | int]:
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


def _results(status: RunStatus) -> Iterator[tuple[str, float]]:
    """Yields what the run came to, so far."""
    for name in ("val_accuracy", "test_accuracy", "best_val_accuracy", "best_epoch", "seconds"):
        value = getattr(status, name)
        if value is not None:
            yield f"result/{name}", float(value)
