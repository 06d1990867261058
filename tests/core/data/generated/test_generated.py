"""Generated sets: seeded, of any size, with masks; and as easy or hard as they are meant to be."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from core.data.sources import open_dataset
from core.data.splits import split
from core.errors import InputError
from core.specs import DataSpec

SETS = ("letters", "circles", "clothes", "brains")


@pytest.mark.parametrize("name", SETS)
def test_pictures_are_seeded_and_of_any_size(name: str) -> None:
    first, other = open_dataset(name), open_dataset(name, seed=1)
    places = [0, len(first) // 2, len(first) - 1]
    for place in places:
        assert (np.asarray(first.load(place)) == np.asarray(first.load(place))).all()
        assert (np.asarray(first.load(place)) != np.asarray(other.load(place))).any()
    large = open_dataset(f"{name}?size=120")
    for place in places:
        mask = large.mask(place)
        assert large.load(place).size == (120, 120)
        assert mask is not None
        assert mask.shape == (120, 120)
        assert 0.001 < mask.mean() < 0.6
    with pytest.raises(InputError, match="no generated picture"):
        first.reader.load("nothing/x")


@pytest.mark.parametrize("name", ["letters", "circles", "clothes"])
def test_masks_show_the_bright_object(name: str) -> None:
    dataset = open_dataset(f"{name}?per_class=3&size=64")
    for place in range(len(dataset)):
        pixels, mask = np.asarray(dataset.load(place).convert("L"), dtype=float), dataset.mask(place)
        assert mask is not None
        assert pixels[mask].mean() > pixels[~mask].mean() + 40


def learned(name: str, column: str = "") -> float:
    dataset = open_dataset(name)
    divided = split(dataset, DataSpec(name, val_share=0.3, group_by=column))
    pixels = np.stack([np.asarray(divided.load(n).convert("L").resize((24, 24))).ravel() for n in range(len(divided))])
    labels = np.array([item.label for item in divided.items])
    train, val = list(divided.positions("train")), list(divided.positions("val"))
    probe = LogisticRegression(max_iter=300).fit(pixels[train] / 255, labels[train])
    return float(probe.score(pixels[val] / 255, labels[val]))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "least"), [("letters?per_class=40", 0.4), ("clothes?per_class=80", 0.85), ("brains?percent=40", 0.6)]
)
def test_classes_can_be_told_apart(name: str, least: float) -> None:
    assert learned(name, "column:patient" if "brains" in name else "") > least


def test_an_empty_class_is_there_to_be_left_out() -> None:
    dataset = open_dataset("letters?per_class=2&empty=1")
    assert len(dataset.classes) == 27
    assert dataset.counts()["all"]["N/A"] == 0
    assert dataset.only(dataset.classes[:26]).classes == open_dataset("letters").classes
    with pytest.raises(InputError, match="empty is 2"):
        open_dataset("letters?empty=2")


def test_slices_are_uneven_and_those_of_a_patient_alike() -> None:
    dataset = open_dataset("brains")
    assert dataset.counts() == {"all": {"AD": 965, "MCI": 689}}
    patients = dataset.columns["patient"]
    assert len(set(patients.values())) == 331
    of_patient = defaultdict(list)
    for place in range(0, 200):
        of_patient[patients[dataset.items[place].key]].append(np.asarray(dataset.load(place).convert("L")).ravel())
    stacks = [np.stack(rows).astype(float) for rows in of_patient.values()]
    within = np.mean([np.corrcoef(rows)[0, 1] for rows in stacks])
    between = np.mean([np.corrcoef(one[0], other[0])[0, 1] for one, other in pairwise(stacks)])
    assert within > between + 0.03


def test_patients_stay_on_one_side() -> None:
    spec = DataSpec("brains?percent=10", test_share=0.2, group_by="column:patient")
    divided = split(open_dataset(spec.source), spec)
    places = defaultdict(set)
    for item in divided.items:
        places[divided.columns["patient"][item.key]].add(item.split)
    assert {len(parts) for parts in places.values()} == {1}
    assert {"train", "val", "test"} == {item.split for item in divided.items}
