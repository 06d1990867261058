"""A run as TensorBoard event files, made from its folder at any time: while it trains, or years later.

Needs the optional package tensorboardX (``requirements-tensorboard.txt``), which needs no TensorFlow. Loads no torch.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import InputError
from core.runs.files import read_json
from core.runs.store import Run
from core.specs import Experiment
from core.workflows.export.trackers import figures

if TYPE_CHECKING:
    from tensorboardX import SummaryWriter

PACKAGE = "tensorboardX"
FILES = "events.out.tfevents.*"


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
    figures.require(PACKAGE, "TensorBoard", "requirements-tensorboard.txt")
    experiment, status = run.experiment, run.status()
    target = Path(folder).expanduser() / run.id
    try:
        target.mkdir(parents=True, exist_ok=True)
        for old in target.glob(FILES):
            old.unlink()
        writer = importlib.import_module(PACKAGE).SummaryWriter(str(target), filename_suffix=".run")
        with writer:
            for point in figures.points(run):
                writer.add_scalar(point.tag, point.value, point.step, walltime=point.time)
            for drawn in figures.histograms(run):
                _histogram(writer, drawn)
            _texts(writer, run, experiment)
            writer.add_hparams(figures.settings(experiment), figures.results(status), name=".")
    except OSError as error:
        raise InputError(
            "The event files cannot be written under {folder}: {reason}.", folder=str(folder), reason=error.strerror
        ) from error
    return target


def _histogram(writer: SummaryWriter, drawn: figures.Histogram) -> None:
    """Writes counts in equal bins; their sums follow from the bins' middles."""
    width = (drawn.high - drawn.low) / len(drawn.counts)
    limits = [drawn.low + width * (index + 1) for index in range(len(drawn.counts))]
    middles = [limit - width / 2 for limit in limits]
    writer.add_histogram_raw(
        drawn.tag,
        min=drawn.low,
        max=drawn.high,
        num=sum(drawn.counts),
        sum=sum(middle * count for middle, count in zip(middles, drawn.counts, strict=True)),
        sum_squares=sum(middle**2 * count for middle, count in zip(middles, drawn.counts, strict=True)),
        bucket_limits=limits,
        bucket_counts=drawn.counts,
        global_step=drawn.epoch,
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
