from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from core.errors import InputError
from core.models import network
from core.models.anatomy.examine import anatomy_of
from core.models.heads import build_head, head_input, tail
from core.specs import HeadSpec, ModelSpec

SPEC = ModelSpec("squeezenet1_1", weights="none", image_size=64, head=HeadSpec(dropout=0.2))


class Tied(nn.Module):
    """Two names for one tensor, and two views of one storage."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 3)
        self.second = nn.Linear(3, 3)
        self.second.weight = self.first.weight
        whole = torch.arange(6.0)
        self.register_buffer("left", whole[:3])
        self.register_buffer("right", whole[3:])
        self.register_buffer("empty", torch.empty(0))
        self.register_buffer("none", torch.empty(0))


def same(first: nn.Module, second: nn.Module) -> bool:
    a, b = first.state_dict(), second.state_dict()
    return list(a) == list(b) and all(torch.equal(a[name], b[name]) for name in a)


def test_assemble(images, global_random_state) -> None:
    net = network.assemble(SPEC, ["a", "b", "c"], seed=1)
    assert (net.name, net.classes) == ("squeezenet1_1", ("a", "b", "c"))
    assert net.preprocessing.crop == net.anatomy.input_size == 64
    assert net.anatomy.num_classes == 3
    assert net.model(images(2, 64)).shape == (2, 3)
    assert not net.model.training
    assert same(net.model, network.assemble(SPEC, ["a", "b", "c"], seed=1).model)
    assert not same(net.model, network.assemble(SPEC, ["a", "b", "c"], seed=2).model)
    assert global_random_state()
    with net.lock, net.lock:
        pass


def test_assemble_takes_pretrained_weights_as_they_are() -> None:
    net = network.assemble(ModelSpec("efficientnet_lite0"), ["cat", "dog"], seed=0)
    own = network.bare("efficientnet_lite0")
    assert torch.equal(net.model.features[0][0].weight, own.model.features[0][0].weight)
    assert net.preprocessing == own.preprocessing
    assert len(own.classes) == own.anatomy.num_classes == 1000
    assert own.anatomy == anatomy_of("efficientnet_lite0")


def test_bare_at_another_size(images) -> None:
    net = network.bare("vit_b_32", "none", 64)
    assert net.preprocessing.crop == net.anatomy.input_size == 64
    assert net.model(images(1, 64)).shape == (1, 1000)


def test_impossible_requests_are_named() -> None:
    with pytest.raises(InputError, match="resnet19"):
        network.assemble(ModelSpec("resnet19", weights="none"), ["a", "b"], seed=0)
    with pytest.raises(InputError, match="16 px"):
        network.assemble(ModelSpec("squeezenet1_1", weights="none", image_size=16), ["a", "b"], seed=0)
    with pytest.raises(InputError, match="2 classes"):
        network.assemble(SPEC, ["a"], seed=0)


def test_save_and_load_into_a_blank_network(tmp_path: Path, images, global_random_state) -> None:
    net = network.assemble(SPEC, ["a", "b"], seed=1)
    network.save(net.model.to(memory_format=torch.channels_last), tmp_path / "best.safetensors")
    twin = network.blank(SPEC, ["a", "b"])
    network.load_into(twin.model, tmp_path / "best.safetensors")
    assert same(net.model, twin.model)
    assert twin.anatomy == net.anatomy
    with torch.no_grad():
        torch.testing.assert_close(twin.model(images(2, 64)), net.model(images(2, 64)))
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["best.safetensors"]
    assert global_random_state()


@pytest.mark.parametrize("name", ["swin_v2_t", "densenet121", "googlenet", "efficientnet_lite0"])
def test_a_blank_network_holds_nothing_that_a_file_does_not_fill(name: str, tmp_path: Path, images) -> None:
    spec = ModelSpec(name, weights="none", image_size=64)
    net = network.assemble(spec, ["a", "b"], seed=1)
    network.save(net.model, tmp_path / "w.safetensors")
    twin = network.blank(spec, ["a", "b"])
    network.load_into(twin.model, tmp_path / "w.safetensors")
    with torch.no_grad():
        assert torch.equal(twin.model(images(2, 64)), net.model(images(2, 64)))


def test_shared_tensors_are_written_once_and_come_back(tmp_path: Path) -> None:
    file = tmp_path / "tied.safetensors"
    model, other = Tied(), Tied()
    network.save(model, file)
    with safe_open(file, framework="pt") as stored:
        assert "second.weight" not in stored.keys()  # noqa: SIM118
    with torch.no_grad():
        other.first.weight.zero_()
        other.right.zero_()
    network.load_into(other, file)
    assert same(model, other)
    assert other.second.weight is other.first.weight


def test_saving_replaces_the_old_file_in_one_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "w.safetensors"
    network.save(nn.Linear(2, 2), file)
    before = file.read_bytes()

    def interrupted(*_paths: object) -> None:
        raise OSError("interrupted")

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(OSError, match="interrupted"):
        network.save(nn.Linear(2, 2), file)
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["w.safetensors"]


def test_weights_may_be_read_by_whoever_may_read_the_folder(tmp_path: Path) -> None:
    for mode, expected in ((0o755, 0o644), (0o700, 0o600)):
        tmp_path.chmod(mode)
        network.save(nn.Linear(2, 2), tmp_path / "best.safetensors")
        assert (tmp_path / "best.safetensors").stat().st_mode & 0o777 == expected


def test_a_full_disk_is_an_os_error_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_tensors: object, path: Path, metadata: object) -> None:  # noqa: ARG001
        path.write_bytes(b"half")
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(network, "save_file", full)
    with pytest.raises(OSError, match="could not be written") as caught:
        network.save(nn.Linear(2, 2), tmp_path / "w.safetensors")
    assert caught.value.errno == 28
    assert not [path for path in tmp_path.iterdir() if path.is_file()]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="could not be written"):
        network.save(nn.Linear(2, 2), tmp_path / "nowhere" / "w.safetensors")


def test_mismatches_are_named_and_nothing_is_changed(tmp_path: Path) -> None:
    file = tmp_path / "w.safetensors"
    network.save(nn.ModuleDict({"fc": nn.Linear(3, 4), "old": nn.Linear(1, 1)}), file)
    model = nn.ModuleDict({"fc": nn.Linear(3, 2), "new": nn.Linear(1, 1)})
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(InputError, match="does not fit") as caught:
        network.load_into(model, file)
    text = str(caught.value)
    assert "− new.weight" in text
    assert "+ old.weight" in text
    assert "in 6 of its tensors" in text
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    with pytest.raises(InputError, match=r"weight 4×3 ≠ 2×3"):
        network.load_into(nn.ModuleDict({"fc": nn.Linear(3, 2), "old": nn.Linear(1, 1)}), file)


@pytest.mark.parametrize("contents", [b"", b"nonsense", "cut", "flip"])
def test_damaged_files_are_refused(contents: bytes | str, tmp_path: Path) -> None:
    file = tmp_path / "w.safetensors"
    network.save(nn.Linear(30, 30), file)
    whole = file.read_bytes()
    if contents == "cut":
        contents = whole[:-100]
    elif contents == "flip":
        contents = b"\xff" * 8 + whole[8:]
    file.write_bytes(contents)
    with pytest.raises(InputError, match="damaged"):
        network.load_into(nn.Linear(30, 30), file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        network.load_into(nn.Linear(2, 2), tmp_path / "none.safetensors")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_network_on_a_gpu(tmp_path: Path, images) -> None:
    net = network.assemble(SPEC, ["a", "b"], seed=1)
    net.model.cuda()
    anatomy = build_head(net.model, net.anatomy, 3, seed=2)
    assert {parameter.device.type for parameter in net.model.parameters()} == {"cuda"}
    end = tail(net.model, anatomy)
    assert end is not None
    x = images(2, 64).cuda()
    with torch.no_grad():
        torch.testing.assert_close(end(head_input(net.model, anatomy, x)), net.model(x), rtol=1e-3, atol=1e-4)
    network.save(net.model, tmp_path / "w.safetensors")
    twin = network.blank(SPEC, ["a", "b", "c"])
    network.load_into(twin.model, tmp_path / "w.safetensors")
    assert all(torch.equal(a.cpu(), b) for a, b in zip(net.model.parameters(), twin.model.parameters(), strict=True))
