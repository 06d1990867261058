"""Dividing images into those to learn from, those to choose by and those to be judged on."""

from __future__ import annotations

import dataclasses
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import Dataset, shuffle_key
from core.data.division.grouped import deal
from core.data.division.relatives import equal_files, joined, relatives
from core.errors import InputError
from core.messages import N_, Sentence
from core.specs import SPLITS, DataSpec

_NAMED = 5
"""Classes that a sentence names."""
_TOO_FEW = {
    "train": N_("There are too few images of {classes} to learn from any. Add images."),
    "val": N_("There are too few images of {classes} to validate on any: no epoch is judged by them. Add images."),
    "test": N_("There are too few images of {classes} to test on any: the result says nothing of them. Add images."),
}
_ELSEWHERE = {
    "train": N_(
        "No image of {classes} is in train, since their folders or groups put all of them elsewhere: these classes are "
        "not learned. Move some to train, or divide the images in another way."
    ),
    "val": N_(
        "No image of {classes} is in val, since their folders or groups put all of them elsewhere: no epoch is judged "
        "by these classes. Move some to val, or divide the images in another way."
    ),
    "test": N_(
        "No image of {classes} is in test, since their folders or groups put all of them elsewhere: the result says "
        "nothing of these classes. Move some to test, or divide the images in another way."
    ),
}


def split(dataset: Dataset, spec: DataSpec, near: Iterable[Sequence[str]] | None = None) -> Dataset:
    """Puts every image into a split.

    Classes keep their shares in each split (stratified). Which image goes where depends on its key, the seed and the
    other images of its class, not on the machine or on the order of files. A division that the data bring is kept;
    where it has no validation images, ``val_share`` of its training images become them. A class with one image
    learns from it: it stays in training. Equal files stay together, whatever their class: a group of them goes to one
    split as a whole, and to training where it is too large to be held out.

    With folds, the test images are those that they would be without; the others are dealt out into folds, class by
    class, and one fold validates. Every image outside the test validates in exactly one fold, but for the only one of
    a class. Data that bring their own validation images are not dealt out anew: they may have been kept apart for a
    reason, such as copies of one image among the training images.

    With ``spec.anew``, the data's own division is set aside.

    Images that a person moved (``dataset.moved``) go where they were moved to, whatever else is said here.

    With ``spec.group_by``, images that are related stay together as equal files do: whole groups are dealt out, and
    the shares are met as closely as the groups allow.

    Args:
        dataset: Any data set.
        spec: Shares and seed, or folds; how images are grouped.
        near: Keys of look-alikes in groups, which ``group_by="near"`` needs;
            :func:`core.workflows.images.divide` finds them.

    Returns:
        The same images in the same order, each with a split; ``copies`` names the equal files that were kept together.

    Raises:
        InputError: No class has the two images that training and validation need, the images are fewer than the
            folds, folds are asked of data that bring their own validation images, or the groups are too few.
    """
    if spec.group_by == "near" and near is None:
        raise ValueError("look-alikes are to be found before images are grouped by them")
    if spec.anew:
        dataset = dataclasses.replace(dataset, presplit=False)
    if not dataset.presplit:
        result = _carved(dataset, "", spec, spec.test_share, near or ())
    elif not any(item.split == "val" for item in dataset.items):
        result = _carved(dataset, "train", spec, 0.0, near or ())
    elif spec.folds:
        raise InputError(
            "{title} brings its own validation images, which may stand apart for a reason, so it is not divided into "
            "folds. Choose several seeds instead, or data without a division.",
            title=dataset.title,
        )
    else:
        result = dataset
    return _whole(_moved(result))


def _whole(result: Dataset) -> Dataset:
    """Returns a divided data set that can be trained on; says why where it lacks training or validation images."""
    present = {item.split for item in result.items}
    if {"train", "val"} <= present:
        return result
    if result.copies:
        raise InputError(
            "{title} holds the same files over and over ({copies} of {images} are copies): nothing is left to validate "
            "on that is not learned from. Add other images.",
            title=result.title,
            copies=sum(len(group) - 1 for group in result.copies),
            images=len(result),
        )
    if result.moved:
        raise InputError(
            "Too many pictures of {title} were moved to other splits: {split} is left without any. Move some back.",
            title=result.title,
            split="train" if "train" not in present else "val",
        )
    raise InputError(
        "{title} has too few images to hold some out for validation: at least one class needs two.", title=result.title
    )


