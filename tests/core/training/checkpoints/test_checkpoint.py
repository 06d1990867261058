"""Best and last weights: what stands on disk is what was best, whatever learned meanwhile."""

from __future__ import annotations

import errno
import os
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import nn

from core.errors import InputError
from core.models.network import load_into
from core.training.checkpoints import checkpoint, resume_state
from core.training.checkpoints.checkpoint import Checkpointer, load_pair


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Linear(2, 2))


def checkpointer(model: nn.Module, folder: Path) -> Checkpointer:
    """A checkpointer of a training that has no state to speak of."""
    trainer = SimpleNamespace(
        network=SimpleNamespace(model=model), average_applied=nullcontext, state_dict=lambda: {"step": 1}
    )
    return Checkpointer(trainer, folder)  # type: ignore[arg-type]


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
    checkpointer(model, tmp_path).epoch_end(improved=True)
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {
        "best.safetensors",
        "last.safetensors",
        "resume.safetensors",
    }


def test_quick_epochs_are_kept_in_memory_and_written_at_the_end(model: nn.Sequential, tmp_path: Path) -> None:
    keeper = checkpointer(model, tmp_path)
    for epoch, improved in enumerate((True, True, False), 1):
        set_learning(model, epoch)
        keeper.epoch_end(improved=improved)
    assert stored(tmp_path / "best.safetensors") == [0.0, 1.0]
    keeper.save()
    assert stored(tmp_path / "best.safetensors") == [0.0, 2.0]
    assert stored(tmp_path / "last.safetensors") == [0.0, 3.0]


def test_slow_epochs_are_written_each(model: nn.Sequential, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "WRITE_EVERY", 0.0)
    monkeypatch.setattr(checkpoint, "PATIENCE_SECONDS", 0.0)
    keeper = checkpointer(model, tmp_path)
    for epoch, improved in enumerate((True, True, False), 1):
        set_learning(model, epoch)
        keeper.epoch_end(improved=improved)
    assert stored(tmp_path / "best.safetensors") == [0.0, 2.0]
    assert stored(tmp_path / "last.safetensors") == [0.0, 3.0]


def test_the_best_of_a_phase_survives_what_the_next_one_changes(model: nn.Sequential, tmp_path: Path) -> None:
    keeper = checkpointer(model, tmp_path)
    for epoch in (1, 2):
        set_learning(model, epoch)
        keeper.epoch_end(improved=True)
    keeper.settle()
    model.requires_grad_(True)
    set_learning(model, 9.0)
    keeper.epoch_end(improved=False)
    keeper.save()
    assert stored(tmp_path / "best.safetensors") == [0.0, 2.0]
    assert stored(tmp_path / "last.safetensors") == [9.0, 9.0]


def test_state_and_weights_that_belong_together_are_found_whenever_the_process_died(
    model: nn.Sequential, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = checkpointer(model, tmp_path)
    set_learning(model, 1.0)
    keeper.save()
    set_learning(model, 2.0)
    for dies_at, expected in (("resume_state.save", 1.0), ("_promote", 2.0)):
        with monkeypatch.context() as patch:
            patch.setattr(f"core.training.checkpoints.checkpoint.{dies_at}", killed)
            with pytest.raises(Killed):
                keeper.save()
        fresh = network()
        assert load_pair(fresh, tmp_path)["step"] == 1
        assert fresh[2].weight.flatten()[0].item() == expected, dies_at


class Killed(Exception):
    """Stands for a signal that nothing can catch."""


def killed(*_: object) -> None:
    raise Killed


def test_what_cannot_be_gone_on_from_is_said(model: nn.Sequential, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="kept no state"):
        load_pair(network(), tmp_path)
    checkpointer(model, tmp_path).save()
    (tmp_path / "last.safetensors").unlink()
    with pytest.raises(InputError, match="do not belong together"):
        load_pair(network(), tmp_path)
    (tmp_path / "resume.safetensors").write_bytes(b"no archive")
    with pytest.raises(InputError, match="is damaged"):
        load_pair(network(), tmp_path)


def test_the_state_of_an_earlier_version_is_read_and_runs_no_code(model: nn.Sequential, tmp_path: Path) -> None:
    checkpointer(model, tmp_path).save()
    stamp = resume_state.read(tmp_path)["stamp"]
    (tmp_path / "resume.safetensors").unlink()
    torch.save({"step": 7, "stamp": stamp}, tmp_path / "resume.pt")
    assert load_pair(network(), tmp_path)["step"] == 7
    torch.save({"stamp": Hostile()}, tmp_path / "resume.pt")
    with pytest.raises(InputError, match=r"resume\.pt, is damaged"):
        load_pair(network(), tmp_path)
    assert not (tmp_path / "run").exists()
    checkpointer(model, tmp_path).save()
    assert not (tmp_path / "resume.pt").exists()
    assert load_pair(network(), tmp_path)["step"] == 1


def test_a_state_comes_back_as_it_was(tmp_path: Path) -> None:
    last = torch.rand(2, 3, 4, 5).to(memory_format=torch.channels_last)
    state = {
        "optimizer": {"state": {0: {"step": torch.tensor(3.0), "m": last}, 1: {}}, "groups": [{"betas": (0.9, 0.999)}]},
        "chances": [{"torch": torch.get_rng_state(), "mixing": {"state": {"inc": 1 << 120}}}],
        "best": (0.1 + 0.2, float("-inf")),
        "half": torch.rand(3).bfloat16(),
        "nothing": [None, True, "word", [], (), {}],
    }
    resume_state.save(state, tmp_path / resume_state.STATE, "stamp")
    found = resume_state.read(tmp_path)
    assert found.pop("stamp") == "stamp"
    kept = found["optimizer"]["state"][0]["m"]
    assert torch.equal(kept, last)
    assert kept.stride() == last.stride()
    for place in ("optimizer", "chances", "half"):
        assert str(found.pop(place)) == str(state.pop(place))
    assert found == state
    with pytest.raises(TypeError, match="holds set"):
        resume_state.save({"a": {1}}, tmp_path / resume_state.STATE, "stamp")


class Hostile:
    """Unpickles by calling something."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("run",)


def test_a_full_disk_is_an_error_of_the_system_and_keeps_what_was(
    model: nn.Sequential, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = checkpointer(model, tmp_path)
    keeper.save()
    before = (tmp_path / "resume.safetensors").read_bytes()

    def full(_tensors: object, file: Path, metadata: dict[str, str]) -> None:
        if "state" not in metadata:
            save_file(_tensors, file, metadata)
            return
        file.write_bytes(b"a part")
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("core.models.network.save_file", full)
    with pytest.raises(OSError) as told:  # noqa: PT011 (its number says which)
        keeper.save()
    assert told.value.errno == errno.ENOSPC
    assert (tmp_path / "resume.safetensors").read_bytes() == before
    assert load_pair(network(), tmp_path)["step"] == 1
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".resume")]
