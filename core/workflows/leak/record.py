"""What the leak lab tries, and what came out, as records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from core.errors import InputError
from core.specs import AUGMENT_PRESETS, DataSpec
from core.specs.checks import one_of, whole

if TYPE_CHECKING:
    from core.evaluation.intervals import Interval

PROBES = ("nearest", "linear")


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
        seed: Seed of the choice, the copies, the lots and the divisions.
        divisions: How often all pictures are divided anew, and labels drawn anew.
    """

    source: str = "brains"
    group_by: str = "column:patient"
    copies: int = 0
    augment: str = "basic"
    by_lot: bool = True
    images: int = 600
    seed: int = 0
    divisions: int = 5

    def __post_init__(self) -> None:
        whole("copies", self.copies, low=0, high=20)
        whole("images", self.images, low=16, high=5000)
        whole("divisions", self.divisions, low=1, high=20)
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
        accuracy: Share of the judged pictures that are right, the mean over the divisions.
        interval: Its 95 % interval; see :func:`core.workflows.leak.intervals.interval`.
        judged: Pictures judged in each division.
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
        chance: Share of the largest class: what naming it always would reach; the mean over the lots.
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
        plan = LeakPlan(**({"divisions": 1} | record["plan"]))  # what earlier versions wrote was divided once
        return cls(plan, tuple(record["classes"]), measured=measured, shown=shown, **plain)
