"""What a revision makes of a source's images."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable

from core.data.dataset import Dataset
from core.data.revisions.record import Revision
from core.errors import InputError
from core.messages import Sentence


def revised(dataset: Dataset, revision: Revision) -> Dataset:
    """Returns the images as a revision has them; what it moves is put into its split where the images have splits.

    Pictures that it names and that are not there any more are listed among what was passed over.

    Args:
        dataset: The source's images, as they lie.
        revision: Of this source, wherever that lay when the revision was made.

    Raises:
        InputError: None of its pictures is there, it names a class that is not, it leaves a class without pictures, or
            fewer than two classes.
    """
    if not revision.changed:
        return dataset
    known = {item.key for item in dataset.items}
    missing = sorted(revision.keys - known)
    if missing and len(missing) == len(revision.keys):
        raise InputError(
            "The revision {hash} was made for {source}: it names pictures ({n}), and {title} has none of them.",
            n=len(missing),
            hash=revision.hash,
            title=dataset.title,
            source=revision.source,
        )
    labels, names = dict(revision.relabelled), dict(revision.merged)
    classes = tuple(dict.fromkeys(names.get(name, name) for name in dataset.classes))
    _check_classes(dataset, classes, ((key, labels[key]) for key in labels if key in known))
    place = {name: label for label, name in enumerate(classes)}
    excluded, moved = frozenset(revision.excluded), dict(revision.moved)
    items, filed = [], {}
    for item in dataset.items:
        if item.key in excluded:
            continue
        old = dataset.classes[item.label]
        new = labels.get(item.key) or names.get(old, old)
        if new != old:
            filed[item.key] = old
        split = moved.get(item.key, item.split) if dataset.presplit else item.split
        items.append(dataclasses.replace(item, label=place[new], split=split))
    _check_emptied(dataset, classes, names, Counter(item.label for item in items))
    gone = Sentence("The revision names pictures that are not there (any more): {n}.", {"n": len(missing)})
    return dataclasses.replace(
        dataset,
        classes=classes,
        items=tuple(items),
        moved=moved,
        filed=filed,
        ignored=dataset.ignored + (((missing[0], gone),) if missing else ()),
    )


def _check_classes(dataset: Dataset, classes: tuple[str, ...], labels: Iterable[tuple[str, str]]) -> None:
    if len(classes) < 2 <= len(dataset.classes):
        raise InputError(
            "Merged like this, {title} has the one class {name}. Leave at least two.",
            title=dataset.title,
            name=classes[0],
        )
    for key, label in labels:
        if label not in classes:
            raise InputError(
                "{key} cannot be relabelled: {title} has no class {name}. Its classes: {known}.",
                key=key,
                title=dataset.title,
                name=label,
                known=", ".join(classes[:10]) + (", …" if len(classes) > 10 else ""),
            )


def _check_emptied(dataset: Dataset, classes: tuple[str, ...], names: dict[str, str], counts: Counter[int]) -> None:
    had = {names.get(name, name) for name in (dataset.classes[label] for label in {i.label for i in dataset.items})}
    for label, name in enumerate(classes):
        if name in had and not counts[label]:
            raise InputError(
                "No picture of {name} is left in {title}. Keep some, or leave the class out or merge it into another.",
                name=name,
                title=dataset.title,
            )
