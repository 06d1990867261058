"""The leak lab: the same pictures divided carelessly and carefully; two accuracies, the gap between them, and why.

Pictures have relatives: slices of one patient, or changed copies of one photograph. A careless division deals them out
one by one, so that a network is judged on heads that it has learned; a careful one keeps relatives together, or copies
only after it has divided. Every picture is judged once by four-fold cross-validation, and that in several divisions, on
frozen features of the packaged network: by the nearest training picture, which learns by heart as a large network does,
and by a linear head.

With labels drawn by lot, anew for each division, nothing can be learned, so that half is all a careful division can
find, on the average; the careless one still finds nearly all (Yagis et al. 2021, Scientific Reports 11:22544,
doi:10.1038/s41598-021-01681-w, on brain MRI).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.data.dataset import Dataset
from core.data.division.relatives import equal_files, joined, relatives
from core.data.sources import open_spec
from core.errors import InputError
from core.messages import Progress
from core.specs import AugmentSpec
from core.workflows.leak.intervals import interval
from core.workflows.leak.record import PROBES, LeakPlan, LeakResult, Measured, Shown

ARMS = ("before", "grouped", "after")
"""Divided picture by picture, copies and all; relatives together; divided first and only training pictures copied."""
FOLDS = 4
LEAST_GROUPS = 2 * FOLDS
SHOWN = 4
THUMBNAIL = 112
_ROWS = 512
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Pictures:
    """All that take part: each picture and its copies, as places in the data set and numbers of copies."""

    dataset: Dataset
    plan: LeakPlan
    places: Integers
    copies: Integers
    groups: Integers

    def images(self) -> Iterator[Image.Image]:
        for place, copy in zip(self.places.tolist(), self.copies.tolist(), strict=True):
            yield self.image(place, copy)

    def image(self, place: int, copy: int) -> Image.Image:
        from core.data.division.offline_copies import changed

        image = self.dataset.load(place).convert("RGB")
        spec = AugmentSpec.preset(self.plan.augment)
        return changed(image, spec, self.plan.seed, copy, place) if copy else image

    def digests(self) -> NDArray[np.bytes_]:
        """Names what is looked at, so that its features are found again with other labels."""
        found = []
        for place, copy in zip(self.places.tolist(), self.copies.tolist(), strict=True):
            key, path = self.dataset.items[place].key, self.dataset.path(place)
            known: list[object] = [self.plan.source, key, self.plan.seed, copy, self.plan.augment if copy else ""]
            if path is not None:
                known += [str(path), path.stat().st_size, path.stat().st_mtime_ns]
            found.append(hashlib.blake2b(repr(known).encode("utf-8", "surrogatepass"), digest_size=16).digest())
        return np.array(found)


def run(
    plan: LeakPlan, *, device: str = "auto", roots: Sequence[Path] | None = None, progress: Progress | None = None
) -> LeakResult:
    """Carries out a plan: features, both divisions, both probes.

    Args:
        plan: What is tried.
        device: Where the features are computed.
        roots: Folders that pictures may be read under; ``None`` for no limit.
        progress: Called with pictures looked at and all; what it raises ends the work.

    Raises:
        InputError: A picture cannot be read, nothing is related, or there are too few groups.
    """
    from core.workflows.data_check.features import Eye, features_of

    pictures = _choose(plan, roots)
    drawn = [_labels(pictures, division) for division in range(plan.divisions)]
    labels, classes = [own for own, _ in drawn], drawn[0][1]
    features = features_of(pictures.images(), pictures.digests(), Eye(device), progress)
    return measure(pictures, features, labels, classes)


def relatives_shown(
    plan: LeakPlan, count: int, *, roots: Sequence[Path] | None = None
) -> tuple[tuple[Image.Image, ...], ...]:
    """Returns the first pictures of two groups of relatives, ``count`` of each at most.

    Raises:
        InputError: As for :func:`run`.
    """
    pictures = _choose(plan, roots)
    largest = np.argsort(-np.bincount(pictures.groups), kind="stable")[:2].tolist()
    rows = [np.flatnonzero(pictures.groups == group)[:count].tolist() for group in largest]
    return tuple(tuple(pictures.image(int(pictures.places[r]), int(pictures.copies[r])) for r in own) for own in rows)


def measure(
    pictures: _Pictures, features: NDArray[np.float32], labels: Sequence[Integers], classes: Sequence[str]
) -> LeakResult:
    """Divides, learns and judges; features are ``N x D`` of length 1, a row for each picture and copy.

    Args:
        pictures: Who takes part.
        features: What is known of them.
        labels: The labels of all for each division, ``N`` each.
        classes: Names of the classes.
    """
    plan, groups = pictures.plan, pictures.groups
    measured: dict[str, dict[str, Measured]] = {}
    torn, found, nearest = {}, {}, {}
    for arm in ARMS if plan.copies else ARMS[:2]:
        judged = np.flatnonzero(pictures.copies == 0) if arm == "after" else np.arange(len(groups))
        rounds = [
            _judged(arm, features, own, groups, judged, plan.seed + division) for division, own in enumerate(labels)
        ]
        measured[arm] = {
            probe: Measured(
                float(np.mean([part.right[probe].mean() for part in rounds])),
                interval(
                    [[float(part.right[probe][part.fold == fold].mean()) for fold in range(FOLDS)] for part in rounds],
                    [part.right[probe] for part in rounds],
                    groups[judged],
                    anew=plan.by_lot,
                ),
                len(judged),
            )
            for probe in PROBES
        }
        torn[arm] = float(np.mean([part.related for part in rounds]))
        found[arm] = float(np.mean([(groups[part.neighbour] == groups[judged]).mean() for part in rounds]))
        nearest[arm] = np.full(len(groups), -1, np.int64)
        nearest[arm][judged] = rounds[0].neighbour
    originals = [own[pictures.copies == 0] for own in labels]
    return LeakResult(
        plan,
        tuple(classes),
        len(originals[0]),
        len(np.unique(groups)),
        float(np.mean([np.bincount(own).max() / len(own) for own in originals])),
        measured,
        torn,
        found,
        _shown(pictures, nearest, labels[0], classes),
    )


@dataclass(frozen=True, slots=True)
class _Judged:
    """What one division found of the judged pictures: who is right by each probe, and whom each is most like."""

    right: Mapping[str, NDArray[np.bool_]]
    fold: Integers
    neighbour: Integers
    related: float


def _judged(
    arm: str, features: NDArray[np.float32], labels: Integers, groups: Integers, judged: Integers, seed: int
) -> _Judged:
    neighbour, linear, fold = (np.full(len(labels), -1, np.int64) for _ in range(3))
    related = np.zeros(len(labels), bool)
    for number, held in enumerate(_folds(arm, labels, groups, seed)):
        learned = np.flatnonzero(~held)
        own = judged[held[judged]]
        fold[own] = number
        for start in range(0, len(own), _ROWS):
            part = own[start : start + _ROWS]
            neighbour[part] = learned[(features[part] @ features[learned].T).argmax(axis=1)]
        linear[own] = _linear(features[learned], labels[learned], features[own])
        related[own] = np.isin(groups[own], groups[learned])
    said = {"nearest": labels[neighbour[judged]], "linear": linear[judged]}
    right = {probe: answers == labels[judged] for probe, answers in said.items()}
    return _Judged(right, fold[judged], neighbour[judged], float(related[judged].mean()))


def _choose(plan: LeakPlan, roots: Sequence[Path] | None) -> _Pictures:
    """Draws whole groups, class after class, until there are as many pictures as wanted."""
    dataset = open_spec(plan.data, roots=roots)
    keys = [item.key for item in dataset.items]
    near: Sequence[Sequence[str]] = ()
    if plan.group_by == "near":
        from core.workflows.data_check.check import look_alikes

        near = look_alikes(dataset)
    related = relatives(dataset, keys, plan.group_by, near) if plan.group_by else ()
    if not related and not plan.copies:
        raise InputError(
            "No two pictures of {title} are related this way, so no division can leak. Let copies be made, or group "
            "them otherwise.",
            title=dataset.title,
        )
    together = joined(equal_files(dataset, keys), related)
    group_of = {key: number for number, group in enumerate(together) for key in group}
    members: dict[int, list[int]] = {}
    for place, key in enumerate(keys):
        members.setdefault(group_of.get(key, len(keys) + place), []).append(place)
    chance = np.random.default_rng(plan.seed)
    by_class: dict[int, list[list[int]]] = {}
    for group in (list(members.values())[i] for i in chance.permutation(len(members))):
        by_class.setdefault(dataset.items[group[0]].label, []).append(group)
    chosen: list[list[int]] = []
    while any(by_class.values()) and sum(map(len, chosen)) < plan.images:
        chosen += [groups.pop() for _, groups in sorted(by_class.items()) if groups]
    if len(chosen) < LEAST_GROUPS or len(by_class) < 2:
        raise InputError(
            "{title} has {count} groups of related pictures in {classes} classes. The lab needs at least {least} "
            "groups and 2 classes.",
            title=dataset.title,
            count=len(chosen),
            classes=len(by_class),
            least=LEAST_GROUPS,
        )
    rows = [(place, copy, n) for n, group in enumerate(chosen) for place in group for copy in range(plan.copies + 1)]
    places, copies, groups = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
    return _Pictures(dataset, plan, places, copies, groups)


def _labels(pictures: _Pictures, division: int) -> tuple[Integers, tuple[str, ...]]:
    """Returns the label of each picture and copy in a division, and the classes' names."""
    dataset, plan = pictures.dataset, pictures.plan
    own = np.array([dataset.items[place].label for place in pictures.places.tolist()], dtype=np.int64)
    present = np.unique(own)
    names = tuple(dataset.classes[label] for label in present.tolist())
    if not plan.by_lot:
        return np.searchsorted(present, own), names
    count = int(pictures.groups.max()) + 1
    drawn = np.random.default_rng([plan.seed, 1 + division]).permutation(np.arange(count) % len(names))
    return drawn[pictures.groups], names


