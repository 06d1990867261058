"""Remedies against imbalance: runs that differ in nothing else, and the rarest class's recall under each."""

from __future__ import annotations

import numpy as np
import pytest
from tiny import HEAD, experiment

from core.data.sources import Item
from core.evaluation.intervals import wilson_interval
from core.evaluation.predictions import write_predictions
from core.runs.recorder import Recorder
from core.runs.store import Run, RunStore
from core.specs import Experiment
from core.workflows.remedies import COMPARED, table
from core.workflows.studies.design import expand
from core.workflows.studies.series import series_study

CLASSES = ("common", "rare")


def finished(one: Experiment, right: int, *, state: str = "finished") -> Run:
    """A run whose network knows so many of 10 images of the rare class, and all of the common one."""
    run = RunStore().create(one)
    recorder = Recorder(run)
    recorder.classes(CLASSES)
    items = [Item(f"c{n}", 0, "test") for n in range(30)] + [Item(f"r{n}", 1, "test") for n in range(10)]
    learned = [(f"l{n}", CLASSES[n % 9 == 0], "train") for n in range(90)]
    recorder.split([*learned, *((item.key, CLASSES[item.label], item.split) for item in items)])
    said = np.array([0] * 30 + [1] * right + [0] * (10 - right))
    probabilities = np.where(np.arange(2)[None] == said[:, None], 0.9, 0.1).astype(np.float32)
    write_predictions(run.path / "predictions.parquet", items, probabilities, CLASSES)
    recorder.update(state=state)
    return run


def test_the_table_has_the_recall_of_the_rarest_class_and_its_interval() -> None:
    runs = [one.experiment for one in expand(series_study(experiment(HEAD), remedies=COMPARED))]
    made = [finished(one, right) for one, right in zip(runs, (4, 8, 9), strict=True)]
    rows = table([*made, finished(runs[0], 1, state="failed")])
    assert [row.remedy for row in rows] == list(COMPARED)
    assert [row.figures["recall"] for row in rows] == pytest.approx([0.4, 0.8, 0.9])
    assert rows[0].intervals["recall"] == pytest.approx(wilson_interval(4, 10))
    assert (rows[0].rarest, rows[0].learned, rows[0].judged, rows[0].split) == ("rare", 10, 10, "test")
    assert rows[1].figures["balanced_accuracy"] == pytest.approx(0.9)
    assert rows[1].figures["accuracy"] == pytest.approx(38 / 40)
    assert rows[0].as_record()["intervals"]["recall"] == list(rows[0].intervals["recall"])
