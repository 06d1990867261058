"""Divisions: shares, seeds, and classes too small to divide."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.data.dataset import Dataset, Item
from core.data.sources import open_dataset
from core.data.splits import missing_classes, split, split_warnings
from core.errors import InputError
from core.specs import DataSpec
from tests.core.data.conftest import encoded, photo


class NoReader:
    """Stands for images that no test of divisions looks at."""

    def load(self, key: str) -> Image.Image:
        raise InputError("{name} is not there.", name=key)

    def mask(self, key: str) -> np.ndarray | None:  # noqa: ARG002
        return None

    def path(self, key: str) -> None:  # noqa: ARG002
        return None


def dataset(counts: dict[str, int], part: str = "") -> Dataset:
    items = tuple(
        Item(f"{part}{name}/{number:03d}.png", label, part)
        for label, (name, count) in enumerate(counts.items())
        for number in range(count)
    )
    return Dataset("x", "X", tuple(counts), items, presplit=bool(part), reader=NoReader())


def spec(**values: object) -> DataSpec:
    return DataSpec("x", **values)  # type: ignore[arg-type]


def test_every_class_keeps_its_shares() -> None:
    counts = split(dataset({"a": 100, "b": 40, "c": 7}), spec(val_share=0.2, test_share=0.1)).counts()
    assert counts == {
        "train": {"a": 70, "b": 28, "c": 5},
        "val": {"a": 20, "b": 8, "c": 1},
        "test": {"a": 10, "b": 4, "c": 1},
    }


def test_the_seed_decides_and_the_order_of_files_does_not() -> None:
    data = dataset({"a": 30, "b": 30})
    first = {item.key: item.split for item in split(data, spec(seed=3)).items}
    backwards = split(data.subset(reversed(range(60))), spec(seed=3))
    assert {item.key: item.split for item in backwards.items} == first
    assert {item.key: item.split for item in split(data, spec(seed=4)).items} != first
    assert split(split(data, spec(seed=3)), spec(seed=3)) == split(data, spec(seed=3))


def test_the_division_is_the_same_on_every_machine() -> None:
    held_out = [item.key for item in split(dataset({"a": 10, "b": 1}), spec(seed=0)).items if item.split == "val"]
    assert held_out == ["a/002.png", "a/008.png"]


@pytest.mark.parametrize("images", range(2, 12))
@pytest.mark.parametrize(("val", "test"), [(0.2, 0.0), (0.2, 0.2), (0.01, 0.01), (0.45, 0.45), (0.1, 0.8), (0.9, 0.0)])
def test_small_classes_always_keep_an_image_to_learn_from(images: int, val: float, test: float) -> None:
    counts = split(dataset({"a": images, "b": images}), spec(val_share=val, test_share=test)).counts()
    assert counts["train"]["a"] >= 1
    assert counts["val"]["a"] >= 1
    assert counts.get("test", {"a": 0})["a"] >= (1 if test and images > 2 else 0)
    assert sum(part["a"] for part in counts.values()) == images


def test_a_class_with_one_image_learns_and_is_reported() -> None:
    divided = split(dataset({"a": 10, "lonely": 1}), spec())
    assert divided.counts() == {"train": {"a": 8, "lonely": 1}, "val": {"a": 2, "lonely": 0}}
    told = split_warnings(divided)
    assert str(told[0]) == (
        "There are too few images of lonely to validate on any: no epoch is judged by them. Add images."
    )
    assert told[0].template.format(**told[0].values) == str(told[0])


def test_a_class_missing_from_a_split_is_reported() -> None:
    divided = split(dataset({"a": 10, "b": 2}), spec(test_share=0.2))
    assert [str(told) for told in split_warnings(divided)] == [
        "There are too few images of b to test on any: the result says nothing of them. Add images."
    ]
    assert split_warnings(split(dataset({"a": 10, "b": 10}), spec())) == []


def test_a_class_that_stays_together_elsewhere_is_reported_with_what_to_do() -> None:
    parts = (("val", 9), ("train", 9), ("train", 9))
    items = [Item(f"{label}/{k}.png", label, part) for label, (part, count) in enumerate(parts) for k in range(count)]
    items = (*items, Item("x.png", 0, "train"))
    told = missing_classes(dataclasses.replace(dataset({"a": 1, "b": 1, "c": 1}), items=items, presplit=True))
    assert [str(sentence) for sentence in told] == [
        "No image of b, c is in val, since their folders or groups put all of them elsewhere: no epoch is judged by "
        "these classes. Move some to val, or divide the images in another way."
    ]
    many = {f"c{k}": 1 for k in range(7)} | {"d": 9}
    told = missing_classes(split(dataset(many), spec()))
    assert told[0].values["classes"] == "c0, c1, c2, c3, c4 …"


def test_very_uneven_classes_are_reported() -> None:
    told = split_warnings(split(dataset({"a": 200, "b": 10}), spec()))
    assert [str(sentence) for sentence in told] == ["The classes are very uneven: a has 160 training images, b has 8."]


def test_nothing_to_hold_out_is_refused() -> None:
    with pytest.raises(InputError, match="too few images"):
        split(dataset({"a": 1, "b": 1}), spec())


def test_a_division_that_the_data_bring_is_kept() -> None:
    parts = [dataset({"a": 10, "b": 10}, part) for part in ("train", "val", "test")]
    items = tuple(item for part in parts for item in part.items)
    data = dataclasses.replace(parts[0], items=items)
    assert split(data, spec(val_share=0.5)) is data


def test_validation_is_carved_from_training_only() -> None:
    parts = [dataset({"a": 10, "b": 10}, part) for part in ("train", "test")]
    data = dataclasses.replace(parts[0], items=parts[0].items + parts[1].items)
    divided = split(data, spec(val_share=0.3, test_share=0.3))
    assert divided.counts() == {"train": {"a": 7, "b": 7}, "val": {"a": 3, "b": 3}, "test": {"a": 10, "b": 10}}
    assert divided.items[20:] == parts[1].items


def folded(data: Dataset, folds: int, **values: object) -> list[dict[str, str]]:
    return [
        {item.key: item.split for item in split(data, spec(folds=folds, fold=fold, **values)).items}
        for fold in range(folds)
    ]


@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.parametrize("folds", [2, 3, 5, 10])
@pytest.mark.parametrize("test_share", [0.0, 0.2])
def test_every_image_outside_the_test_validates_once(folds: int, test_share: float, seed: int) -> None:
    data = dataset({"a": 43, "b": 17, "c": 11})
    divided = folded(data, folds, test_share=test_share, seed=seed)
    tested = {key for key, part in divided[0].items() if part == "test"}
    alone = split(data, spec(test_share=test_share, seed=seed))
    assert tested == {item.key for item in alone.items if item.split == "test"}
    for key in divided[0]:
        parts = [places[key] for places in divided]
        assert parts == ["test"] * folds if key in tested else sorted(parts) == ["train"] * (folds - 1) + ["val"]


@pytest.mark.parametrize("folds", [2, 3, 5])
def test_folds_are_of_one_size_and_keep_the_shares_of_the_classes(folds: int) -> None:
    counts = {"a": 31, "b": 22, "c": 9, "d": 6}
    divided = folded(dataset(counts), folds)
    sizes = [sum(part == "val" for part in places.values()) for places in divided]
    assert max(sizes) - min(sizes) <= 1
    for name, count in counts.items():
        held = [sum(part == "val" for key, part in places.items() if key.startswith(name)) for places in divided]
        assert set(held) <= {count // folds, -(-count // folds)}


def test_the_only_image_of_a_class_is_learned_from_in_every_fold() -> None:
    assert {places["c/000.png"] for places in folded(dataset({"a": 9, "b": 9, "c": 1}), 3)} == {"train"}


def test_folds_do_not_depend_on_the_order_of_files() -> None:
    data = dataset({"a": 30, "b": 20})
    assert folded(data, 4) == folded(data.subset(reversed(range(50))), 4)
    assert folded(data, 4) != folded(data, 4, seed=1)


def test_training_images_without_validation_of_their_own_are_dealt_out() -> None:
    training, test = dataset({"a": 8, "b": 8}, "train"), dataset({"a": 4, "b": 4}, "test")
    data = dataclasses.replace(training, items=(*training.items, *test.items))
    for places in folded(data, 4):
        assert sorted(places.values()) == ["test"] * 8 + ["train"] * 12 + ["val"] * 4
        assert {key for key, part in places.items() if part == "test"} == {item.key for item in test.items}


def test_folds_are_refused_where_validation_images_are_given() -> None:
    training, val = dataset({"a": 8, "b": 8}, "train"), dataset({"a": 4, "b": 4}, "val")
    with pytest.raises(InputError, match="brings its own validation images"):
        split(dataclasses.replace(training, items=(*training.items, *val.items)), spec(folds=3))


def test_more_folds_than_images_are_refused() -> None:
    with pytest.raises(InputError, match="has 4 images to deal out into 5 folds"):
        split(dataset({"a": 2, "b": 2, "c": 1}), spec(folds=5))


@pytest.mark.parametrize("values", [{"folds": 1}, {"folds": -2}, {"folds": 3, "fold": 3}, {"fold": 1}, {"folds": 2.0}])
def test_impossible_folds_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(InputError, match="fold"):
        spec(**values)


def copies(tmp_path: Path, files: dict[str, bytes]) -> Dataset:
    for key, data in files.items():
        (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / key).write_bytes(data)
    return open_dataset(str(tmp_path))


def test_equal_files_stay_together_whatever_the_seed(tmp_path: Path) -> None:
    files = {f"{label}/{k}.png": encoded(photo(seed=k + 40 * (label == "b"))) for label in "ab" for k in range(12)}
    files |= {f"a/copy{k}.png": files["a/3.png"] for k in range(2)} | {"b/copy.png": files["a/3.png"]}
    opened = copies(tmp_path, files)
    for seed in range(12):
        divided = split(opened, spec(seed=seed, val_share=0.3, test_share=0.2))
        where = {item.key: item.split for item in divided.items}
        assert len({where[key] for key in ("a/3.png", "a/copy0.png", "a/copy1.png", "b/copy.png")}) == 1
        assert set(divided.counts()) == {"train", "val", "test"}
    assert str(split_warnings(divided)[0]).startswith("3 images are copies of others, such as")


def test_a_group_too_large_to_be_held_out_is_learned_from(tmp_path: Path) -> None:
    same = encoded(photo())
    files = {f"a/{k}.png": same for k in range(9)} | {f"a/x{k}.png": encoded(photo(seed=k + 1)) for k in range(3)}
    files |= {f"b/{k}.png": encoded(photo(seed=k + 9)) for k in range(12)}
    divided = split(copies(tmp_path, files), spec(val_share=0.2))
    assert {item.split for item in divided.items if item.key[:3] in {f"a/{k}" for k in range(9)}} == {"train"}
    assert divided.counts()["val"]["a"] == 2


def test_equal_files_share_a_fold(tmp_path: Path) -> None:
    files = {f"{label}/{k}.png": encoded(photo(seed=k + 40 * (label == "b"))) for label in "ab" for k in range(8)}
    files |= {"a/copy.png": files["a/2.png"]}
    opened = copies(tmp_path, files)
    held = []
    for fold in range(4):
        where = {item.key: item.split for item in split(opened, spec(folds=4, fold=fold)).items}
        assert where["a/copy.png"] == where["a/2.png"]
        held += [key for key, part in where.items() if part == "val"]
    assert sorted(held) == sorted(files)


def test_names_that_are_nearly_equal_are_warned_of() -> None:
    found = split_warnings(split(dataset({"Cat": 4, "cat ": 4, "dog": 4}), spec()))
    assert [str(sentence) for sentence in found] == [
        "The classes Cat and cat  differ only by case or spaces. Merge them if they are one."
    ]


def test_data_that_are_all_copies_cannot_be_divided(tmp_path: Path) -> None:
    files = {f"{label}/{k}.png": encoded(photo(seed=ord(label))) for label in "ab" for k in range(5)}
    with pytest.raises(InputError, match="8 of 10 are copies"):
        split(copies(tmp_path, files), spec())
