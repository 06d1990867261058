"""Weights after single epochs: put together, they are what the network was; they stay within their space."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from core.errors import InputError
from core.models.network import save
from core.training.checkpoints import epoch_weights
from core.training.checkpoints.epoch_weights import EpochWeights, kept_epochs, kept_file, kept_state

MIB = 1 << 20


class Play:
    """Plays a training: each epoch changes what learns, and is remembered as it was."""

    def __init__(self, folder: Path, allowed: int = MIB) -> None:
        self.model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
        self.folder, self.epoch, self.truth = folder, 0, dict[int, dict[str, Tensor]]()
        self.keeper = EpochWeights(folder, self.model, allowed)

    def phase(self, *learning: int) -> None:
        for index, part in enumerate(self.model):
            part.requires_grad_(index in learning)
        self.keeper.phase_started()

    def epochs(self, count: int) -> None:
        for _ in range(count):
            self.epoch += 1
            with torch.no_grad():
                for parameter in self.model.parameters():
                    if parameter.requires_grad:
                        parameter.add_(torch.randn_like(parameter))
                self.model[1].running_mean.add_(0.1)
            self.keeper.epoch_end(self.epoch)
            save(self.model, self.folder / "last.safetensors")
            self.truth[self.epoch] = {name: value.clone() for name, value in self.model.state_dict().items()}

    def right(self) -> bool:
        found = {epoch: kept_state(self.folder, epoch) for epoch in kept_epochs(self.folder)}
        return all(
            state.keys() == self.truth[epoch].keys()
            and all(torch.equal(value, self.truth[epoch][name]) for name, value in state.items())
            for epoch, state in found.items()
        )


@pytest.fixture(autouse=True)
def no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(epoch_weights, "FREE_SECONDS", 1e9)


@pytest.fixture
def play(tmp_path: Path) -> Play:
    return Play(tmp_path)


@pytest.mark.parametrize(
    "phases",
    [[(2,)], [(2,), (0, 1, 2)], [(2,), (1, 2), (0, 1, 2)], [(2,), (0,), (2,)]],
    ids=["one", "two", "three", "given-back"],
)
def test_every_epoch_is_what_it_was(play: Play, phases: list[tuple[int, ...]]) -> None:
    for learning in phases:
        play.phase(*learning)
        play.epochs(2)
    assert kept_epochs(play.folder) == list(range(1, 2 * len(phases) + 1))
    assert play.right()


def test_what_never_learns_is_not_written(play: Play) -> None:
    play.phase(2)
    play.epochs(1)
    from safetensors.torch import load_file

    written = set(load_file(kept_file(play.folder, 1)))
    assert {"2.weight", "2.bias", "1.running_mean"} <= written
    assert not written & {"0.weight", "0.bias", "1.weight"}
    assert not (play.folder / "weights" / "joined.safetensors").exists()


def test_one_tensor_is_read_by_itself(play: Play) -> None:
    play.phase(2)
    play.epochs(2)
    play.phase(0, 1, 2)
    play.epochs(2)
    for epoch in (1, 3):
        state = kept_state(play.folder, epoch, ["0.weight"])
        assert list(state) == ["0.weight"]
        assert torch.equal(state["0.weight"], play.truth[epoch]["0.weight"])


def test_a_tensor_of_two_names_is_kept_under_both(play: Play) -> None:
    play.model[2] = nn.Linear(4, 4)
    play.model[2].weight = play.model[0].weight
    play.phase(0, 2)
    play.epochs(2)
    assert play.right()


def test_a_run_that_goes_on_takes_back_what_came_later(play: Play) -> None:
    play.phase(2)
    play.epochs(2)
    play.phase(0, 1, 2)
    play.epochs(3)
    again = EpochWeights(play.folder, play.model, MIB)
    again.rewind(3)
    assert kept_epochs(play.folder) == [1, 2, 3]
    play.keeper, play.epoch = again, 3
    again.phase_started()  # joined long ago: what it was before must not be overwritten
    play.epochs(2)
    assert kept_epochs(play.folder) == [1, 2, 3, 4, 5]
    assert play.right()


def size_of(play: Play) -> int:
    return sum(value.nbytes for value in play.model.state_dict().values())


def test_it_keeps_within_its_space_and_spreads(tmp_path: Path) -> None:
    file = 1024  # a little more than the values themselves: names and shapes take room as well
    play = Play(tmp_path, allowed=6 * file)
    play.phase(0, 1, 2)
    play.epochs(40)
    there = kept_epochs(tmp_path)
    assert 3 <= len(there) <= 7
    assert there[0] == 1
    assert there[-1] >= 34
    assert max(later - before for before, later in pairwise(there)) <= 20
    assert sum(kept_file(tmp_path, epoch).stat().st_size for epoch in there) <= 6 * file
    assert play.right()


def test_large_files_give_way_and_small_ones_stay(tmp_path: Path) -> None:
    play = Play(tmp_path)
    play.model[0] = nn.Linear(4, 4000)
    play.phase(2)
    play.epochs(5)
    large = size_of(play)
    play.keeper = EpochWeights(tmp_path, play.model, 5 * large + 4096)  # one of them for what joins
    play.keeper.rewind(5)
    play.phase(0, 1, 2)
    play.epochs(20)
    there = kept_epochs(tmp_path)
    assert there[:5] == [1, 2, 3, 4, 5]
    assert 3 <= len(there) - 5 <= 4
    assert play.right()


def test_where_the_old_values_take_too_much_the_epochs_before_are_given_up(tmp_path: Path) -> None:
    play = Play(tmp_path)
    play.model[0] = nn.Linear(4, 4000)
    play.keeper = EpochWeights(tmp_path, play.model, size_of(play) // 2)
    play.phase(2)
    play.epochs(3)
    assert kept_epochs(tmp_path) == [1, 2, 3]
    play.phase(0, 1, 2)
    play.epochs(2)
    assert kept_epochs(tmp_path) == []
    assert not (tmp_path / "weights" / "joined.safetensors").exists()


@pytest.mark.parametrize("allowed", [0, 300], ids=["none", "two-at-most"])
def test_too_little_space_keeps_none(tmp_path: Path, allowed: int) -> None:
    play = Play(tmp_path, allowed=allowed)
    play.phase(0, 1, 2)
    play.epochs(4)
    assert kept_epochs(tmp_path) == []


def test_a_full_disk_keeps_none(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(epoch_weights, "SPARE_BYTES", 1 << 62)
    play.phase(2)
    play.epochs(2)
    assert kept_epochs(play.folder) == []


def test_where_the_old_values_cannot_be_written_no_epoch_stays(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    play.phase(2)
    play.epochs(2)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(epoch_weights, "save_state", full)
    with pytest.raises(OSError, match="No space"):
        play.phase(0, 1, 2)
    assert kept_epochs(play.folder) == []


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_bytes(b"nothing")], ids=["gone", "damaged"])
def test_a_file_that_is_not_there_is_said(play: Play, spoil: Callable[[Path], object]) -> None:
    play.phase(2)
    play.epochs(2)
    spoil(kept_file(play.folder, 2))
    with pytest.raises(InputError, match=r"were not kept|is damaged"):
        kept_state(play.folder, 2)
    assert kept_state(play.folder, 1).keys() == play.truth[1].keys()
