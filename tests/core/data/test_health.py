"""What inspection finds: damage, sizes, modes, copies and leaks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance

from core.data import health
from core.data.health import inspect
from core.data.sources import open_dataset
from core.data.splits import split
from core.specs import DataSpec
from tests.core.data.conftest import encoded, huge_png, photo

Tree = Callable[..., Path]


def test_unreadable_files_are_named_with_the_reason(tree: Tree) -> None:
    good = {f"{name}/{number}.png": encoded(photo(seed=number + ord(name) * 9)) for name in "ab" for number in (1, 2)}
    bad = {
        "a/empty.jpg": b"",
        "a/text.jpg": b"no picture",
        "b/half.jpg": encoded(photo(90, 90), "JPEG")[:700],
        "b/عکس خراب.png": encoded(photo())[:60],
        "b/huge.png": huge_png(),
    }
    report = inspect(open_dataset(str(tree({**good, **bad}))))
    assert {entry.key for entry in report.unreadable} == set(bad)
    for entry in report.unreadable:
        assert entry.reason.startswith(entry.key)
        assert entry.reason.endswith(".")
        assert entry.error is not None
    assert report.counts == {"all": {"a": 2, "b": 2}}
    assert report.twins == ()


def test_sizes_modes_and_formats(tree: Tree) -> None:
    root = tree(
        {
            "a/1.png": encoded(photo(10, 20, 1)),
            "a/2.jpg": encoded(photo(100, 50, 2), "JPEG"),
            "b/3.jpg": encoded(photo(100, 50, 3).convert("CMYK"), "JPEG"),
            "b/4.png": encoded(photo(60, 60, 4).convert("L")),
        }
    )
    report = inspect(open_dataset(str(root)))
    assert report.sizes is not None
    assert report.sizes.smallest == (10, 20)
    assert report.sizes.typical == (80, 50)
    assert report.sizes.largest == (100, 50)
    assert report.sizes.counts[100, 50] == 2
    assert report.modes == {"RGB": 2, "CMYK": 1, "L": 1}
    assert report.formats == {"JPEG": 2, "PNG": 2}
    record = json.loads(json.dumps(report.as_record()))
    assert record["classes"] == ["a", "b"]
    assert record["counts"] == {"all": {"a": 2, "b": 2}}
    assert record["sizes"]["median"] == [80, 50]


def test_copies_in_two_splits_are_leaks(tree: Tree) -> None:
    one, two = photo(120, 90, 1), photo(120, 90, 2)
    root = tree(
        {
            "train/a/1.png": encoded(one),
            "train/b/2.png": encoded(two),
            "train/b/3.png": encoded(photo(120, 90, 3)),
            "val/a/4.png": encoded(photo(120, 90, 4)),
            "val/b/5.png": encoded(photo(120, 90, 5)),
            "test/a/same.png": encoded(one),
            "test/b/mirrored.jpg": encoded(two.transpose(Image.Transpose.FLIP_LEFT_RIGHT), "JPEG", quality=80),
        }
    )
    report = inspect(open_dataset(str(root)))
    found = {(twin.first, twin.second, twin.exact) for twin in report.leaks}
    assert found == {("train/a/1.png", "test/a/same.png", True), ("train/b/2.png", "test/b/mirrored.jpg", False)}
    assert report.as_record()["leaks"] == 2


@pytest.mark.parametrize("change", ["jpeg", "smaller", "brighter", "quarter"])
def test_a_copy_saved_anew_is_recognised(tree: Tree, change: str) -> None:
    image = photo(160, 120, 1)
    copy = {
        "jpeg": encoded(image, "JPEG", quality=60),
        "smaller": encoded(image.resize((80, 60)), "JPEG", quality=85),
        "quarter": encoded(image.resize((40, 32)), "JPEG", quality=85),
        "brighter": encoded(ImageEnhance.Brightness(image).enhance(1.02)),
    }[change]
    root = tree({"train/a/1.png": encoded(image), "train/b/2.png": encoded(photo(160, 120, 2)), "test/a/x.jpg": copy})
    (leak,) = inspect(open_dataset(str(root))).leaks
    assert (leak.first, leak.second, leak.exact) == ("train/a/1.png", "test/a/x.jpg", False)


def test_a_test_folder_that_is_the_training_folder_is_all_leaks(tree: Tree) -> None:
    files = {
        f"train/{name}/{number}.png": encoded(photo(seed=ord(name) * 9 + number))
        for name in "ab"
        for number in range(4)
    }
    root = tree(files)
    (root / "test").symlink_to(root / "train")
    report = inspect(open_dataset(str(root), roots=(root.parent,)))
    assert {twin.second for twin in report.leaks if twin.exact} == {key.replace("train", "test") for key in files}


def test_the_same_picture_in_two_classes_is_a_conflict(tree: Tree) -> None:
    root = tree({"a/1.png": encoded(photo()), "b/1.png": encoded(photo()), "b/2.png": encoded(photo(seed=5))})
    (twin,) = inspect(open_dataset(str(root))).twins
    assert twin.conflict
    assert twin.exact
    assert not twin.leak


def test_different_pictures_are_not_alike() -> None:
    for source in ("textures", "shapes?per_class=40"):
        dataset = split(open_dataset(source), DataSpec(source))
        assert inspect(dataset).twins == (), source


def test_flat_pictures_are_not_compared(tree: Tree) -> None:
    files = {
        f"{name}/1.png": encoded(Image.new("RGB", (20, 20), colour)) for name, colour in (("a", "red"), ("b", "blue"))
    }
    assert inspect(open_dataset(str(tree(files)))).twins == ()


def test_lists_of_lookalikes_end(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "MOST_LISTED", 5)
    image = photo(64, 64, 1)
    files = {f"{name}/{q}.jpg": encoded(image, "JPEG", quality=q) for name in "ab" for q in range(80 + len(name), 90)}
    files |= {f"b/{q}.jpg": encoded(image, "JPEG", quality=q) for q in range(90, 99)}
    report = inspect(open_dataset(str(tree(files))))
    assert [(twin.conflict, twin.exact) for twin in report.twins] == [(True, True)] * 5
    assert report.unlisted > 100
    assert report.as_record(most=2)["unlisted"] == report.unlisted + 3


def test_many_copies_hide_no_leak(tree: Tree) -> None:
    """Sixty equal files in training and three in validation: three pictures leak, whatever is listed."""
    flat = encoded(Image.new("RGB", (50, 37), (247, 247, 247)))
    files = {f"train/a/p{number:02d}.png": flat for number in range(60)}
    files |= {f"val/a/q{number}.png": flat for number in range(3)}
    files |= {f"{split}/b/1.png": encoded(photo(seed=7 + len(split))) for split in ("train", "val")}
    report = inspect(open_dataset(str(tree(files))))
    assert report.leak_count == len(report.leaks) == 3
    assert {twin.second for twin in report.leaks} == {f"val/a/q{number}.png" for number in range(3)}
    assert len(report.twins) == 62


def test_a_copy_in_another_split_and_another_class_is_said_to_be_both(tree: Tree) -> None:
    same = encoded(photo(seed=1))
    files = {
        "train/a/1.png": same,
        "train/b/2.png": same,
        "train/b/3.png": encoded(photo(seed=3)),
        "test/a/4.png": same,
    }
    found = {(twin.leak, twin.conflict) for twin in inspect(open_dataset(str(tree(files)))).twins}
    assert (True, True) in found


def test_equal_pixels_are_equal_whatever_the_file(tree: Tree) -> None:
    image = Image.new("L", (12, 12), 90)
    files = {"a/1.png": encoded(image), "a/2.bmp": encoded(image, "BMP"), "b/3.png": encoded(photo())}
    (twin,) = inspect(open_dataset(str(tree(files)))).twins
    assert twin.exact


def test_files_that_vanish_meanwhile_are_unreadable(tree: Tree) -> None:
    root = tree({"a/1.png": encoded(photo()), "b/1.png": encoded(photo(seed=2))})
    dataset = open_dataset(str(root))
    (root / "a/1.png").unlink()
    report = inspect(dataset)
    assert [entry.key for entry in report.unreadable] == ["a/1.png"]
    assert report.counts == {"all": {"a": 0, "b": 1}}


def test_progress_ends_at_the_total() -> None:
    told: list[tuple[int, int]] = []
    inspect(open_dataset("shapes?per_class=5"), lambda done, total: told.append((done, total)))
    assert told == [(16, 20), (20, 20)]


def test_small_symbols_are_searched_for_exact_copies_only(tree: Tree) -> None:
    image = photo(28, 28, 1)
    files = {"a/1.png": encoded(image), "a/2.png": encoded(image), "b/1.jpg": encoded(image, "JPEG", quality=90)}
    (twin,) = inspect(open_dataset(str(tree(files)))).twins
    assert (twin.first, twin.second, twin.exact) == ("a/1.png", "a/2.png", True)