def split_warnings(dataset: Dataset) -> list[Sentence]:
    """Returns what a person should know about a divided data set before trusting figures from it."""
    counts = dataset.counts()
    warnings: list[Sentence] = []
    if dataset.copies:
        warnings.append(
            Sentence(
                "{n} images are copies of others, such as {first} and {second}. Equal files were kept in one split.",
                {
                    "n": sum(len(group) - 1 for group in dataset.copies),
                    "first": dataset.copies[0][0],
                    "second": dataset.copies[0][1],
                },
            )
        )
    warnings += [
        Sentence(
            "The classes {first} and {second} differ only by case or spaces. Merge them if they are one.",
            {"first": first, "second": second},
        )
        for first, second in _nearly_equal(dataset.classes)
    ]
    warnings += missing_classes(dataset)
    training = {name: count for name, count in counts.get("train", {}).items() if count}
    if training and max(training.values()) >= 10 * min(training.values()):
        most, least = max(training, key=lambda name: training[name]), min(training, key=lambda name: training[name])
        warnings.append(
            Sentence(
                "The classes are very uneven: {most} has {many} training images, {least} has {few}.",
                {"most": most, "many": training[most], "least": least, "few": training[least]},
            )
        )
    return warnings


def missing_classes(dataset: Dataset) -> list[Sentence]:
    """Returns a sentence for each split of a divided data set that lacks classes: which, why, and what to do."""
    counts = dataset.counts()
    images = {name: sum(of_class[name] for of_class in counts.values()) for name in dataset.classes}
    found: list[Sentence] = []
    for part in SPLITS:
        missing = [name for name in dataset.classes if part in counts and not counts[part][name]]
        few = [name for name in missing if images[name] < len(counts)]
        for names, template in ((few, _TOO_FEW), ([name for name in missing if name not in few], _ELSEWHERE)):
            if names:
                shown = ", ".join(names[:_NAMED]) + (" …" if len(names) > _NAMED else "")
                found.append(Sentence(template[part], {"classes": shown}))
    return found


def _nearly_equal(names: Iterable[str]) -> list[tuple[str, str]]:
    """Returns pairs of names that differ by case, spaces or composition of their letters only."""
    seen: dict[str, str] = {}
    found = []
    for name in names:
        plain = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
        if plain in seen:
            found.append((seen[plain], name))
        seen.setdefault(plain, name)
    return found


def _carved(dataset: Dataset, source: str, spec: DataSpec, test_share: float, near: Iterable[Sequence[str]]) -> Dataset:
    """Divides the items of the split ``source`` anew; the others stay where they are."""
    of_class: dict[int, list[str]] = defaultdict(list)
    for item in dataset.items:
        if item.split == source or not dataset.presplit:
            of_class[item.label].append(item.key)
    every = [key for keys in of_class.values() for key in keys]
    copies = equal_files(dataset, every)
    if spec.group_by:
        groups = joined(copies, relatives(dataset, every, spec.group_by, near))
        return _placed(dataset, _by_groups(dataset, of_class, groups, spec, test_share), copies)
    group_of = {key: group for group in copies for key in group}
    place: dict[str, str] = {}
    dealt = 0
    for label in sorted(of_class):
        keys = sorted(of_class[label], key=lambda key: shuffle_key(spec.seed, key))
        val, test = _held_out(len(keys), spec.val_share, test_share, of_rest=spec.val_of == "rest")
        remaining = {"test": test, "val": 0 if spec.folds else val}
        rest = []
        for key in keys:
            if key in place:
                continue
            group = group_of.get(key, (key,))
            split = next((split for split, left in remaining.items() if left >= len(group)), "train")
            if split == "train" and spec.folds:
                rest.append(group)
                continue
            place |= dict.fromkeys(group, split)
            if split != "train":
                remaining[split] -= len(group)
        for number, group in enumerate(rest, start=dealt):  # goes on where the last class ended: folds of one size
            held_out = len(rest) > 1 and number % spec.folds == spec.fold
            place |= dict.fromkeys(group, "val" if held_out else "train")
        dealt += len(rest) if len(rest) > 1 else 0
    if spec.folds and dealt < spec.folds:
        raise InputError(
            "{title} has {count} images to deal out into {folds} folds. Choose fewer folds.",
            title=dataset.title,
            count=dealt,
            folds=spec.folds,
        )
    return _placed(dataset, place, copies)


