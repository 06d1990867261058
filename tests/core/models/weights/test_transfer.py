"""Weights handed on: what is copied, what is listed, and files that nobody should open."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from core.errors import InputError
from core.models.catalog import catalog
from core.models.network import assemble, blank, load_into, outline, save, save_state
from core.models.weights import safe_reader, transfer
from core.specs import HeadSpec, ModelSpec

LETTERS = tuple("abcdefghijklmnopqrstuvwxyz")
DIGITS = tuple("0123456789")


def letters(tmp_path: Path, **spec: object) -> tuple[nn.Module, Path]:
    network = assemble(ModelSpec("emnist_cnn", "none", **spec), LETTERS, seed=5)
    path = tmp_path / "letters.safetensors"
    save(network.model, path)
    return network.model, path


def digits(seed: int = 6, **spec: object) -> nn.Module:
    return assemble(ModelSpec("emnist_cnn", "none", **spec), DIGITS, seed=seed).model


def values(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def unchanged(model: nn.Module, before: dict[str, Tensor]) -> bool:
    return all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_letters_teach_digits(tmp_path: Path) -> None:
    source, path = letters(tmp_path)
    model = digits()
    head = model.classifier.weight.clone()
    found = transfer.transfer_weights(model, path, head="classifier")
    assert [row.name for row in found.misfit] == ["classifier.weight", "classifier.bias"]
    assert found.misfit[0] == ("classifier.weight", "10×50", "26×50")
    assert (found.missing, found.unused, found.share) == ((), (), 1.0)
    theirs = source.state_dict()
    assert set(found.copied) == set(theirs) - {"classifier.weight", "classifier.bias"}
    assert all(torch.equal(model.state_dict()[name], theirs[name]) for name in found.copied)
    assert torch.equal(model.classifier.weight, head)
    assert found.values == sum(theirs[name].numel() for name in found.copied)


def test_a_comparison_reads_no_values_and_changes_nothing(tmp_path: Path) -> None:
    _, path = letters(tmp_path)
    model = digits()
    before = values(model)
    on_meta = outline(ModelSpec("emnist_cnn", "none"), DIGITS)
    found = transfer.compare(on_meta.model, path, head=on_meta.anatomy.head)
    assert found == transfer.transfer_weights(model, path, head="classifier")
    assert found.fits
    assert not unchanged(model, before)
    assert found.to_dict()["misfit"][0] == {"name": "classifier.weight", "ours": "10×50", "theirs": "26×50"}


def test_other_sizes_and_heads_are_listed(tmp_path: Path) -> None:
    _, path = letters(tmp_path)
    model = digits(head=HeadSpec(hidden=(16,)))
    found = transfer.transfer_weights(model, path, head="classifier")
    assert set(found.missing) == {f"classifier.{part}" for part in ("0.weight", "0.bias", "3.weight", "3.bias")}
    assert set(found.unused) == {"classifier.weight", "classifier.bias"}
    larger = digits(image_size=32)
    assert [row.name for row in transfer.transfer_weights(larger, path, head="classifier").misfit][:1] == [
        "linear1.weight"
    ]


def test_a_head_of_other_classes_stays_new_even_if_it_fits(tmp_path: Path) -> None:
    _, path = letters(tmp_path)
    spec = ModelSpec("emnist_cnn", f"file:{path}")
    same = assemble(spec, LETTERS, seed=1, source=path, source_classes=LETTERS)
    turned = assemble(spec, LETTERS[::-1], seed=1, source=path, source_classes=LETTERS)
    assert same.transferred is not None
    assert turned.transferred is not None
    assert same.transferred.kept == ()
    assert turned.transferred.kept == ("classifier.weight", "classifier.bias")
    assert not torch.equal(same.model.classifier.weight, turned.model.classifier.weight)
    assert torch.equal(same.model.conv1.weight, turned.model.conv1.weight)


def test_the_network_reloads_without_its_source(tmp_path: Path) -> None:
    _, path = letters(tmp_path)
    spec = ModelSpec("emnist_cnn", "run:long-gone")
    network = assemble(spec, DIGITS, seed=1, source=path)
    save(network.model, tmp_path / "best.safetensors")
    path.unlink()
    again = blank(spec, DIGITS)
    load_into(again.model, tmp_path / "best.safetensors")
    x = torch.rand(2, 1, 28, 28)
    assert torch.equal(again.model.eval()(x), network.model.eval()(x))


def test_a_source_that_nobody_looked_up_is_missed() -> None:
    with pytest.raises(InputError, match="No file was found for the weights run:x"):
        assemble(ModelSpec("emnist_cnn", "run:x"), DIGITS, seed=0)


@pytest.mark.parametrize("suffix", [".pth", ".pt"])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"epoch": 3, "model": {f"module.{name}": value for name, value in state.items()}},
        lambda state: OrderedDict((f"_orig_mod.net.{name}", value) for name, value in state.items()),
        lambda state: {**state, "epoch": 7, "note": "kept"},
    ],
)
def test_wrapped_state_dicts_are_understood(tmp_path: Path, suffix: str, wrap: object) -> None:
    source, _ = letters(tmp_path)
    path = tmp_path / f"letters{suffix}"
    torch.save(wrap(source.state_dict()), path)  # type: ignore[operator]
    model = digits()
    found = transfer.transfer_weights(model, path, head="classifier")
    assert found.share == 1.0
    assert torch.equal(model.conv2.weight, source.conv2.weight)


def test_the_old_format_and_half_precision_are_read(tmp_path: Path) -> None:
    source, _ = letters(tmp_path)
    path = tmp_path / "old.pth"
    half = {name: value.half() if value.is_floating_point() else value for name, value in source.state_dict().items()}
    torch.save(half, path, _use_new_zipfile_serialization=False)
    model = digits()
    transfer.transfer_weights(model, path, head="classifier")
    assert model.conv1.weight.dtype == torch.float32
    assert torch.allclose(model.conv1.weight, source.conv1.weight, atol=1e-3)


def test_torchvision_names_fit(tmp_path: Path) -> None:
    path = tmp_path / "resnet18.pth"
    torch.save(catalog.build("resnet18", "none", 4).state_dict(), path)
    network = assemble(ModelSpec("resnet18", f"file:{path}"), DIGITS, seed=0, source=path)
    assert network.transferred is not None
    assert [row.name for row in network.transferred.misfit] == ["fc.weight", "fc.bias"]


@pytest.mark.parametrize(
    ("backbone", "source"), [("resnet50", "resnet18"), ("vgg11", "resnet18"), ("mnist_cnn", "emnist_cnn")]
)
def test_another_networks_file_is_refused_with_the_differences(tmp_path: Path, backbone: str, source: str) -> None:
    path = tmp_path / "other.safetensors"
    save(catalog.build(source, "none", 4), path)
    model = assemble(ModelSpec(backbone, "none"), DIGITS, seed=0).model
    before = values(model)
    with pytest.raises(InputError, match=r"is another network's: only .*Differences: .*[≠−+]"):
        transfer.transfer_weights(model, path)
    assert unchanged(model, before)


def test_values_that_are_no_numbers_are_named(tmp_path: Path) -> None:
    source, path = letters(tmp_path)
    state = values(source)
    state["conv2.weight"][0, 0, 0, 0] = float("nan")
    save_state(state, path)
    model = digits()
    before = values(model)
    with pytest.raises(InputError, match=r"no finite numbers in 1 of its tensors: conv2\.weight"):
        transfer.transfer_weights(model, path)
    assert unchanged(model, before)


class Bomb:
    def __init__(self, flag: Path) -> None:
        self.flag = flag

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.flag),)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_file_is_not_run(tmp_path: Path, zipped: bool) -> None:
    flag, path = tmp_path / "ran", tmp_path / "bomb.pth"
    if zipped:
        torch.save({"conv1.weight": torch.zeros(1), "x": Bomb(flag)}, path)
    else:
        path.write_bytes(pickle.dumps({"x": Bomb(flag)}, protocol=2))
    with pytest.raises(InputError, match=r"beside tensors .posix\.mkdir"):
        transfer.compare(digits(), path)
    assert not flag.exists()


def test_a_whole_saved_network_is_refused_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "whole.pt"
    torch.save(nn.Sequential(nn.Linear(2, 2)), path)
    with pytest.raises(InputError, match=r"\(torch\.nn\.modules\.[\w.]+\).*torch\.save\(model\.state_dict"):
        transfer.compare(digits(), path)


def test_archives_larger_inside_than_outside_are_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "bomb.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb/data.pkl", b"\0" * 50_000_000)
        archive.writestr("bomb/version", "3")
    with pytest.raises(InputError, match="unpacks to more than it is"):
        transfer.compare(digits(), path)


def test_a_large_file_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, path = letters(tmp_path)
    monkeypatch.setattr(safe_reader, "MAX_BYTES", 1000)
    with pytest.raises(InputError, match="GB are read"):
        transfer.compare(digits(), path)


def test_a_tensor_that_pretends_to_be_huge_costs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "huge.pth"
    torch.save({"conv1.weight": torch.zeros(1).expand(10**6, 10**6)}, path)
    found = transfer.compare(digits(), path)
    assert [row.theirs for row in found.misfit] == ["1000000×1000000"]


@pytest.mark.parametrize(
    "make",
    [
        lambda good: good[: len(good) // 2],
        lambda good: good[:9],
        lambda _: b"",
        lambda _: b"no tensors at all",
        lambda good: bytes(200) + good[200:],
        lambda good: good[:300] + b"\xff" * 64 + good[364:],
    ],
)
@pytest.mark.parametrize("kind", ["safetensors", "pth", "old"])
def test_damaged_files_are_said_to_be(tmp_path: Path, kind: str, make: object) -> None:
    source, path = letters(tmp_path)
    if kind != "safetensors":
        path = tmp_path / "letters.pth"
        torch.save(source.state_dict(), path, _use_new_zipfile_serialization=kind == "pth")
    path.write_bytes(make(path.read_bytes()))  # type: ignore[operator]
    model = digits()
    before = values(model)
    with pytest.raises(InputError, match=r"damaged|another network|Python objects|no dictionary|finite"):
        transfer.transfer_weights(model, path)
    assert unchanged(model, before)


@pytest.mark.parametrize("record", [[torch.zeros(2)], torch.zeros(2), {"epoch": 3}, "text", {"model": {"a": 1}}])
def test_what_is_no_dictionary_of_tensors_is_refused(tmp_path: Path, record: object) -> None:
    path = tmp_path / "wrong.pth"
    torch.save(record, path)
    with pytest.raises(InputError, match="holds no dictionary of named tensors but"):
        transfer.compare(digits(), path)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        transfer.compare(digits(), tmp_path / "nowhere.pth")
    (tmp_path / "folder.pt").mkdir()
    with pytest.raises(InputError, match="does not exist"):
        transfer.compare(digits(), tmp_path / "folder.pt")
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(InputError, match=r"notes\.txt is no file of weights.*\.safetensors, \.pth"):
        transfer.compare(digits(), tmp_path / "notes.txt")
