"""Divisions: shares, seeds, and classes too small to divide."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PIL import Image

from core.data.dataset import Dataset, Item
from core.data.splits import split, split_warnings
from core.errors import InputError
from core.specs import DataSpec


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
    assert str(told[0]) == "The class lonely has a single image; it cannot be validated or tested."
    assert told[0].template.format(**told[0].values) == str(told[0])


def test_a_class_missing_from_a_split_is_reported() -> None:
    divided = split(dataset({"a": 10, "b": 2}), spec(test_share=0.2))
    assert [str(told) for told in split_warnings(divided)] == ["The class b has no images in the split test."]
    assert split_warnings(split(dataset({"a": 10, "b": 10}), spec())) == []


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
    assert divided.counts() == {
        "train": {"a": 7, "b": 7},
        "val": {"a": 3, "b": 3},
        "test": {"a": 10, "b": 10},
    }
    assert divided.items[20:] == parts[1].items
