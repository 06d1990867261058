"""Divisions with groups, whatever the groups are: complete, stratified, reproducible, and no group is torn apart."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold

from core.data.dataset import Dataset, Item
from core.data.division.grouped import deal
from core.data.division.relatives import joined, relatives, stem_of
from core.data.splits import split
from core.errors import InputError
from core.specs import DataSpec
from tests.core.data.test_splits import NoReader

SHARES = st.sampled_from([0.05, 0.1, 0.2, 0.3, 0.5])


def dataset(rows: list[tuple[int, int]]) -> Dataset:
    """Makes a data set of (class, patient) rows."""
    classes = ("a", "b", "c")
    items = tuple(Item(f"{classes[label]}/p{patient}/{n}.png", label) for n, (label, patient) in enumerate(rows))
    column = {item.key: f"p{patient}" for item, (_, patient) in zip(items, rows, strict=True)}
    return Dataset("x", "X", classes, items, presplit=False, reader=NoReader(), columns={"patient": column})


@st.composite
def grouped(draw: st.DrawFn) -> Dataset:
    """Draws patients of one or several classes with one to nine images each."""
    rows = []
    for patient in range(draw(st.integers(12, 60))):
        labels = draw(st.lists(st.integers(0, 2), min_size=1, max_size=9))
        rows += [(label, patient) for label in labels]
    return dataset(rows)


def spec(**values: object) -> DataSpec:
    return DataSpec("x", **values)  # type: ignore[arg-type]


@settings(max_examples=25, deadline=None, derandomize=True)
@given(data=grouped(), val=SHARES, test=st.sampled_from([0.0, 0.05, 0.1, 0.3]), seed=st.integers(0, 99))
@pytest.mark.parametrize("how", ["column:patient", "folder", r"pattern:/(p\d+)/"])
def test_groups_never_straddle_and_nothing_is_lost(how: str, data: Dataset, val: float, test: float, seed: int) -> None:
    asked = spec(val_share=val, test_share=test, seed=seed, group_by=how)
    divided = split(data, asked)
    assert [item.key for item in divided.items] == [item.key for item in data.items]
    assert {item.split for item in divided.items} == ({"train", "val", "test"} if test else {"train", "val"})
    places = defaultdict(set)
    for item in divided.items:
        places[data.columns["patient"][item.key]].add(item.split)
    assert {len(parts) for parts in places.values()} == {1}
    backwards = split(data.subset(reversed(range(len(data)))), asked)
    assert {i.key: i.split for i in backwards.items} == {i.key: i.split for i in divided.items}


@settings(max_examples=25, deadline=None, derandomize=True)
@given(sizes=st.lists(st.integers(2, 60), min_size=2, max_size=3), val=SHARES, test=SHARES, seed=st.integers(0, 99))
def test_shares_of_any_size_are_met_in_every_class(sizes: list[int], val: float, test: float, seed: int) -> None:
    data = dataset([(label, 0) for label, size in enumerate(sizes) for _ in range(size)])
    if val + test > 0.9:
        return
    rest = split(data, spec(val_share=val, test_share=test, seed=seed, val_of="rest"))
    for name, size in zip(data.classes, sizes, strict=False):
        counts = {part: of[name] for part, of in rest.counts().items()}
        assert sum(counts.values()) == size
        assert counts["train"] >= 1
        if size * min(val, test) >= 1 and size * (1 - val - test) >= 2:
            assert abs(counts["test"] - size * test) <= 0.5
            assert abs(counts["val"] - (size - counts["test"]) * val) <= 0.5


@settings(max_examples=15, deadline=None, derandomize=True)
@given(data=grouped(), folds=st.integers(2, 5), test=st.sampled_from([0.0, 0.2]))
def test_every_group_outside_the_test_validates_in_one_fold(data: Dataset, folds: int, test: float) -> None:
    parts = [
        {
            item.key: item.split
            for item in split(data, spec(folds=folds, fold=f, test_share=test, group_by="folder")).items
        }
        for f in range(folds)
    ]
    for item in data.items:
        seen = [part[item.key] for part in parts]
        assert seen == ["test"] * folds or sorted(seen) == ["train"] * (folds - 1) + ["val"]


def test_the_counts_come_at_least_as_near_as_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    ours, theirs = [], []
    for trial in range(30):
        groups = np.repeat(np.arange(30), rng.integers(1, 12, 30))
        labels = rng.integers(0, 3, 30)[groups]
        counts = np.zeros((30, 3), dtype=np.int64)
        np.add.at(counts, (groups, labels), 1)
        aim = counts.sum(axis=0) / 5
        order = np.random.default_rng(trial)
        permuted = counts[order.permutation(30)]
        mine = deal(permuted, np.array([0.2, 0.8]))
        ours.append(np.abs(permuted[mine == 0].sum(axis=0) - aim).sum())
        folds = StratifiedGroupKFold(5, shuffle=True, random_state=trial).split(labels, labels, groups)
        theirs.append(np.mean([np.abs(np.bincount(labels[test], minlength=3) - aim).sum() for _, test in folds]))
    assert np.mean(ours) <= np.mean(theirs)


def test_seeds_differ() -> None:
    data = dataset([(patient % 2, patient) for patient in range(60) for _ in range(patient % 5 + 1)])
    held = {
        tuple(i.key for i in split(data, spec(seed=s, group_by="column:patient")).items if i.split == "val")
        for s in range(8)
    }
    assert len(held) == 8


def test_look_alikes_stay_together() -> None:
    data = dataset([(n % 2, n) for n in range(40)])
    pairs = [(data.items[n].key, data.items[n + 20].key) for n in range(20)]
    with pytest.raises(ValueError, match="look-alikes"):
        split(data, spec(group_by="near"))
    where = {item.key: item.split for item in split(data, spec(group_by="near"), pairs).items}
    assert all(where[one] == where[other] for one, other in pairs)
    assert set(where.values()) == {"train", "val"}


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("cats/aug_0_17.png", "aug_0"),
        ("photo (1).jpg", "photo"),
        ("photo - Copy.jpg", "photo"),
        ("p012_slice3_flip.png", "p012_slice3"),
        ("p012-03.png", "p012"),
        ("x_rot15.jpg", "x"),
        ("0042.png", "0042"),
        ("cat.png", "cat"),
        ("IMG2044.jpg", "IMG2044"),
    ],
)
def test_stems(name: str, stem: str) -> None:
    assert stem_of(name) == stem


def test_groups_join_where_they_share_an_image() -> None:
    assert {frozenset(group) for group in joined([("a", "b"), ("d", "e")], [("b", "c"), ("x",)])} == {
        frozenset("abc"),
        frozenset("de"),
    }


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("column:age", "has no column age to group by. Its columns: patient"),
        ("pattern:zzz", "is found in no name"),
        ("pattern:png", "fall into the one group png"),
    ],
)
def test_what_groups_nothing_is_refused(how: str, message: str) -> None:
    data = dataset([(n % 2, n) for n in range(10)])
    with pytest.raises(InputError, match=message):
        relatives(data, [item.key for item in data.items], how)


def test_images_beside_one_another_have_no_folders() -> None:
    items = tuple(Item(f"a/{n}.png", 0) for n in range(4))
    with pytest.raises(InputError, match="directly in the folders"):
        relatives(Dataset("x", "X", ("a",), items, presplit=False, reader=NoReader()), ["a/0.png"], "folder")


def test_too_few_groups_are_refused() -> None:
    data = dataset([(0, 0)] * 5 + [(1, 1)] * 5)
    with pytest.raises(InputError, match="falls into 2 groups, but 3 are needed"):
        split(data, spec(test_share=0.2, group_by="column:patient"))


@pytest.mark.parametrize("how", ["patient", "column:", "pattern:", "pattern:(", "folder:x", 3])
def test_unknown_ways_to_group_are_refused(how: object) -> None:
    with pytest.raises(InputError, match=r"group_by is|no regular expression"):
        spec(group_by=how)
