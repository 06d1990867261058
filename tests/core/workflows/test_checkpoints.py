"""Any epoch's weights: a run's network after an epoch is what a run of so many epochs ends with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from core.errors import InputError
from core.runs import Run, RunStore
from core.specs import DataSpec, Experiment, FreezePlan, ModelSpec, Phase, TrainingSpec
from core.training.checkpoints import epoch_weights
from core.workflows.checkpoints import epochs_of, network_at, network_named
from core.workflows.trainer_process import worker

Folder = Callable[..., Path]


@pytest.fixture(autouse=True)
def no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(epoch_weights, "FREE_SECONDS", 1e9)


def experiment(source: Path, *epochs: int, ema: float = 0.0) -> Experiment:
    """The head first, then everything, at a constant rate: shorter runs are the beginnings of longer ones."""
    phases = [Phase("head", "head", epochs[0], "sgd", lr=0.02)]
    phases += [Phase("all", "plan", count, "sgd", lr=0.01) for count in epochs[1:]]
    return Experiment(
        DataSpec(str(source)),
        ModelSpec("mnist_cnn", "none"),
        TrainingSpec("custom", tuple(phases), 8, 3, "cpu", "fp32", ema=ema),
        freeze=FreezePlan("all"),
    )


def trained(folder: Path, experiment: Experiment) -> Run:
    run = RunStore(folder).create(experiment)
    worker.work(run)
    assert run.state == "finished", run.log()
    return run


def weights(run: Run, moment: str) -> dict[str, torch.Tensor]:
    return network_at(run, moment).model.state_dict()


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(value, second[name]) for name, value in first.items())


def test_after_an_epoch_it_is_what_a_shorter_run_ends_with(tmp_path: Path, image_folder: Folder) -> None:
    source = image_folder()
    run = trained(tmp_path, experiment(source, 2, 3))
    assert epochs_of(run) == [1, 2, 3, 4, 5]
    assert same(weights(run, "5"), weights(run, "last"))
    for epoch, shorter in ((1, (1,)), (2, (2,)), (3, (2, 1))):
        assert same(weights(run, str(epoch)), weights(trained(tmp_path, experiment(source, *shorter)), "last"))
    assert not same(weights(run, "2"), weights(run, "3"))


def test_averaged_weights_are_kept_as_they_were_judged(tmp_path: Path, image_folder: Folder) -> None:
    run = trained(tmp_path, experiment(image_folder(), 3, ema=0.9))
    best = run.status().best_epoch
    assert same(weights(run, str(best)), weights(run, "best"))


def test_a_run_may_keep_none(tmp_path: Path, image_folder: Folder) -> None:
    task = experiment(image_folder(), 2)
    run = trained(tmp_path, replace(task, training=replace(task.training, kept_mib=0)))
    assert epochs_of(run) == []
    assert not (run.path / "weights").exists()
    with pytest.raises(InputError, match="weights after epoch 1 were not kept"):
        network_at(run, "1")


def test_an_epoch_is_named_in_a_reference(tmp_path: Path, image_folder: Folder) -> None:
    run = trained(tmp_path, experiment(image_folder(), 2))
    named = network_named(f"{run.id}@2", runs_dir=tmp_path)
    assert same(named.model.state_dict(), weights(run, "2"))
    for wrong, said in (("9", "after epoch 9 were not kept"), ("noon", "no moment noon")):
        with pytest.raises(InputError, match=said):
            network_named(f"{run.id}@{wrong}", runs_dir=tmp_path)
