"""Uploaded files of weights: under harmless names, within the room of all uploads, and only what can be read."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from core import settings, uploads
from core.errors import InputError
from core.models.weights.uploads import keep, kept_files

ONE, TWO = (save({"weight": torch.full((1000,), value)}) for value in (1.0, 2.0))


def test_uploads_are_kept_under_harmless_names() -> None:
    first = keep("../../My weights (1).safetensors", ONE)
    assert first.parent == settings.weight_uploads_dir()
    assert first.name.startswith("My-weights-1-")
    assert first.suffix == ".safetensors"
    assert keep("../../My weights (1).safetensors", ONE) == first
    assert keep("C:\\mine\\My weights (1).safetensors", TWO) != first
    assert sorted(path.read_bytes() for path in kept_files()) == sorted([ONE, TWO])


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth", "w.zip", "w", ".safetensors", "", "\0/..", "x" * 300])
def test_what_cannot_be_read_leaves_nothing_behind(name: str) -> None:
    with pytest.raises(InputError):
        keep(name, b"no tensors at all")
    assert not settings.weight_uploads_dir().exists() or list(settings.weight_uploads_dir().iterdir()) == []


def test_an_empty_file_and_one_that_is_too_large_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="is empty"):
        keep("w.safetensors", b"")
    monkeypatch.setenv("BACKBONE_LAB_UPLOAD_MB", "0.001")
    with pytest.raises(InputError, match="an upload may have"):
        keep("w.safetensors", ONE)
    assert kept_files() == []


def test_weights_and_images_share_their_room(monkeypatch: pytest.MonkeyPatch) -> None:
    images = settings.uploads_dir() / "pets"
    images.mkdir(parents=True)
    (images / "one.png").write_bytes(bytes(3000))
    first = keep("one.safetensors", ONE)
    assert uploads.usage() == 3000 + len(ONE)
    monkeypatch.setenv("BACKBONE_LAB_QUOTA_MB", str((uploads.usage() + len(TWO) - 1) / 1e6))
    with pytest.raises(InputError, match="Delete an older upload first"):
        keep("two.safetensors", TWO)
    assert kept_files() == [first]
    uploads.delete(first, settings.weight_uploads_dir())
    assert keep("two.safetensors", TWO).read_bytes() == TWO


def test_nothing_is_left_where_the_disk_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    write = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        write(path, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match="No space left"):
        keep("one.safetensors", ONE)
    assert list(settings.weight_uploads_dir().iterdir()) == []


def test_what_a_killed_server_left_half_written_goes_after_a_day() -> None:
    folder = settings.weight_uploads_dir()
    folder.mkdir(parents=True)
    old, new = folder / f".a.pth.{'0' * 32}", folder / f".b.pth.{'1' * 32}"
    for path, age in ((old, 2 * 86_400), (new, 60)):
        path.touch()
        os.utime(path, (time.time() - age,) * 2)
    kept = keep("one.safetensors", ONE)
    assert set(folder.iterdir()) == {kept, new}
    assert kept_files() == [kept]


@pytest.mark.parametrize("name", ["../secret", ".", "gone.pth", "link.pth"])
def test_only_an_upload_is_deleted(name: str) -> None:
    folder = settings.weight_uploads_dir()
    folder.mkdir(parents=True)
    secret = folder.parent / "secret"
    secret.write_text("mine")
    (folder / "link.pth").symlink_to(secret)
    with pytest.raises(InputError):
        uploads.delete(folder / name, folder)
    assert secret.read_text() == "mine"
