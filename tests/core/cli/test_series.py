"""The verb that trains a recipe several times."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny import HEAD, experiment

from core.runs import launch
from core.runs.jobs import Job
from core.runs.recorder import Recorder
from core.runs.store import RunStore
from core.workflows.jobs import job_process
from core.workflows.studies import members as studies

Call = Callable[..., tuple[int, dict[str, Any], str]]
SMALL = ("--backbone", "mnist_cnn", "--preset", "scratch", "--epochs", 1, "--device", "cpu", "--precision", "fp32")


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Does each job in this process when it is started."""
    start = studies.start_job

    def now(*given: Any, **more: Any) -> Job:
        with monkeypatch.context() as patched:
            patched.setattr(launch, "spawn", lambda *_, **__: None)
            job = start(*given, **more)
        job_process.work(job, roots=more["roots"])
        return job

    monkeypatch.setattr(studies, "start_job", now)


@pytest.mark.usefixtures("at_once")
def test_seeds_are_trained_and_told_together(call: Call, image_folder: Callable[..., Path]) -> None:
    status, record, said = call("series", "--data", image_folder(images=8), *SMALL, "--seeds", "3,4")
    assert status == 0
    assert [row["state"] for row in record["runs"]] == ["finished", "finished"]
    assert [RunStore().open(row["run"]).experiment.training.seed for row in record["runs"]] == [3, 4]
    assert "2 runs" in said
    loss = record["metrics"]["val_loss"]
    assert loss["mean"] == pytest.approx(statistics.fmean(loss["values"]))
    assert loss["deviation"] == pytest.approx(statistics.stdev(loss["values"]))
    again = call("series", record["series"])
    assert again[:2] == (0, record)
    status, study, _ = call("study", "--status", record["series"])
    assert (status, study["finished"], study["rows"][0]["runs"]) == (0, 2, [row["run"] for row in record["runs"]])


@pytest.mark.usefixtures("at_once")
def test_seeds_and_folds_make_a_study_without_fields(call: Call, image_folder: Callable[..., Path]) -> None:
    status, record, _ = call("study", "--data", image_folder(images=8), *SMALL, "--folds", "3")
    assert (status, record["finished"], len(record["rows"])) == (0, 3, 1)
    assert len(record["rows"][0]["measured"]) == 3
    mean, folds = record["sentences"]
    assert "The mean over 3 runs is" in mean
    assert "Folds share most of their training images" in folds


def test_a_series_of_an_earlier_version_is_told_of(call: Call) -> None:
    for seed in (0, 1):
        one = replace(experiment(HEAD), series="abcd", name=f"old · seed {seed}")
        Recorder(RunStore().create(one)).update(state="finished", val_accuracy=0.5 + seed / 10, best_epoch=1)
    status, record, _ = call("series", "abcd")
    assert (status, record["finished"]) == (0, 2)
    assert record["metrics"]["val_accuracy"]["mean"] == pytest.approx(0.55)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--data", "shapes", "--backbone", "mnist_cnn"), "needs --seeds"),
        (("--data", "shapes", "--backbone", "mnist_cnn", "--seeds", "1"), "at least two runs"),
        (("nothing",), "no runs of a series nothing"),
        (("nothing", "--folds", "3"), "--folds cannot stand beside"),
        (("nothing", "--lr", "3"), "--lr cannot stand beside"),
    ],
)
def test_words_that_make_no_series_are_refused(call: Call, words: tuple[str, ...], sentence: str) -> None:
    status, _, said = call("series", *words)
    assert status == 2
    assert sentence in said
    assert RunStore().list() == []
