"""A series of remedies against imbalance on Runs: the rarest class's recall under each, instead of means over all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tiny import HEAD, experiment

from core.data.sources import Item
from core.evaluation.predictions import write_predictions
from core.runs.recorder import Recorder
from core.runs.store import Run, RunStore
from core.workflows.remedies import COMPARED
from core.workflows.studies.design import expand
from core.workflows.studies.series import series_study

CLASSES = ("common", "rare <b>")


@pytest.fixture
def series() -> list[Run]:
    made = []
    study = series_study(replace(experiment(HEAD), name="probe"), remedies=COMPARED)
    for one, right in zip(expand(study, "mine"), (4, 8, 9), strict=True):
        run = RunStore().create(one.experiment)
        recorder = Recorder(run)
        recorder.classes(CLASSES)
        items = [Item(f"c{n}", 0, "test") for n in range(30)] + [Item(f"r{n}", 1, "test") for n in range(10)]
        learned = [(f"l{n}", CLASSES[n % 9 == 0], "train") for n in range(90)]
        recorder.split([*learned, *((item.key, CLASSES[item.label], item.split) for item in items)])
        said = np.array([0] * 30 + [1] * right + [0] * (10 - right))
        shares = np.where(np.arange(2)[None] == said[:, None], 0.9, 0.1).astype(np.float32)
        write_predictions(run.path / "predictions.parquet", items, shares, CLASSES)
        recorder.update(state="finished", test_accuracy=0.9, val_accuracy=0.9)
        made.append(run)
    return made


def test_the_rarest_class_stands_under_each_remedy(open_page, words, series) -> None:
    app = open_page("runs", run=series[0].id)
    assert not app.exception
    said = words(app)
    for part in ("rare &lt;b&gt;", "No remedy", "Class weights", "Weighted sampler", "40 %", "80 %", "90 %"):
        assert part in said, part
    assert "10 images of it were learned from" in said
    assert "Mean ± standard deviation" not in said
