"""Dividing images into those to learn from, those to choose by and those to be judged on."""

from __future__ import annotations

import dataclasses
from collections import defaultdict

from core.data.dataset import Dataset, shuffle_key
from core.errors import InputError
from core.messages import Sentence
from core.specs import SPLITS, DataSpec


def split(dataset: Dataset, spec: DataSpec) -> Dataset:
    """Puts every image into a split.

    Classes keep their shares in each split (stratified). Which image goes where depends on its key, the seed and the
    other images of its class, not on the machine or on the order of files. A division that the data bring is kept;
    where it has no validation images, ``val_share`` of its training images become them. A class with one image
    learns from it: it stays in training.

    With folds, the test images are those that they would be without; the others are dealt out into folds, class by
    class, and one fold validates. Every image outside the test validates in exactly one fold, but for the only one of
    a class. Data that bring their own validation images are not dealt out anew: they may have been kept apart for a
    reason, such as copies of one image among the training images.

    Args:
        dataset: Any data set.
        spec: Shares and seed, or folds.

    Returns:
        The same images in the same order, each with a split.

    Raises:
        InputError: No class has the two images that training and validation need, the images are fewer than the
            folds, or folds are asked of data that bring their own validation images.
    """
    if not dataset.presplit:
        result = _carved(dataset, "", spec, spec.test_share)
    elif not any(item.split == "val" for item in dataset.items):
        result = _carved(dataset, "train", spec, 0.0)
    elif spec.folds:
        raise InputError(
            "{title} brings its own validation images, which may stand apart for a reason, so it is not divided into "
            "folds. Choose several seeds instead, or data without a division.",
            title=dataset.title,
        )
    else:
        result = dataset
    present = {item.split for item in result.items}
    if not {"train", "val"} <= present:
        raise InputError(
            "{title} has too few images to hold some out for validation: at least one class needs two.",
            title=dataset.title,
        )
    return result


def split_warnings(dataset: Dataset) -> list[Sentence]:
    """Returns what a person should know about a divided data set before trusting figures from it."""
    counts = dataset.counts()
    told: list[Sentence] = []
    for name in dataset.classes:
        if sum(of_class.get(name, 0) for of_class in counts.values()) == 1:
            told.append(
                Sentence("The class {name} has a single image; it cannot be validated or tested.", {"name": name})
            )
            continue
        told += [
            Sentence("The class {name} has no images in the split {split}.", {"name": name, "split": part})
            for part in SPLITS
            if part in counts and not counts[part].get(name, 0)
        ]
    training = {name: count for name, count in counts.get("train", {}).items() if count}
    if training and max(training.values()) >= 10 * min(training.values()):
        most, least = max(training, key=lambda name: training[name]), min(training, key=lambda name: training[name])
        told.append(
            Sentence(
                "The classes are very uneven: {most} has {many} training images, {least} has {few}.",
                {"most": most, "many": training[most], "least": least, "few": training[least]},
            )
        )
    return told


def _carved(dataset: Dataset, source: str, spec: DataSpec, test_share: float) -> Dataset:
    """Divides the items of the split ``source`` anew; the others stay where they are."""
    of_class: dict[int, list[str]] = defaultdict(list)
    for item in dataset.items:
        if item.split == source or not dataset.presplit:
            of_class[item.label].append(item.key)
    place: dict[str, str] = {}
    dealt = 0
    for label in sorted(of_class):
        keys = sorted(of_class[label], key=lambda key: shuffle_key(spec.seed, key))
        val, test = _held_out(len(keys), spec.val_share, test_share)
        place |= dict.fromkeys(keys[:test], "test")
        rest = keys[test:]
        if not spec.folds:
            place |= dict.fromkeys(rest[:val], "val") | dict.fromkeys(rest[val:], "train")
            continue
        for number, key in enumerate(rest, start=dealt):  # goes on where the last class ended: folds of one size
            place[key] = "val" if len(rest) > 1 and number % spec.folds == spec.fold else "train"
        dealt += len(rest) if len(rest) > 1 else 0
    if spec.folds and dealt < spec.folds:
        raise InputError(
            "{title} has {count} images to deal out into {folds} folds. Choose fewer folds.",
            title=dataset.title,
            count=dealt,
            folds=spec.folds,
        )
    items = tuple(dataclasses.replace(item, split=place.get(item.key, item.split)) for item in dataset.items)
    return dataclasses.replace(dataset, items=items)


def _held_out(images: int, val_share: float, test_share: float) -> tuple[int, int]:
    """Returns how many of a class's images go to validation and to the test, at least one staying in training."""
    if images < 2:
        return 0, 0
    val = max(1, round(images * val_share))
    test = max(1, round(images * test_share)) if test_share > 0 and images > 2 else 0
    while val + test >= images:
        if test > val:
            test -= 1
        else:
            val -= 1
    return val, test
