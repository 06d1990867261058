from __future__ import annotations

import dataclasses
import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import InputError
from core.models import anatomy_cache as module
from core.models.anatomy.examine import anatomy_of
from core.models.anatomy_cache import blueprint
from core.models.network import outline
from core.specs import HeadSpec, ModelSpec, Piece


@pytest.fixture(autouse=True)
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BACKBONE_LAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "anatomies"


@pytest.fixture
def unbuilt(monkeypatch: pytest.MonkeyPatch) -> list[ModelSpec]:
    """Counts what is examined rather than read."""
    made: list[ModelSpec] = []
    real = module._examine

    def examine(spec: ModelSpec, num_classes: int | None) -> object:
        made.append(spec)
        return real(spec, num_classes)

    monkeypatch.setattr(module, "_examine", examine)
    return made


def test_it_is_that_of_the_network() -> None:
    assert blueprint(ModelSpec("resnet18")) == anatomy_of("resnet18")
    spec = ModelSpec("vgg11", image_size=64, channels=1, head=HeadSpec((16,), "average", 0.5))
    assert blueprint(spec, 3) == outline(spec, ("a", "b", "c")).anatomy
    own = ModelSpec("own", image_size=16, design=(Piece("conv", size=4, kernel=3), Piece("relu"), Piece("flatten")))
    assert blueprint(own, 3) == outline(own, ("a", "b", "c")).anatomy


def test_the_notes_figures() -> None:
    assert blueprint(ModelSpec("vgg16"), 12).total == 134_309_708
    assert blueprint(ModelSpec("vgg16", channels=1)).layer("features.0").formula == "(3*3*1+1)*64 = 640"


def test_read_from_disk_it_is_the_same_and_nothing_is_built(shelf: Path, unbuilt: list[ModelSpec]) -> None:
    first = blueprint(ModelSpec("resnet18", image_size=40))
    assert blueprint(ModelSpec("resnet18", image_size=40, weights="none", init="zeros")) is first
    module._blueprint.cache_clear()
    assert blueprint(ModelSpec("resnet18", image_size=40)) == first
    assert len(unbuilt) == len(list(shelf.iterdir())) == 1


def test_different_networks_have_different_files(shelf: Path) -> None:
    spec = ModelSpec("resnet18", image_size=40)
    blueprint(spec)
    blueprint(spec, 3)
    blueprint(spec, 4)
    blueprint(ModelSpec("resnet18", image_size=48))
    assert len(list(shelf.iterdir())) == 4


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nonsense",
        gzip.compress(b"{", mtime=0),
        gzip.compress(b"[]", mtime=0),
        gzip.compress(b'{"head": 1}', mtime=0),
    ],
)
def test_a_damaged_file_is_made_again(shelf: Path, unbuilt: list[ModelSpec], content: bytes) -> None:
    spec = ModelSpec("resnet18", image_size=40)
    first = blueprint(spec)
    (path,) = shelf.iterdir()
    path.write_bytes(content)
    module._blueprint.cache_clear()
    assert blueprint(spec) == first
    assert len(unbuilt) == 2
    assert json.loads(gzip.decompress(path.read_bytes()))["total"] == first.total


def test_a_truncated_and_a_foreign_anatomy_are_made_again(shelf: Path, unbuilt: list[ModelSpec]) -> None:
    spec = ModelSpec("resnet18", image_size=40)
    first = blueprint(spec)
    (path,) = shelf.iterdir()
    whole = path.read_bytes()
    record = json.loads(gzip.decompress(whole))
    del record["layers"][3]["kind"]
    for content in (whole[: len(whole) // 2], gzip.compress(json.dumps(record).encode())):
        path.write_bytes(content)
        module._blueprint.cache_clear()
        assert blueprint(spec) == first
    assert len(unbuilt) == 3


def test_a_folder_that_cannot_be_written_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BACKBONE_LAB_CACHE", str(tmp_path / "file"))
    assert blueprint(ModelSpec("resnet18", image_size=40)).input_size == 40


def test_the_shelf_is_bounded(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CACHE", dataclasses.replace(module.CACHE, max_files=2))
    names = []
    for turn, size in enumerate((32, 40, 48)):
        blueprint(ModelSpec("resnet18", image_size=size))
        (new,) = {path.name for path in shelf.iterdir()} - set(names)
        names.append(new)
        os.utime(shelf / new, (turn, turn))
    assert sorted(path.name for path in shelf.iterdir()) == sorted(names[1:])


def test_errors_are_not_kept(shelf: Path) -> None:
    for _ in range(2):
        with pytest.raises(InputError, match="16 px"):
            blueprint(ModelSpec("alexnet", image_size=16))
    with pytest.raises(InputError, match="resnet19"):
        blueprint(ModelSpec("resnet19"))
    with pytest.raises(InputError, match="at least 2"):
        blueprint(ModelSpec("resnet18"), 1)
    assert not shelf.exists()


@pytest.mark.slow
def test_reading_needs_no_torch(shelf: Path) -> None:
    blueprint(ModelSpec("resnet18"))
    code = (
        "import sys; from core.models.anatomy_cache import blueprint; from core.specs import ModelSpec;"
        "print(blueprint(ModelSpec('resnet18')).total, 'torch' in sys.modules)"
    )
    environment = {**os.environ, "BACKBONE_LAB_CACHE": str(shelf.parent)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.split() == ["11689512", "False"]