def _folds(arm: str, labels: Integers, groups: Integers, seed: int) -> Iterator[NDArray[np.bool_]]:
    """Yields for each fold which pictures are held out."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    if np.bincount(labels).min() < FOLDS:
        raise InputError("The smallest class has fewer than {count} pictures. Take more pictures.", count=FOLDS)
    torn = arm == "before"
    divider = (StratifiedKFold if torn else StratifiedGroupKFold)(FOLDS, shuffle=True, random_state=seed % 2**32)
    for _, held in divider.split(labels, labels, None if torn else groups):
        found = np.zeros(len(labels), bool)
        found[held] = True
        yield found


def _linear(learned: NDArray[np.float32], labels: Integers, judged: NDArray[np.float32]) -> Integers:
    """Returns what a linear head says that was fitted to frozen features."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    head = make_pipeline(StandardScaler(), LogisticRegression(max_iter=200)).fit(learned, labels)
    return np.asarray(head.predict(judged), dtype=np.int64)


def _shown(
    pictures: _Pictures, nearest: Mapping[str, Integers], labels: Integers, classes: Sequence[str]
) -> tuple[Shown, ...]:
    """Takes some pictures, spread over all, whose careless neighbour is a relative and whose careful one is none."""
    honest, groups = list(nearest)[-1], pictures.groups
    originals = np.flatnonzero((pictures.copies == 0) & (groups[nearest["before"]] == groups))
    spread = np.linspace(0, len(originals) - 1, min(SHOWN, len(originals))).astype(int)
    rows = originals[spread].tolist()

    def jpeg(row: int) -> str:
        import io

        image = pictures.image(int(pictures.places[row]), int(pictures.copies[row]))
        image.thumbnail((THUMBNAIL, THUMBNAIL))
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=85)
        return base64.b64encode(stream.getvalue()).decode()

    def neighbour(arm: str, row: int) -> tuple[str, str, bool]:
        other = int(nearest[arm][row])
        return jpeg(other), classes[labels[other]], bool(groups[other] == groups[row])

    return tuple(
        Shown(jpeg(row), classes[labels[row]], {arm: neighbour(arm, row) for arm in ("before", honest)}) for row in rows
    )
