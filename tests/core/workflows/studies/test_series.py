"""Series: the study that repeats one recipe, what its runs share, what differs, and what they say together."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny import HEAD, experiment

from core.errors import InputError
from core.runs import launch
from core.runs.jobs import JobStore
from core.runs.store import Run, RunStore
from core.specs import DataSpec, Experiment, ModelSpec
from core.specs.study import Factor, Study
from core.workflows.jobs import job_process
from core.workflows.remedies import COMPARED, remedy_of
from core.workflows.studies import members as studies
from core.workflows.studies.design import Member, expand
from core.workflows.studies.series import Spread, members, series_study, spread, summary


@pytest.fixture
def base() -> Experiment:
    return replace(experiment(HEAD), name="probe")


def made(*arguments: object, **more: object) -> tuple[Member, ...]:
    return expand(series_study(*arguments, **more), "mine")  # type: ignore[arg-type]


def test_seeds_change_the_training_and_leave_the_division(base: Experiment) -> None:
    found = made(base, seeds=(3, 1, 2))
    assert [one.seed for one in found] == [one.experiment.training.seed for one in found] == [3, 1, 2]
    assert {one.experiment.data for one in found} == {base.data}
    assert [one.experiment.name for one in found] == ["probe · seed 3", "probe · seed 1", "probe · seed 2"]
    assert {one.experiment.series for one in found} == {"mine"}
    assert {one.experiment.training.kept_mib for one in found} == {base.training.kept_mib}


def test_every_seed_goes_through_every_fold(base: Experiment) -> None:
    found = made(base, seeds=(0, 5), folds=2)
    assert [one.experiment.name.partition(" · ")[2] for one in found] == [
        "seed 0 · fold 1/2",
        "seed 0 · fold 2/2",
        "seed 5 · fold 1/2",
        "seed 5 · fold 2/2",
    ]
    assert [(one.experiment.data.folds, one.experiment.data.fold) for one in found] == [(2, 0), (2, 1)] * 2
    assert {one.setting for one in found} == {0}
    assert all(Experiment.from_json(one.experiment.to_json()) == one.experiment for one in found)


def test_remedies_change_nothing_else(base: Experiment) -> None:
    study = series_study(base, remedies=COMPARED)
    found = expand(study)
    assert [remedy_of(one.experiment) for one in found] == list(COMPARED)
    assert [one.experiment.name for one in found] == [f"probe · remedy {name}" for name in COMPARED]
    plain = [replace(one.experiment, name="", training=base.training) for one in found]
    assert plain == [replace(base, name="")] * 3
    assert len(made(base, seeds=(1, 2), folds=2, remedies=COMPARED)) == 12
    assert study.is_series
    assert not Study(base, (Factor.of("training.phases.lr", 0.1, 0.01),)).is_series


def test_a_series_survives_its_record(base: Experiment) -> None:
    for study in (series_study(base, (0, 1), 3), series_study(base, remedies=COMPARED)):
        again = Study.from_json(study.to_json())
        assert again == study
        assert expand(again) == expand(study)


def test_long_names_are_cut(base: Experiment) -> None:
    found = made(replace(base, name="x" * 120), folds=2)
    assert all(len(one.experiment.name) == 120 for one in found)
    assert found[0].experiment.name.endswith("x · fold 1/2")
    assert made(replace(base, name=""), folds=2)[0].experiment.name == "tiny unused · fold 1/2"


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({}, "at least two runs"),
        ({"seeds": (4,)}, "at least two runs"),
        ({"folds": 1}, "at least two runs"),
        ({"seeds": (1, 1)}, "stands twice"),
        ({"seeds": tuple(range(200)), "folds": 2}, "has 400 runs"),
        ({"seeds": (0, -1)}, "seed is -1"),
        ({"folds": 50}, "folds is 50"),
    ],
)
def test_series_that_are_none_are_refused(base: Experiment, values: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        made(base, **values)


def test_folds_cannot_be_varied_beside_those_of_the_study(base: Experiment) -> None:
    with pytest.raises(InputError, match=r"folds of the study set data\.fold"):
        expand(Study(base, (Factor.of("data.fold", 0, 1),), folds=3))
    with pytest.raises(InputError, match="varies nothing and trains once"):
        Study(base, ())
    with pytest.raises(InputError, match="varies 0 factors"):
        Study(base, (), "random", seeds=(0, 1))


def ended(one: Experiment, state: str, epochs: list[dict[str, float]], **status: object) -> Run:
    run = RunStore().create(one)
    (run.path / "status.json").write_text(json.dumps({"state": state, **status}))
    (run.path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in epochs))
    return run


def test_mean_and_deviation_are_over_finished_runs(base: Experiment) -> None:
    values = [0.7, 0.9, 0.8]
    runs = [
        ended(
            one.experiment,
            "finished",
            [{"epoch": 1, "val_loss": 9.0}, {"epoch": 2, "val_loss": 1 - v, "val_f1": v}],
            best_epoch=2,
            val_accuracy=v,
            test_accuracy=None,
        )
        for one, v in zip(made(base, seeds=(0, 1, 2)), values, strict=True)
    ]
    failed = ended(replace(base, series="mine"), "failed", [])
    found = summary([*runs, failed])
    assert (len(found.finished), found.live, found.left_out) == (3, (), (failed.id,))
    assert "test_accuracy" not in found.metrics
    for name, wanted in (("val_accuracy", values), ("val_f1", values), ("val_loss", [1 - v for v in values])):
        assert found.metrics[name].mean == pytest.approx(np.mean(wanted))
        assert found.metrics[name].deviation == pytest.approx(np.std(wanted, ddof=1))
    assert {run.id for run in members("mine")} == {*found.finished, failed.id}
    assert members("") == members("other") == ()


def test_a_single_run_has_no_deviation_and_none_no_metrics(base: Experiment) -> None:
    assert spread([0.5]) == Spread((0.5,), 0.5, None)
    assert summary([]).metrics == {}
    assert summary([ended(base, "stopped", [])]).metrics == {}


def test_data_that_cannot_be_dealt_out_start_no_study(base: Experiment, image_folder: Callable[..., Path]) -> None:
    data = DataSpec(str(image_folder(presplit=True)))
    with pytest.raises(InputError, match="brings its own validation images"):
        studies.start(series_study(replace(base, data=data), folds=3))
    assert JobStore(studies.KIND).list() == []


def test_a_cross_validation_trains_on_every_fold(
    image_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "spawn", lambda *_, **__: None)
    data = DataSpec(str(image_folder(images=8)), test_share=0.25)
    base = replace(experiment(replace(HEAD, epochs=1)), data=data, model=ModelSpec("mnist_cnn", "none"))
    job = studies.start(series_study(base, folds=3))
    assert job_process.work(job).state == "finished"
    runs = members(job.id)
    found = summary(runs)
    assert len(found.finished) == 3
    assert found.metrics["val_accuracy"].deviation is not None
    assert found.metrics["test_accuracy"].values
    rows = [{row["key"]: row["split"] for row in run.split_rows()} for run in runs]
    tested = [{key for key, part in row.items() if part == "test"} for row in rows]
    assert tested[0] == tested[1] == tested[2]
    assert len(tested[0]) == 4
    validated = [key for row in rows for key, part in row.items() if part == "val"]
    assert sorted(validated) == sorted(set(rows[0]) - tested[0])
    assert not studies.varies(job)
