"""The leak lab: the same pictures divided carelessly and carefully; two accuracies, the gap between them, and why.

Pictures have relatives: slices of one patient, or changed copies of one photograph. A careless division deals them out
one by one, so that a network is judged on heads that it has learned; a careful one keeps relatives together, or copies
only after it has divided. Every picture is judged once, by four-fold cross-validation, on frozen features of the
packaged network: by the nearest training picture, which learns by heart as a large network does, and by a linear head.

With labels drawn by lot nothing can be learned, so that half is all a careful division can find; the careless one
still finds nearly all (Yagis et al. 2021, Scientific Reports 11:22544, doi:10.1038/s41598-021-01681-w, on brain MRI).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.data.dataset import Dataset
from core.data.division.relatives import equal_files, joined, relatives
from core.data.sources import open_spec
from core.errors import InputError
from core.evaluation.figures import judge
from core.evaluation.intervals import Interval
from core.messages import Progress
from core.specs import AUGMENT_PRESETS, AugmentSpec, DataSpec
from core.specs.checks import one_of, whole

ARMS = ("before", "grouped", "after")
"""Divided picture by picture, copies and all; relatives together; divided first and only training pictures copied."""
PROBES = ("nearest", "linear")
FOLDS = 4
LEAST_GROUPS = 2 * FOLDS
SHOWN = 4
THUMBNAIL = 112
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class LeakPlan:
    """What is tried.

    Attributes:
        source: Name of an embedded data set, or a folder's path.
        group_by: Which pictures are relatives, as in :attr:`core.specs.DataSpec.group_by`; empty for equal files and
            copies only.
        copies: Changed copies made of each picture.
        augment: How the copies are changed: a preset of augmentation.
        by_lot: Whether labels are drawn by lot, one for each group of relatives, instead of the pictures' own.
        images: Pictures that take part at most, without their copies.
        seed: Seed of the choice, the copies, the lot and the division.
    """

    source: str = "brains"
    group_by: str = "column:patient"
    copies: int = 0
    augment: str = "basic"
    by_lot: bool = True
    images: int = 600
    seed: int = 0

    def __post_init__(self) -> None:
        whole("copies", self.copies, low=0, high=20)
        whole("images", self.images, low=16, high=5000)
        one_of("augment", self.augment, AUGMENT_PRESETS)
        if not isinstance(self.by_lot, bool):
            raise InputError("{name} is {value}. It must be true or false.", name="by_lot", value=str(self.by_lot)[:60])
        self.data  # noqa: B018 (its checks)

    @property
    def data(self) -> DataSpec:
        """The pictures that are chosen from."""
        return DataSpec(self.source, seed=self.seed, group_by=self.group_by)

    @classmethod
    def usual(cls, source: str) -> LeakPlan:
        """Returns what is tried with a source where a person has no wish."""
        if source.partition("?")[0] == "brains":
            return cls(source)
        return cls(source, group_by="", copies=4, by_lot=False, images=120)


@dataclass(frozen=True, slots=True)
class Measured:
    """What one probe reaches under one division.

    Attributes:
        accuracy: Share of the judged pictures that are right.
        interval: Its 95 % interval over groups of relatives.
        judged: Pictures judged.
    """

    accuracy: float
    interval: Interval
    judged: int


@dataclass(frozen=True, slots=True)
class Shown:
    """A judged picture and the training picture most like it under two divisions.

    Attributes:
        picture: JPEG, base64.
        label: Its class.
        neighbours: By arm: JPEG in base64, its class, and whether it is a relative.
    """

    picture: str
    label: str
    neighbours: Mapping[str, tuple[str, str, bool]]


@dataclass(frozen=True, slots=True)
class LeakResult:
    """What came out.

    Attributes:
        plan: What was tried.
        classes: The classes.
        pictures: Pictures that took part, without copies.
        groups: Groups of relatives among them, those that stand alone included.
        chance: Share of the largest class: what naming it always would reach.
        measured: By arm and probe.
        torn: By arm, the share of judged pictures that have a relative among the training pictures.
        found: By arm, the share of judged pictures whose nearest training picture is a relative.
        shown: Some pictures with their neighbours.
    """

    plan: LeakPlan
    classes: tuple[str, ...]
    pictures: int
    groups: int
    chance: float
    measured: Mapping[str, Mapping[str, Measured]]
    torn: Mapping[str, float]
    found: Mapping[str, float]
    shown: tuple[Shown, ...]

    @property
    def honest(self) -> str:
        """The careful arm to compare with: copied after the division where there are copies, else grouped."""
        return "after" if "after" in self.measured else "grouped"

    def gap(self, probe: str = PROBES[0]) -> float:
        """Returns how much the careless division promises too much, as a difference of shares."""
        return self.measured["before"][probe].accuracy - self.measured[self.honest][probe].accuracy

    def as_record(self, *, pictures: bool = True) -> dict[str, Any]:
        """Returns plain values for JSON; ``pictures`` says whether the shown ones are among them."""
        record = asdict(self) | {"gap": {probe: self.gap(probe) for probe in PROBES}}
        if not pictures:
            del record["shown"]
        return record

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> LeakResult:
        """Reads what :meth:`as_record` returned.

        Raises:
            KeyError, TypeError, ValueError, InputError: It is none.
        """
        measured = {
            arm: {
                probe: Measured(float(row["accuracy"]), (row["interval"][0], row["interval"][1]), int(row["judged"]))
                for probe, row in rows.items()
            }
            for arm, rows in record["measured"].items()
        }
        shown = tuple(
            Shown(row["picture"], row["label"], {arm: (a, b, bool(c)) for arm, (a, b, c) in row["neighbours"].items()})
            for row in record["shown"]
        )
        plain = {name: record[name] for name in ("pictures", "groups", "chance", "torn", "found")}
        return cls(LeakPlan(**record["plan"]), tuple(record["classes"]), measured=measured, shown=shown, **plain)


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
    labels, classes = _labels(pictures)
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


def measure(pictures: _Pictures, features: NDArray[np.float32], labels: Integers, classes: Sequence[str]) -> LeakResult:
    """Divides, learns and judges; features are ``N x D`` of length 1, a row for each picture and copy."""
    plan, groups = pictures.plan, pictures.groups
    alike = features @ features.T
    measured: dict[str, dict[str, Measured]] = {}
    torn, found, nearest = {}, {}, {}
    for arm in ARMS if plan.copies else ARMS[:2]:
        judged = np.flatnonzero(pictures.copies == 0) if arm == "after" else np.arange(len(labels))
        neighbour = np.full(len(labels), -1, np.int64)
        linear = np.full(len(labels), -1, np.int64)
        related = np.zeros(len(labels), bool)
        for held in _folds(arm, labels, groups, plan.seed):
            learned = np.flatnonzero(~held)
            own = judged[held[judged]]
            neighbour[own] = learned[alike[np.ix_(own, learned)].argmax(axis=1)]
            linear[own] = _linear(features[learned], labels[learned], features[own])
            related[own] = np.isin(groups[own], groups[learned])
        answers = {"nearest": labels[neighbour], "linear": linear}
        measured[arm] = {
            probe: _measured(labels[judged], said[judged], len(classes), groups[judged])
            for probe, said in answers.items()
        }
        torn[arm] = float(related[judged].mean())
        found[arm] = float((groups[neighbour[judged]] == groups[judged]).mean())
        nearest[arm] = neighbour
    originals = labels[pictures.copies == 0]
    return LeakResult(
        plan,
        tuple(classes),
        len(originals),
        len(np.unique(groups)),
        float(np.bincount(originals).max() / len(originals)),
        measured,
        torn,
        found,
        _shown(pictures, nearest, labels, classes),
    )


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


def _labels(pictures: _Pictures) -> tuple[Integers, tuple[str, ...]]:
    """Returns the label of each picture and copy, and the classes' names."""
    dataset, plan = pictures.dataset, pictures.plan
    own = np.array([dataset.items[place].label for place in pictures.places.tolist()], dtype=np.int64)
    present = np.unique(own)
    names = tuple(dataset.classes[label] for label in present.tolist())
    if not plan.by_lot:
        return np.searchsorted(present, own), names
    count = int(pictures.groups.max()) + 1
    drawn = np.random.default_rng([plan.seed, 1]).permutation(np.arange(count) % len(names))
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


def _measured(labels: Integers, answers: Integers, classes: int, groups: Integers) -> Measured:
    probabilities = np.where(np.arange(classes)[None] == answers[:, None], 0.9, 0.1)
    figures = judge(labels, probabilities, groups.tolist())
    return Measured(figures.values["accuracy"], figures.intervals["accuracy"], len(labels))


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
