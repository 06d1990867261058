"""What the check of a set of images found, apart from how: a record that outlives the process that made it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from core.data.dataset import Dataset, Item
from core.data.division.relatives import joined
from core.data.images import Unreadable
from core.errors import InputError
from core.messages import Sentence
from core.specs import SPLITS

LOOSEST, STRICTEST = -0.4, 0.9
"""Between these the limit can be set: 0 is what was measured on the pictures, 1 would be equality."""
LOOKS = ("dark", "bright", "flat", "blurred", "tiny", "huge", "long")
"""Ways in which a picture stands out by its looks."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """A label that may be wrong.

    Attributes:
        key: The picture.
        label: Its class.
        suggested: The class that it looks like.
        confidence: How much surer the probe is of that class.
    """

    key: str
    label: str
    suggested: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Link:
    """Two pictures that are alike.

    Attributes:
        first: Key of one.
        second: Key of the other.
        margin: How far their likeness is above the limit, as a share of the way from there to equality; negative
            where it is below.
    """

    first: str
    second: str
    margin: float


@dataclass(frozen=True, slots=True)
class Sizes:
    """Widths and heights, in pixels.

    Attributes:
        smallest: Width and height of the picture with the fewest pixels.
        typical: Median width and median height.
        largest: Width and height of the picture with the most pixels.
        distinct: How many different sizes there are.
    """

    smallest: tuple[int, int]
    typical: tuple[int, int]
    largest: tuple[int, int]
    distinct: int


@dataclass(frozen=True, slots=True)
class Check:
    """What was found.

    Attributes:
        classes: Images that can be read of each class.
        unreadable: Images that cannot be used.
        left_out: Entries of the folder that were passed over, with the reason.
        equal: Keys of equal files, in groups.
        links: What holds changed copies together, and pairs nearly as alike, the most alike first. Whichever limit is
            set, those above it join all pictures that are alike (a maximum spanning forest); equal files are named by
            their first.
        limit: Margin from which on a link counts as a copy.
        leaks: Keys of copies of either kind that stand in different splits, in groups.
        conflicts: Likewise, in different classes.
        suspects: Labels that may be wrong, the most doubtful first.
        outliers: Pictures unlike all others of their class, the most unlike first, with how far they are.
        looks: Pictures that stand out, by one of :data:`LOOKS`.
        planted: For each kind of planted copy, the margins by which the copies were found.
        sizes: Widths and heights; ``None`` if no image can be read.
        modes: Images of each colour mode (Pillow's names), the commonest first.
        formats: Images of each file format; empty for embedded data.
        bits: Bits in use of pictures saved with 16 a pixel, by which they are scaled; ``None`` where there are none.
        featured: Whether the network's features were used.
    """

    classes: dict[str, int]
    unreadable: tuple[Unreadable, ...] = ()
    left_out: tuple[tuple[str, Sentence], ...] = ()
    equal: tuple[tuple[str, ...], ...] = ()
    links: tuple[Link, ...] = ()
    limit: float = 0.0
    leaks: tuple[tuple[str, ...], ...] = ()
    conflicts: tuple[tuple[str, ...], ...] = ()
    suspects: tuple[Doubt, ...] = ()
    outliers: tuple[tuple[str, float], ...] = ()
    looks: dict[str, tuple[str, ...]] = field(default_factory=dict)
    planted: dict[str, tuple[float, ...]] = field(default_factory=dict)
    sizes: Sizes | None = None
    modes: dict[str, int] = field(default_factory=dict)
    formats: dict[str, int] = field(default_factory=dict)
    bits: int | None = None
    featured: bool = False

    @property
    def alike(self) -> tuple[tuple[str, ...], ...]:
        """Keys of copies that were changed, in groups (those of equal files named by their first)."""
        return _sorted(joined((link.first, link.second) for link in self.links if link.margin >= self.limit))

    @property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """Copies of either kind, in groups."""
        return _sorted(joined(self.equal, self.alike))

    @property
    def recall(self) -> dict[str, float]:
        """Share of planted copies of each kind that the search finds in these pictures."""
        return {
            kind: sum(margin >= self.limit for margin in margins) / len(margins)
            for kind, margins in self.planted.items()
            if margins
        }

    def on(self, dataset: Dataset, limit: float | None = None) -> Check:
        """Returns the same findings for the images as they are labelled and divided now.

        What is no part of the images any more is left out, as are doubts about labels that were changed since.

        Args:
            dataset: The images, or some of them.
            limit: Another margin from which on a link counts as a copy.
        """
        item_of = {item.key: item for item in dataset.items}
        held = self if limit is None else replace(self, limit=limit)
        unreadable = tuple(bad for bad in self.unreadable if bad.key in item_of)
        bad = {entry.key for entry in unreadable}
        groups = _among(item_of, held.groups)
        found = dict.fromkeys(dataset.classes, 0)
        for item in dataset.items:
            found[dataset.classes[item.label]] += item.key not in bad
        return replace(
            held,
            classes=found,
            unreadable=unreadable,
            left_out=dataset.ignored,
            equal=_among(item_of, self.equal),
            links=tuple(link for link in self.links if link.first in item_of and link.second in item_of),
            leaks=tuple(group for group in groups if len({item_of[key].split for key in group}) > 1),
            conflicts=tuple(group for group in groups if len({item_of[key].label for key in group}) > 1),
            suspects=tuple(doubt for doubt in self.suspects if _open(doubt, item_of, dataset.classes)),
            outliers=tuple(row for row in self.outliers if row[0] in item_of),
            looks={kind: tuple(key for key in keys if key in item_of) for kind, keys in self.looks.items()},
        )

    def as_record(self) -> dict[str, Any]:
        """Returns it as JSON-ready data; ``exact`` and ``near`` count the copies beyond the first of each group."""
        alike = self.alike
        return {
            "classes": self.classes,
            "unreadable": [{"key": bad.key, "reason": bad.reason} for bad in self.unreadable],
            "left_out": [{"key": key, "reason": str(reason)} for key, reason in self.left_out],
            "exact": sum(len(group) - 1 for group in self.equal),
            "near": sum(len(group) - 1 for group in alike),
            "leaks": [list(group) for group in self.leaks],
            "conflicts": [list(group) for group in self.conflicts],
            "suspects": [{**asdict(doubt), "confidence": round(doubt.confidence, 4)} for doubt in self.suspects],
            "outliers": [{"key": key, "distance": round(far, 2)} for key, far in self.outliers],
            "looks": {kind: list(keys) for kind, keys in self.looks.items()},
            "copies": [list(group) for group in self.groups],
            "recall": {kind: round(share, 3) for kind, share in self.recall.items()},
            "sizes": None if self.sizes is None else asdict(self.sizes),
            "modes": self.modes,
            "formats": self.formats,
            "bits": self.bits,
            "featured": self.featured,
        }

    def to_dict(self) -> dict[str, Any]:
        """Returns all that :meth:`from_dict` reads, as JSON can hold it; what ``on`` finds anew is left out."""
        return {
            "classes": self.classes,
            "unreadable": [[bad.key, bad.reason, *_parts(bad.error)] for bad in self.unreadable],
            "equal": [list(group) for group in self.equal],
            "links": [[link.first, link.second, round(link.margin, 4)] for link in self.links],
            "suspects": [[doubt.key, doubt.label, doubt.suggested, doubt.confidence] for doubt in self.suspects],
            "outliers": [list(row) for row in self.outliers],
            "looks": {kind: list(keys) for kind, keys in self.looks.items()},
            "planted": {kind: [round(margin, 4) for margin in margins] for kind, margins in self.planted.items()},
            "sizes": None if self.sizes is None else asdict(self.sizes),
            "modes": self.modes,
            "formats": self.formats,
            "bits": self.bits,
            "featured": self.featured,
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Check:
        """Reads what :meth:`to_dict` made.

        Raises:
            InputError: The record is damaged.
        """
        try:
            sizes = record["sizes"]
            return cls(
                classes={str(name): int(count) for name, count in record["classes"].items()},
                unreadable=tuple(_unreadable(*row) for row in record["unreadable"]),
                equal=tuple(tuple(map(str, group)) for group in record["equal"]),
                links=tuple(Link(str(one), str(other), float(margin)) for one, other, margin in record["links"]),
                suspects=tuple(Doubt(str(k), str(a), str(b), float(sure)) for k, a, b, sure in record["suspects"]),
                outliers=tuple((str(key), float(far)) for key, far in record["outliers"]),
                looks={str(kind): tuple(map(str, keys)) for kind, keys in record["looks"].items()},
                planted={str(kind): tuple(map(float, found)) for kind, found in record["planted"].items()},
                sizes=None if sizes is None else _sizes(sizes),
                modes={str(name): int(count) for name, count in record["modes"].items()},
                formats={str(name): int(count) for name, count in record["formats"].items()},
                bits=record["bits"],
                featured=bool(record["featured"]),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputError("The record of this check is damaged. Check the images again.") from error


def home_of(group: Sequence[str], item_of: Mapping[str, Item]) -> str:
    """Returns the split that copies belong into: training where one of them stands there, else the first there is."""
    order = ("", *SPLITS)
    return min((item_of[key].split for key in group), key=order.index)


def astray(group: Sequence[str], item_of: Mapping[str, Item]) -> tuple[str, ...]:
    """Returns those of some copies that stand elsewhere than :func:`home_of` says: the pictures that leak."""
    home = home_of(group, item_of)
    return tuple(key for key in group if item_of[key].split != home)


def _open(doubt: Doubt, item_of: Mapping[str, Item], classes: Sequence[str]) -> bool:
    item = item_of.get(doubt.key)
    return item is not None and classes[item.label] == doubt.label and doubt.suggested in classes


def _among(known: Mapping[str, object], groups: Iterable[Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    left = (tuple(key for key in group if key in known) for group in groups)
    return tuple(group for group in left if len(group) > 1)


def _sorted(groups: Iterable[Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    return tuple(sorted(tuple(sorted(group)) for group in groups))


def _parts(error: InputError | None) -> list[Any]:
    if error is None:
        return []
    return [error.template, {name: v if isinstance(v, int | float) else str(v) for name, v in error.values.items()}]


def _sizes(record: Mapping[str, Any]) -> Sizes:
    smallest, typical, largest = ((int(w), int(h)) for w, h in (record[n] for n in ("smallest", "typical", "largest")))
    return Sizes(smallest, typical, largest, int(record["distinct"]))


def _unreadable(key: str, reason: str, template: str | None = None, values: Any = None) -> Unreadable:  # noqa: ANN401
    error = None if template is None else InputError(str(template), **values)
    return Unreadable(str(key), str(reason), error)
