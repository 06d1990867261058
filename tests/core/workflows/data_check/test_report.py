"""A check's findings: they follow what was changed of the images, serve every limit, and come back from a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.data.dataset import Dataset
from core.data.division.relatives import joined
from core.data.images import Unreadable
from core.data.scan.likeness import Pairs
from core.data.sources import open_dataset
from core.errors import InputError
from core.workflows.data_check.check import check
from core.workflows.data_check.copies import forest
from core.workflows.data_check.report import Check, Doubt, Link, Sizes, astray, home_of

FOUND = Check(
    classes={"blue": 2, "red": 2},
    unreadable=(Unreadable("red/4", "red/4 is bad.", InputError("{name} is bad.", name="red/4")),),
    equal=(("blue/1", "red/1"),),
    links=(Link("blue/1", "blue/2", 0.6), Link("red/2", "red/3", -0.2)),
    suspects=(Doubt("blue/2", "blue", "red", 0.7),),
    outliers=(("red/3", 9.5),),
    looks={"dark": ("red/2", "red/3")},
    planted={"mirrored": (1.0, 0.4, -1.0, 0.2)},
    sizes=Sizes((1, 2), (3, 4), (5, 6), 7),
    modes={"RGB": 4},
    formats={"PNG": 4},
    bits=12,
    featured=True,
)


@pytest.fixture
def dataset(image_folder: Callable[..., Path]) -> Dataset:
    found = open_dataset(str(image_folder(images=4)))
    keys = [f"{found.classes[item.label]}/{number % 4 + 1}" for number, item in enumerate(found.items)]
    return replace(found, items=tuple(replace(item, key=key) for item, key in zip(found.items, keys, strict=True)))


def put(dataset: Dataset, **splits: str) -> Dataset:
    """Puts images into splits, all others into training: ``blue1="val"``."""
    named = {f"{name[:-1]}/{name[-1]}": split for name, split in splits.items()}
    return replace(dataset, items=tuple(replace(item, split=named.get(item.key, "train")) for item in dataset.items))


def test_findings_follow_what_was_changed(dataset: Dataset) -> None:
    here = FOUND.on(put(dataset, blue1="val"))
    assert here.classes == {"blue": 4, "red": 3}
    assert here.leaks == (("blue/1", "blue/2", "red/1"),)
    assert here.conflicts == here.leaks
    assert FOUND.on(put(dataset)).leaks == ()
    fewer = FOUND.on(put(dataset, blue1="val").without(["blue/2", "red/4", "red/3"]))
    assert (fewer.suspects, fewer.unreadable, fewer.outliers, fewer.looks["dark"]) == ((), (), (), ("red/2",))
    assert fewer.leaks == (("blue/1", "red/1"),)
    moved = replace(dataset, items=tuple(replace(item, label=1) for item in dataset.items))
    assert FOUND.on(moved).suspects == ()
    assert FOUND.on(moved).conflicts == ()


def test_what_joined_two_pictures_joins_them_without_it(dataset: Dataset) -> None:
    chain = replace(FOUND, equal=(), links=(Link("blue/1", "blue/2", 0.5), Link("blue/2", "blue/3", 0.5)))
    assert chain.on(put(dataset, blue1="val").without(["blue/2"])).leaks == (("blue/1", "blue/3"),)


def test_a_limit_counts_links_and_planted_copies(dataset: Dataset) -> None:
    assert FOUND.recall == {"mirrored": 0.75}
    assert FOUND.alike == (("blue/1", "blue/2"),)
    looser, stricter = FOUND.on(dataset, -0.3), FOUND.on(dataset, 0.7)
    assert looser.alike == (("blue/1", "blue/2"), ("red/2", "red/3"))
    assert (stricter.alike, stricter.recall) == ((), {"mirrored": 0.25})


def test_a_forest_joins_what_all_pairs_join_at_every_limit() -> None:
    rng = np.random.default_rng(0)
    first, second = np.triu_indices(40, 1)
    kept = rng.random(len(first)) < 0.15
    pairs = Pairs(first[kept], second[kept], rng.uniform(-0.4, 1, int(kept.sum())).astype(np.float32))
    tree = forest(pairs, 40)
    assert len(tree.first) < 40
    for limit in (-0.4, 0.0, 0.5, 0.9):
        groups = [
            {
                frozenset(group)
                for group in joined(
                    (str(a), str(b)) for a, b, m in zip(p.first, p.second, p.likeness, strict=True) if m >= limit
                )
            }
            for p in (pairs, tree)
        ]
        assert groups[0] == groups[1], limit


def test_it_comes_back_from_a_file() -> None:
    record = json.loads(json.dumps(FOUND.to_dict()))
    again = Check.from_dict(record)
    assert again == FOUND
    assert again.unreadable[0].error is not None
    assert str(again.unreadable[0].error) == "red/4 is bad."
    for damage in ({}, {**record, "links": [["a", "b"]]}, {**record, "sizes": 3}, {**record, "looks": None}):
        with pytest.raises(InputError, match="damaged"):
            Check.from_dict(damage)


def test_copies_belong_where_one_of_them_learns(dataset: Dataset) -> None:
    item_of = {item.key: item for item in put(dataset, blue1="test", blue2="val").items}
    group = ("blue/1", "blue/2", "blue/3")
    assert home_of(group, item_of) == "train"
    assert astray(group, item_of) == ("blue/1", "blue/2")
    assert astray(group[:2], item_of) == ("blue/1",)


def test_sizes_modes_and_formats(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, size, mode in (
        ("a/1.png", (10, 20), "RGB"),
        ("a/2.jpg", (100, 50), "RGB"),
        ("b/3.jpg", (100, 50), "CMYK"),
        ("b/4.png", (60, 60), "L"),
    ):
        path = tmp_path / "data" / "s" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 255, (*size[::-1], 3)).astype(np.uint8)
        Image.fromarray(pixels).convert(mode).save(path)
    found = check(open_dataset(str(tmp_path / "data" / "s")), features=False)
    assert found.sizes == Sizes((10, 20), (80, 50), (100, 50), 3)
    assert found.modes == {"RGB": 2, "CMYK": 1, "L": 1}
    assert found.formats == {"PNG": 2, "JPEG": 2}
    again = check(open_dataset(str(tmp_path / "data" / "s")), features=False)
    assert again == found, "from the cache"
