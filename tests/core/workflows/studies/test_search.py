"""The design optuna: each setting is picked after those before, some are pruned, and the record is enough to go on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.errors import InputError
from core.runs import launch
from core.runs.jobs import Job
from core.runs.store import Run
from core.specs import DataSpec, Experiment, ModelSpec, TrainingSpec
from core.specs.study import Factor, Study
from core.training.recipes import make_recipe
from core.workflows.jobs import job_process
from core.workflows.studies import members, search
from core.workflows.studies.analysis import analyse
from core.workflows.studies.design import expand, preview
from core.workflows.studies.search import Search, Told
from core.workflows.trainer_process import worker

RATES = Factor("training.phases.lr", low=1e-4, high=1.0, log=True)
SIZES = Factor.of("training.batch_size", 4, 8)
COURSE = {1: 0.5, 2: 0.6, 3: 0.7}


@pytest.fixture
def base(image_folder: Callable[..., Path]) -> Experiment:
    recipe = make_recipe("scratch", epochs=3)
    training = TrainingSpec("scratch", recipe.phases, batch_size=4, device="cpu", precision="fp32")
    return Experiment(DataSpec(str(image_folder(images=8))), ModelSpec("mnist_cnn", "none"), training, recipe.freeze)


@pytest.fixture(autouse=True)
def spawned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "spawn", lambda *_, **__: None)


def study_of(base: Experiment, samples: int = 6, **more: Any) -> Study:
    return Study(base, (RATES, SIZES), "optuna", samples, **more)


def test_without_the_package_it_is_said(base: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "PACKAGE", "no_such_package")
    assert not search.available()
    with pytest.raises(InputError, match=r"pip install -r requirements-optuna\.txt"):
        members.start(study_of(base))


def test_a_study_that_is_searched_survives_its_record(base: Experiment) -> None:
    study = study_of(base, pruner="median")
    assert Study.from_json(study.to_json()) == study
    assert expand(study) == ()
    assert 0 < len(preview(study)) <= 6
    picked = [("0.0123", "4"), ("0.5", "8")]
    assert [one.experiment.training.phases[0].lr for one in expand(study, "", picked)] == [0.0123, 0.5]
    with pytest.raises(InputError, match="has no value 5"):
        expand(study, "", [("0.1", "5")])
    with pytest.raises(InputError, match="belongs to the design optuna"):
        replace(study, design="random")


def test_the_search_comes_to_where_the_values_are_better(base: Experiment) -> None:
    pytest.importorskip("optuna")
    study, told = study_of(base, 40), list[Told]()
    for _ in range(40):
        levels = Search(study, told).levels
        assert levels is not None
        rate, size = (level.settings[0][1] for level in levels)
        told.append(Told(tuple(level.label for level in levels), 1 - abs(rate - 0.01) - (size == 8) * 0.2, {}))
    late = [float(one.picked[0]) for one in told[-10:]]
    assert sum(0.001 < rate < 0.1 for rate in late) >= 7
    assert sum(one.picked[1] == "4" for one in told[-10:]) >= 8
    assert len({one.picked for one in told}) == 40
    again = Search(study, told[:20]).levels
    assert again is not None
    assert tuple(level.label for level in again) == told[20].picked  # the record alone decides


def test_all_values_of_a_small_study_are_tried_once(base: Experiment) -> None:
    pytest.importorskip("optuna")
    study, told = Study(base, (SIZES,), "optuna", 10), list[Told]()
    while (levels := Search(study, told).levels) is not None:
        told.append(Told((levels[0].label,), 0.5, {}))
    assert sorted(one.picked for one in told) == [("4",), ("8",)]


def test_a_setting_below_the_median_is_pruned(base: Experiment) -> None:
    pytest.importorskip("optuna")
    told = [Told((f"0.0{n}", "4"), 0.7, COURSE) for n in range(1, 7)]
    asked = Search(study_of(base, pruner="median"), told)
    assert not asked.prunes(1, 0.1)  # after the first epoch nothing is told
    assert asked.prunes(2, 0.1)
    assert not Search(study_of(base, pruner="median"), told).prunes(2, 0.9)
    assert not Search(study_of(base), told).prunes(2, 0.1)


def settings(job: Job) -> list[tuple[str, ...]]:
    return [tuple(level.label for level in one.member.levels) for one in members.standings(job)]


def test_a_searched_study_is_trained_paused_and_goes_on(base: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("optuna")
    job, begun = members.start(study_of(base, 5, seeds=(0, 1))), []
    train = worker.work

    def cancelled(run: Run, *arguments: Any, **more: Any) -> object:
        begun.append(run.id)
        if len(begun) == 4:
            job.request_stop()
            run.request("pause")
        return train(run, *arguments, **more)

    monkeypatch.setattr(worker, "work", cancelled)
    assert job_process.work(job).state == "stopped"
    before = settings(job)
    assert [one.state for one in members.standings(job)] == ["finished"] * 3 + ["paused"]
    launch.restart_job(job)
    assert job_process.work(job).state == "finished"
    found = members.standings(job)
    assert settings(job)[:4] == before
    assert len(found) == members.planned(job) == 10
    assert all(one.finished for one in found)
    said = [str(sentence) for sentence in analyse(members.study_of(job), found).sentences]
    assert any("picked by TPE" in sentence for sentence in said)


def test_a_pruned_setting_is_ended_early_and_stated(base: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("optuna")
    monkeypatch.setattr(Search, "prunes", lambda self, epoch, _: epoch == 1 and self.levels[1].label == "8")
    job = members.start(study_of(base, 4, seeds=(0, 1), pruner="median"))
    assert job_process.work(job).state == "finished"
    found = members.standings(job)
    small = [one for one in found if one.member.levels[1].label == "8"]
    assert small
    assert all(one.pruned and not one.failed for one in small)
    assert {one.state for one in small} == {"stopped", "missing"}
    assert all(len(one.run.metrics()[0]) < 3 for one in small if one.run)
    assert all(one.finished for one in found if one not in small)
    rows = analyse(members.study_of(job), found).rows
    assert [row.pruned for row in rows] == [row.values[1] == "8" for row in rows]
    launch.restart_job(job)
    assert job_process.work(job).state == "finished"
    assert members.standings(job) == found
