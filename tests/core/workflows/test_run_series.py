"""Series of runs: what they share, what differs, and what they say together."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny import HEAD, experiment

from core.errors import InputError
from core.runs.store import Run, RunStore
from core.specs import DataSpec, Experiment, ModelSpec
from core.workflows import run_series
from core.workflows.run_series import expand, members, spread, start_series, summary
from core.workflows.trainer_process import worker


@pytest.fixture
def base() -> Experiment:
    return replace(experiment(HEAD), name="probe")


def test_seeds_change_the_training_and_leave_the_division(base: Experiment) -> None:
    found = expand(base, seeds=(3, 1, 2))
    assert [one.training.seed for one in found] == [3, 1, 2]
    assert {one.data for one in found} == {base.data}
    assert [one.name for one in found] == ["probe · seed 3", "probe · seed 1", "probe · seed 2"]
    assert len({one.series for one in found}) == 1
    assert found[0].series
    assert expand(base, seeds=(1, 2))[0].series != found[0].series


def test_folds_change_what_validates(base: Experiment) -> None:
    found = expand(base, folds=3)
    assert [(one.data.folds, one.data.fold, one.training.seed) for one in found] == [(3, 0, 0), (3, 1, 0), (3, 2, 0)]
    assert found[1].name == "probe · fold 2/3"


def test_every_seed_goes_through_every_fold(base: Experiment) -> None:
    found = expand(base, seeds=(0, 5), folds=2, series="mine")
    assert [one.name.partition(" · ")[2] for one in found] == [
        "seed 0 · fold 1/2",
        "seed 0 · fold 2/2",
        "seed 5 · fold 1/2",
        "seed 5 · fold 2/2",
    ]
    assert {one.series for one in found} == {"mine"}
    assert all(Experiment.from_json(one.to_json()) == one for one in found)


def test_long_names_are_cut(base: Experiment) -> None:
    found = expand(replace(base, name="x" * 120), folds=2)
    assert all(len(one.name) == 120 for one in found)
    assert found[0].name.endswith("x · fold 1/2")
    assert expand(replace(base, name=""), folds=2)[0].name == "tiny unused · fold 1/2"


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({}, "at least two runs"),
        ({"seeds": (4,)}, "at least two runs"),
        ({"folds": 1}, "at least two runs"),
        ({"seeds": (1, 1)}, "stands twice"),
        ({"seeds": tuple(range(51)), "folds": 2}, "too large"),
        ({"seeds": (0, -1)}, "seed is -1"),
        ({"seeds": (0, 1), "series": "a/b"}, "series is a/b"),
    ],
)
def test_series_that_are_none_are_refused(base: Experiment, values: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        expand(base, **values)  # type: ignore[arg-type]


def ended(one: Experiment, state: str, epochs: list[dict[str, float]], **status: object) -> Run:
    run = RunStore().create(one)
    (run.path / "status.json").write_text(json.dumps({"state": state, **status}))
    (run.path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in epochs))
    return run


def test_mean_and_deviation_are_over_finished_runs(base: Experiment) -> None:
    values = [0.7, 0.9, 0.8]
    runs = [
        ended(
            one,
            "finished",
            [{"epoch": 1, "val_loss": 9.0}, {"epoch": 2, "val_loss": 1 - v, "val_f1": v}],
            best_epoch=2,
            val_accuracy=v,
            test_accuracy=None,
        )
        for one, v in zip(expand(base, seeds=(0, 1, 2), series="s"), values, strict=True)
    ]
    failed = ended(replace(base, series="s"), "failed", [])
    found = summary([*runs, failed])
    assert (len(found.finished), found.live, found.left_out) == (3, (), (failed.id,))
    assert "test_accuracy" not in found.metrics
    for name, wanted in (("val_accuracy", values), ("val_f1", values), ("val_loss", [1 - v for v in values])):
        assert found.metrics[name].mean == pytest.approx(np.mean(wanted))
        assert found.metrics[name].deviation == pytest.approx(np.std(wanted, ddof=1))
    assert {run.id for run in members("s")} == {*found.finished, failed.id}
    assert members("") == members("other") == ()


def test_a_single_run_has_no_deviation_and_none_no_metrics(base: Experiment) -> None:
    assert spread([0.5]) == run_series.Spread((0.5,), 0.5, None)
    assert summary([]).metrics == {}
    assert summary([ended(base, "stopped", [])]).metrics == {}


def test_a_series_that_cannot_be_started_whole_is_called_off(base: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Run] = []
    asked: list[tuple[str, str]] = []

    def start(one: Experiment, *_: object, **__: object) -> Run:
        if len(started) == 2:
            raise InputError("No more.")
        started.append(RunStore().create(one))
        return started[-1]

    monkeypatch.setattr(run_series.launch, "start", start)
    monkeypatch.setattr(Run, "request", lambda self, kind, _value=1.0: asked.append((self.id, kind)))
    with pytest.raises(InputError, match=r"No more\."):
        start_series(base, seeds=(0, 1, 2))
    assert asked == [(run.id, "discard") for run in started]


def test_data_that_cannot_be_dealt_out_start_no_run(base: Experiment, image_folder: Callable[..., Path]) -> None:
    data = DataSpec(str(image_folder(presplit=True)))
    with pytest.raises(InputError, match="brings its own validation images"):
        start_series(replace(base, data=data), folds=3)
    assert RunStore().list() == []


def test_a_cross_validation_trains_on_every_fold(image_folder: Callable[..., Path]) -> None:
    data = DataSpec(str(image_folder(images=8)), test_share=0.25)
    base = replace(experiment(replace(HEAD, epochs=1)), data=data, model=ModelSpec("mnist_cnn", "none"))
    runs = [RunStore().create(one) for one in expand(base, folds=3)]
    for run in runs:
        worker.work(run)
    found = summary(members(runs[0].experiment.series))
    assert len(found.finished) == 3
    assert found.metrics["val_accuracy"].deviation is not None
    assert found.metrics["test_accuracy"].values
    rows = [{row["key"]: row["split"] for row in run.split_rows()} for run in runs]
    tested = [{key for key, part in row.items() if part == "test"} for row in rows]
    assert tested[0] == tested[1] == tested[2]
    assert len(tested[0]) == 4
    validated = [key for row in rows for key, part in row.items() if part == "val"]
    assert sorted(validated) == sorted(set(rows[0]) - tested[0])
