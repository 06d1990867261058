"""A run that several processes train: started like any other, one loss curve, one writer, stopped by asking."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from core.runs import Run, RunStore, launch
from core.specs import DataSpec, Experiment, FreezePlan, ModelSpec, Phase, TrainingSpec
from core.workflows.trainer_process import worker


def experiment(source: Path, *, epochs: int = 3, processes: int = 1) -> Experiment:
    phases = (Phase("all", "plan", epochs, "sgd", lr=0.02),)
    training = TrainingSpec("scratch", phases, 8, 3, "cpu", "fp32", processes=processes)
    return Experiment(DataSpec(str(source)), ModelSpec("mnist_cnn", "none"), training, freeze=FreezePlan("all"))


def wait_for(run: Run, states: tuple[str, ...]) -> None:
    end = time.monotonic() + 200
    while run.state not in states:
        assert time.monotonic() < end, run.log()
        time.sleep(0.1)


@pytest.mark.slow
def test_two_processes_train_a_run_as_one_does(tmp_path: Path, image_folder: Callable[..., Path]) -> None:
    source, store = image_folder(images=21), RunStore(tmp_path / "runs")
    alone = store.create(experiment(source))
    worker.work(alone)
    run = launch.start(experiment(source, processes=2), tmp_path / "runs")
    wait_for(run, ("finished", "failed", "interrupted"))
    assert run.state == "finished", run.log()
    ours, theirs = run.metrics()[0], alone.metrics()[0]
    assert [row["epoch"] for row in ours] == [1, 2, 3]
    for row, other in zip(ours, theirs, strict=True):
        for key in ("train_loss", "val_loss", "val_accuracy"):
            assert row[key] == pytest.approx(other[key], rel=1e-3), key
    assert run.status().val_accuracy == pytest.approx(alone.status().val_accuracy)


@pytest.mark.slow
def test_two_processes_pause_when_the_first_is_asked_and_go_on(
    tmp_path: Path, image_folder: Callable[..., Path]
) -> None:
    source = image_folder(images=21)
    run = launch.start(experiment(source, epochs=2000, processes=2), tmp_path / "runs")
    wait_for(run, ("running", "failed", "interrupted"))
    run.request("pause")
    wait_for(run, ("paused", "failed", "interrupted"))
    assert run.state == "paused", run.log()
    launch.resume(run)
    wait_for(run, ("running", "failed", "interrupted"))
    run.request("stop")
    wait_for(run, ("stopped", "failed", "interrupted"))
    assert run.state == "stopped", run.log()
