"""What judged images can be sliced by, from the page's run to the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny import HEAD, experiment

from core.cli import main
from core.data.sources import open_dataset
from core.data.splits import split
from core.errors import InputError
from core.evaluation.predictions import write_predictions
from core.runs.recorder import Recorder
from core.runs.store import Run, RunStore
from core.specs import DataSpec
from core.workflows.data_check.picture_map import PictureMap
from core.workflows.evaluate import recorded
from core.workflows.slices import by_columns, columns


@pytest.fixture
def run(image_folder: Callable[..., Path]) -> Run:
    folder = image_folder("colours", ("red", "blue"))
    data = DataSpec(str(folder), val_share=0.3, test_share=0.6)
    made = RunStore().create(replace(experiment(HEAD), data=data), state="finished")
    dataset = split(open_dataset(data.source), data)
    recorder = Recorder(made)
    recorder.classes(dataset.classes)
    recorder.split((item.key, dataset.classes[item.label], item.split) for item in dataset.items)
    held = [item for item in dataset.items if item.split == "test"]
    blue = dataset.classes.index("blue")
    rows = np.array([[0.9, 0.1] if blue == 0 else [0.1, 0.9] for _ in held], dtype=np.float32)  # says blue of all
    write_predictions(made.path / "predictions.parquet", held, rows, dataset.classes)
    return made


def test_images_are_sliced_by_class_and_looks(run: Run) -> None:
    judged = recorded(run)["test"]
    found = columns(run, judged)
    assert {"class", "side", "aspect", "brightness", "contrast", "sharpness", "mode", "format"} <= set(found)
    assert all(len(values) == len(judged.predictions.keys) for values in found.values())
    worst = by_columns(run, judged, only=["class"])[0]
    assert (worst.column, worst.value, worst.accuracy, worst.rest) == ("class", "red", 0.0, 1.0)


def test_clusters_of_the_map_are_slices(run: Run) -> None:
    judged = recorded(run)["test"]
    keys = judged.predictions.keys
    places = np.array([[0.1, 0.5] if "red" in key else [0.9, 0.5] for key in keys], dtype=np.float32)
    more = tuple(f"else/{n}" for n in range(10))
    points = np.concatenate([places, places.repeat(2, 0)[: len(more)]])
    chart = PictureMap((*keys, *more), points + np.random.default_rng(0).normal(0, 0.01, points.shape), "pca")
    found = columns(run, judged, chart=chart)["cluster"]
    colours = {value: {key.split("/")[0] for key, v in zip(keys, found, strict=True) if v == value} for value in found}
    assert all(len(colour) == 1 for colour in colours.values())


def test_a_column_that_is_not_there_is_refused(run: Run) -> None:
    with pytest.raises(InputError, match=r"There is no column moon\. These images have: .*brightness"):
        by_columns(run, recorded(run)["test"], only=["moon"])


def test_the_verb_tells_the_slices(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    judged = recorded(run)["test"]
    monkeypatch.setattr("core.workflows.evaluate.evaluate", lambda *_a, **_k: judged)
    assert main(["evaluate", run.id, "--slices", "class", "--json"]) == 0
    record = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert [(one["column"], one["value"]) for one in record["slices"]] == [("class", "red"), ("class", "blue")]
    assert main(["evaluate", run.id, "--slices"]) == 0
    assert "slices, the worst first" in capsys.readouterr().out
    assert main(["evaluate", run.id, "--slices", "moon"]) == 2
