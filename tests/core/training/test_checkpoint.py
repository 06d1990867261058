"""Best and last weights: what stands on disk is what was best, whatever learned meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from core.models.network import load_into
from core.training import checkpoint
from core.training.checkpoint import Checkpointer


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Linear(2, 2))


def set_learning(model: nn.Module, value: float) -> None:
    """Plays an epoch: everything that learns takes a value."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.fill_(value)


def stored(path: Path) -> list[float]:
    model = network()
    load_into(model, path)
    return [model[index].weight.flatten()[0].item() for index in (0, 2)]


@pytest.fixture
def model() -> nn.Sequential:
    made = network()
    set_learning(made, 0.0)
    made[0].requires_grad_(False)
    return made


def test_the_first_epoch_is_written_at_once(model: nn.Sequential, tmp_path: Path) -> None:
    Checkpointer(model, tmp_path).epoch_end(improved=True)
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {"best.safetensors", "last.safetensors"}


def test_quick_epochs_are_kept_in_memory_and_written_at_the_end(model: nn.Sequential, tmp_path: Path) -> None:
    keeper = Checkpointer(model, tmp_path)
    for epoch, improved in enumerate((True, True, False), 1):
        set_learning(model, epoch)
        keeper.epoch_end(improved=improved)
    assert stored(tmp_path / "best.safetensors") == [0.0, 1.0]
    keeper.flush()
    assert stored(tmp_path / "best.safetensors") == [0.0, 2.0]
    assert stored(tmp_path / "last.safetensors") == [0.0, 3.0]


def test_slow_epochs_are_written_each(model: nn.Sequential, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "WRITE_EVERY", 0.0)
    keeper = Checkpointer(model, tmp_path)
    for epoch, improved in enumerate((True, True, False), 1):
        set_learning(model, epoch)
        keeper.epoch_end(improved=improved)
    assert stored(tmp_path / "best.safetensors") == [0.0, 2.0]
    assert stored(tmp_path / "last.safetensors") == [0.0, 3.0]


def test_the_best_of_a_phase_survives_what_the_next_one_changes(model: nn.Sequential, tmp_path: Path) -> None:
    keeper = Checkpointer(model, tmp_path)
    for epoch in (1, 2):
        set_learning(model, epoch)
        keeper.epoch_end(improved=True)
    keeper.settle()
    model.requires_grad_(True)
    set_learning(model, 9.0)
    keeper.epoch_end(improved=False)
    keeper.flush()
    assert stored(tmp_path / "best.safetensors") == [0.0, 2.0]
    assert stored(tmp_path / "last.safetensors") == [9.0, 9.0]
