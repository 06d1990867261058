"""A run as an offline run of Weights & Biases, made from its folder at any time; it needs no network and no account.

Needs the optional package wandb (``requirements-wandb.txt``). ``wandb sync`` carries the folder to a server, where
somebody wants that. Loads no torch.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
from itertools import groupby
from pathlib import Path
from types import ModuleType
from typing import Any

from core.errors import InputError
from core.runs.store import Run
from core.workflows.export.trackers import figures

PACKAGE = "wandb"
PROJECT = "backbone-lab"
STEP = "step/number"
"""What figures of single steps stand over; all others stand over ``epoch``."""


def rows_of(run: Run) -> list[dict[str, Any]]:
    """Returns a run's figures as rows of a history: one an epoch, histograms among them, then one a step."""

    def place(point: figures.Point) -> tuple[bool, int]:
        return point.tag.startswith("step/"), point.step

    drawn: dict[int, list[figures.Histogram]] = {}
    for spread in figures.histograms(run):
        drawn.setdefault(spread.epoch, []).append(spread)
    rows = []
    for (by_step, number), some in groupby(sorted(figures.points(run), key=place), key=place):
        row: dict[str, Any] = {STEP if by_step else "epoch": number}
        row |= {point.tag: point.value for point in some}
        row |= {} if by_step else {one.tag: one for one in drawn.get(number, ())}
        rows.append(row)
    return rows


def export(run: Run, folder: Path | str) -> Path:
    """Writes a run's curves, histograms, settings and results; what was written of it before is replaced.

    Args:
        run: Any run, also one that still trains.
        folder: Where.

    Returns:
        The folder of the offline run, for ``wandb sync``.

    Raises:
        RunMissing: The run is gone.
        InputError: The package is missing, or the folder cannot be written.
    """
    figures.require(PACKAGE, "Weights & Biases", "requirements-wandb.txt")
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # nothing is told to anybody by writing a file
    experiment, status, root = run.experiment, run.status(), Path(folder).expanduser().absolute()
    try:
        for old in (root / "wandb").glob(f"offline-run-*-{run.id}"):
            shutil.rmtree(old)
        root.mkdir(parents=True, exist_ok=True)
        wandb = importlib.import_module(PACKAGE)
        quiet = {"console": "off", "silent": True, "disable_git": True, "save_code": False}
        written = wandb.init(
            dir=str(root),
            mode="offline",
            project=PROJECT,
            id=run.id,
            name=run.name,
            config={**figures.settings(experiment), "experiment": json.loads(experiment.to_json())},
            settings=wandb.Settings(**quiet, x_disable_stats=True, x_disable_meta=True),
        )
    except OSError as error:
        raise InputError(
            "The offline run cannot be written under {folder}: {reason}.", folder=str(folder), reason=error.strerror
        ) from error
    with written:
        for name, over in (("epoch", None), (STEP, None), ("*", "epoch"), ("step/*", STEP)):
            written.define_metric(name, step_metric=over)
        for row in rows_of(run):
            written.log({name: _histogram(wandb, value) for name, value in row.items()})
        written.summary.update(figures.results(status))
    wandb.teardown()  # ends the process that writes for it: before that the file may lack its end
    return Path(written.dir).parent


def _histogram(wandb: ModuleType, value: object) -> object:
    """Returns a figure as it is, and a histogram as W&B has them."""
    if not isinstance(value, figures.Histogram):
        return value
    width = (value.high - value.low) / len(value.counts)
    edges = [value.low + width * place for place in range(len(value.counts) + 1)]
    return wandb.Histogram(np_histogram=(value.counts, edges))
