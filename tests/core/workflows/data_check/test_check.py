"""The check finds what was planted, and nothing else."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import skimage
from PIL import Image

from core.data.sources import open_dataset
from core.specs import DataSpec
from core.workflows.data_check import check as module
from core.workflows.data_check.check import check
from core.workflows.data_check.copies import LEAST_CORRELATION, limits_of
from core.workflows.data_check.dividing import divide
from core.workflows.data_check.edits import EDITS
from core.workflows.data_check.suspects import outliers, suspects

PHOTOS = {"astronaut": "astronaut.png", "coffee": "coffee.png", "motorcycle": "motorcycle_left.png"}


def tiles(side: int = 128) -> dict[str, list[Image.Image]]:
    """Cuts photographs into tiles that show something."""
    found: dict[str, list[Image.Image]] = {}
    for name, file in PHOTOS.items():
        image = Image.open(Path(skimage.__file__).parent / "data" / file).convert("RGB")
        places = [(x, y) for y in range(0, image.height - 127, side) for x in range(0, image.width - 127, side)]
        cut = [image.crop((x, y, x + side, y + side)).resize((192, 192)) for x, y in places]
        found[name] = [tile for tile in cut if np.asarray(tile.convert("L")).std() > 20][:12]
    return found


def jpeg(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=93)
    return stream.getvalue()


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """Three classes in train and test; a leak of each kind of edit, an equal file and damaged ones."""
    root = tmp_path / "data" / "planted"
    for name, images in tiles().items():
        for number, image in enumerate(images):
            path = root / ("train" if number < 8 else "test") / name / f"{number:02d}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(jpeg(image))
    return root


@pytest.mark.slow
def test_planted_leaks_are_found_and_nothing_else(planted: Path) -> None:
    sources = [(name, number) for number in range(4) for name in PHOTOS]
    images = tiles()
    expected = set()
    for edit, (name, number) in zip(EDITS, sources, strict=True):
        copy = planted / "test" / name / f"copy-{number}.jpg"
        copy.write_bytes(jpeg(EDITS[edit](images[name][number])))
        expected.add((f"test/{name}/copy-{number}.jpg", f"train/{name}/{number:02d}.jpg"))
    shutil.copy(planted / "train" / "coffee" / "05.jpg", planted / "train" / "astronaut" / "same.jpg")
    (planted / "train" / "coffee" / "cut.jpg").write_bytes(jpeg(images["coffee"][0])[:900])
    (planted / "train" / "notes.txt").write_text("x")
    stages: list[str] = []
    found = check(open_dataset(str(planted)), progress=lambda doing, _done, _total: stages.append(doing))
    record = found.as_record()
    leaks = {tuple(group) for group in record["leaks"]}
    assert leaks <= expected, leaks - expected
    assert len(leaks) >= 11
    assert record["exact"] == 1
    assert record["conflicts"] == [["train/astronaut/same.jpg", "train/coffee/05.jpg"]]
    assert [bad["key"] for bad in record["unreadable"]] == ["train/coffee/cut.jpg"]
    assert any("notes.txt" in entry["key"] for entry in record["left_out"])
    assert "train/astronaut/same.jpg" in [doubt["key"] for doubt in record["suspects"][:4]]
    assert list(dict.fromkeys(stages)) == ["reading images", "looking with the network", "planting copies"]
    assert found.recall["mirrored"] == 1.0


@pytest.mark.slow
def test_look_alikes_are_kept_together(tmp_path: Path) -> None:
    root = tmp_path / "data" / "copies"
    for name, images in tiles().items():
        (root / name).mkdir(parents=True)
        for number, image in enumerate(images[:8]):
            (root / name / f"{number}.jpg").write_bytes(jpeg(image))
            (root / name / f"{number}-turned.jpg").write_bytes(jpeg(EDITS["mirrored"](image)))
    spec = DataSpec(str(root), val_share=0.3, group_by="near")
    divided = divide(open_dataset(str(root)), spec)
    where = {item.key: item.split for item in divided.items}
    torn = [key for key in where if "turned" not in key and where[key] != where[key.replace(".", "-turned.")]]
    assert len(torn) <= 1
    assert set(where.values()) == {"train", "val"}


def test_without_features_thumbnails_alone_are_compared(planted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_features", lambda *_: pytest.fail("the network was asked"))
    (planted / "test" / "coffee" / "copy.jpg").write_bytes(jpeg(EDITS["brighter"](tiles()["coffee"][2])))
    found = check(open_dataset(str(planted)), features=False)
    assert found.leaks == (("test/coffee/copy.jpg", "train/coffee/02.jpg"),)
    assert not found.featured


def test_pictures_too_small_to_tell_apart_are_only_searched_for_equal_files(tmp_path: Path) -> None:
    for name, offset in (("a", 0), ("b", 3)):
        (tmp_path / "data" / "s" / name).mkdir(parents=True)
        for number in range(4):
            level = np.add.outer(np.arange(20), np.arange(20)) * 5 + offset + number
            Image.fromarray(level.astype(np.uint8)).save(tmp_path / "data" / "s" / name / f"{number}.png")
    found = check(open_dataset(str(tmp_path / "data" / "s")), features=False)
    assert (found.equal, found.alike) == ((("a/3.png", "b/0.png"),), ())


def test_limits_rise_where_pictures_are_alike_by_nature() -> None:
    rng = np.random.default_rng(0)
    pattern = rng.integers(60, 200, (32, 32))
    heads = (pattern + rng.normal(0, 10, (80, 32, 32))).clip(0, 255).astype(np.uint8)
    photos = rng.integers(0, 256, (80, 8, 8)).repeat(4, axis=1).repeat(4, axis=2).astype(np.uint8)
    labels = np.zeros(80, dtype=np.int64)
    assert limits_of(photos, None, labels).correlation[0] == np.float32(LEAST_CORRELATION)
    assert limits_of(heads, None, labels).correlation[0] > 0.94


def clusters(seed: int, classes: int = 4, each: int = 150) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    middles = rng.normal(0, 1, (classes, 32))
    labels = np.repeat(np.arange(classes), each)
    features = middles[labels] + rng.normal(0, 0.8, (len(labels), 32))
    return (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32), labels


@pytest.mark.parametrize("seed", range(4))
def test_planted_label_errors_stand_at_the_head_of_the_list(seed: int) -> None:
    features, labels = clusters(seed)
    rng = np.random.default_rng(seed)
    wrong = rng.choice(len(labels), 12, replace=False)
    given = labels.copy()
    given[wrong] = (labels[wrong] + rng.integers(1, 4, 12)) % 4
    listed = suspects(features, given)
    head = {found.row for found in listed[:24]}
    assert len(head & set(wrong)) >= 11
    assert all(found.suggested == labels[found.row] for found in listed[:24] if found.row in wrong)


def test_one_class_or_few_pictures_have_no_suspects() -> None:
    features, labels = clusters(0)
    assert suspects(features[:50], labels[:50]) == []
    assert suspects(features[[0, 200]], labels[[0, 200]]) == []


def test_a_picture_unlike_its_class_stands_out() -> None:
    features, labels = clusters(1)
    features[7] = -features[8]
    assert outliers(features, labels)[0][0] == 7
    assert len(outliers(features, labels)) < 8


@pytest.mark.parametrize("edit", EDITS)
def test_edits_leave_a_picture(edit: str, image_folder: Callable[..., Path]) -> None:
    image = Image.open(next(image_folder().glob("*/*"))).convert("RGB")
    edited = EDITS[edit](image)
    assert edited.mode == "RGB"
    assert np.asarray(edited).shape != np.asarray(image).shape or (np.asarray(edited) != np.asarray(image)).any()