def _placed(dataset: Dataset, place: Mapping[str, str], copies: tuple[tuple[str, ...], ...]) -> Dataset:
    items = tuple(dataclasses.replace(item, split=place.get(item.key, item.split)) for item in dataset.items)
    return dataclasses.replace(dataset, items=items, copies=copies)


def _moved(dataset: Dataset) -> Dataset:
    """Puts into their splits the images that a person moved."""
    if not dataset.moved:
        return dataset
    items = (dataclasses.replace(i, split=dataset.moved.get(i.key, i.split)) for i in dataset.items)
    return dataclasses.replace(dataset, items=tuple(items))


def _by_groups(
    dataset: Dataset,
    of_class: dict[int, list[str]],
    related: Iterable[Sequence[str]],
    spec: DataSpec,
    test_share: float,
) -> dict[str, str]:
    """Returns the split of every image where groups stay whole."""
    label_of = {key: label for label, keys in of_class.items() for key in keys}
    groups = [tuple(group) for group in related]
    alone = set(label_of).difference(*groups)
    groups += [(key,) for key in alone]
    groups.sort(key=lambda group: min(shuffle_key(spec.seed, key) for key in group))
    counts = np.zeros((len(groups), len(dataset.classes)), dtype=np.int64)
    for row, group in enumerate(groups):
        for key in group:
            counts[row, label_of[key]] += 1
    parts = 1 + (spec.folds or 1) + (test_share > 0)
    if len(groups) < parts:
        raise InputError(
            "Grouped by {how}, {title} falls into {count} groups, but {parts} are needed to hold some out. Choose "
            "another way to group.",
            how=spec.group_by,
            title=dataset.title,
            count=len(groups),
            parts=parts,
        )
    place = np.full(len(groups), "train", dtype=object)
    if test_share > 0:
        place[_shared_out(counts, test_share)] = "test"
    rest = np.flatnonzero(place == "train")
    if spec.folds:
        folds = deal(counts[rest], np.full(spec.folds, 1 / spec.folds))
        place[rest[folds == spec.fold]] = "val"
    else:
        share = spec.val_share if spec.val_of == "rest" else spec.val_share / (1 - test_share)
        place[rest[_shared_out(counts[rest], share)]] = "val"
    return {key: str(place[row]) for row, group in enumerate(groups) for key in group}


def _shared_out(counts: NDArray[np.int64], share: float) -> NDArray[np.int64]:
    """Returns which groups are held out: at least one, and of every class something stays behind if it can."""
    held = deal(counts, np.array([share, 1 - share])) == 0
    size = counts.sum(axis=1)
    for label in np.flatnonzero(counts[~held].sum(axis=0) < counts.sum(axis=0).clip(max=1)):
        of_class = np.flatnonzero(counts[:, label])
        held[of_class[np.argmin(size[of_class])]] = False
    if not held.any():
        left = counts.sum(axis=0) - counts
        spared = (left >= counts.sum(axis=0).clip(max=1)).all(axis=1)
        choice = np.flatnonzero(spared) if spared.any() else np.arange(len(counts))
        held[choice[np.argmin(size[choice])]] = True
    return np.flatnonzero(held)


def _held_out(images: int, val_share: float, test_share: float, *, of_rest: bool) -> tuple[int, int]:
    """Returns how many of a class's images go to validation and to the test, at least one staying in training."""
    if images < 2:
        return 0, 0
    test = max(1, round(images * test_share)) if test_share > 0 and images > 2 else 0
    val = max(1, round((images - test if of_rest else images) * val_share))
    while val + test >= images:
        if test > val:
            test -= 1
        else:
            val -= 1
    return val, test
