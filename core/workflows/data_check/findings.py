"""The findings of a check as rows: what each kind is called, why it matters, and what can be done about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from core.data.revisions.record import COPIES, Revision
from core.messages import N_
from core.workflows.data_check.report import Check, astray

if TYPE_CHECKING:
    from core.data.dataset import Dataset

Action = Literal["gather", "exclude_strays", "exclude_extra", "exclude", "relabel", "suggest", "keep"]


@dataclass(frozen=True, slots=True)
class Unit:
    """What one decision is about: a picture, or copies of one picture.

    Attributes:
        keys: The pictures.
        suggested: The class that a doubted picture looks like; empty for all others.
    """

    keys: tuple[str, ...]
    suggested: str = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of finding.

    Attributes:
        id: Its name, also in the address and in revisions.
        title: What it is called, to be translated.
        why: Why it matters and what to do, in a sentence or two, to be translated.
        tone: ``bad`` or ``warn``.
        find: Returns its units among what a check found.
        actions: What can be done, in the order of the buttons, the first the most useful one.
        kept_as: The kind under which a revision keeps it; its ``id`` by default.
        ticked: Actions that need a picture to be ticked: on all of them at once they would do harm.
    """

    id: str
    title: str
    why: str
    tone: Literal["bad", "warn"]
    find: Callable[[Check], Sequence[Unit]]
    actions: tuple[Action, ...]
    kept_as: str = ""
    ticked: frozenset[Action] = frozenset()


def _groups(found: Sequence[tuple[str, ...]]) -> list[Unit]:
    return [Unit(group) for group in found]


def _doubles(check: Check) -> list[Unit]:
    named = {*check.leaks, *check.conflicts}
    return [Unit(group) for group in check.groups if group not in named]


def _look(kind: str, title: str, why: str) -> Kind:
    return Kind(
        kind,
        title,
        why,
        "warn",
        lambda found: _groups([(key,) for key in found.looks.get(kind, ())]),
        ("exclude", "keep"),
    )


KINDS = (
    Kind(
        "leaks",
        N_("In two splits"),
        N_(
            "What was learned is asked again, so results look too good. Let all copies of a picture learn, or leave "
            "out all but those in training."
        ),
        "bad",
        lambda found: _groups(found.leaks),
        ("gather", "exclude_strays", "keep"),
        kept_as=COPIES,
    ),
    Kind(
        "conflicts",
        N_("In two classes"),
        N_(
            "The same picture under two names: a network cannot learn both. Tick those that are wrong, and relabel "
            "them or leave them out."
        ),
        "bad",
        lambda found: _groups(found.conflicts),
        ("relabel", "exclude", "keep"),
        ticked=frozenset({"relabel", "exclude"}),
    ),
    Kind(
        "unreadable",
        N_("Files that cannot be read"),
        N_("They are left out of training as they are; take them out of the list, or mend the files and check again."),
        "warn",
        lambda found: _groups([(bad.key,) for bad in found.unreadable]),
        ("exclude", "keep"),
    ),
    Kind(
        "suspects",
        N_("Doubtful labels"),
        N_(
            "Other pictures of their class look different, and those of another class look like them. Each wrong label "
            "teaches the wrong thing."
        ),
        "warn",
        lambda found: [Unit((doubt.key,), doubt.suggested) for doubt in found.suspects],
        ("suggest", "relabel", "exclude", "keep"),
        ticked=frozenset({"relabel"}),
    ),
    Kind(
        "doubles",
        N_("Twice in one split"),
        N_("They stand in one split and one class: they count double, no more."),
        "warn",
        _doubles,
        ("exclude_extra", "keep"),
        kept_as=COPIES,
    ),
    Kind(
        "outliers",
        N_("Unlike the others of their class"),
        N_("Often pictures of something else, drawings or screenshots; sometimes rare views that are worth keeping."),
        "warn",
        lambda found: _groups([(key,) for key, _far in found.outliers]),
        ("exclude", "relabel", "keep"),
        ticked=frozenset({"relabel"}),
    ),
    _look("dark", N_("Very dark"), N_("Little can be seen in them; a network may learn the darkness instead.")),
    _look("bright", N_("Very bright"), N_("Little can be seen in them; a network may learn the brightness instead.")),
    _look("flat", N_("One colour"), N_("They show next to nothing: nothing can be learned from them.")),
    _look("blurred", N_("Blurred"), N_("Details are gone; where one class is blurred more often, that gives it away.")),
    _look("tiny", N_("Tiny"), N_("Far fewer pixels than the others: enlarged, they look unlike anything else.")),
    _look("huge", N_("Huge"), N_("Far more pixels than the others: they take long to load, and shrink to little.")),
    _look("long", N_("Long and narrow"), N_("Made a square, they are squeezed, or lose most of what they show.")),
)
"""All kinds, the gravest first."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one kind and is still open.

    Attributes:
        kind: The kind.
        units: What is to be decided.
        settled: How many were set aside.
    """

    kind: Kind
    units: tuple[Unit, ...]
    settled: int = 0


def open_findings(found: Check, revision: Revision) -> list[Finding]:
    """Returns what was found and nobody has set aside, the gravest first."""
    rows = []
    for kind in KINDS:
        units = kind.find(found)
        left = tuple(unit for unit in units if not revision.keeps(unit.keys, kind.kept_as or kind.id))
        if left:
            rows.append(Finding(kind, left, len(units) - len(left)))
    return rows


def changed(
    action: Action, kind: Kind, units: Sequence[Unit], dataset: Dataset, revision: Revision, label: str = ""
) -> Revision:
    """Returns the revision in which something was done about some findings.

    Args:
        action: What is done.
        kind: What was found.
        units: The findings, or some pictures of theirs.
        dataset: The images as they are now.
        revision: The revision so far.
        label: The class, for ``relabel``.
    """
    item_of = {item.key: item for item in dataset.items}
    keys = [key for unit in units for key in unit.keys]
    if action == "gather":
        return revision.gathering(keys)
    if action == "exclude_strays":
        return revision.excluding(key for unit in units for key in astray(unit.keys, item_of))
    if action == "exclude_extra":
        return revision.excluding(key for unit in units for key in unit.keys[1:])
    if action == "exclude":
        return revision.excluding(keys)
    if action == "relabel":
        return revision.relabelling(dict.fromkeys(keys, label))
    if action == "suggest":
        return revision.relabelling({key: unit.suggested for unit in units for key in unit.keys})
    for unit in units:
        revision = revision.keeping(unit.keys, kind.kept_as or kind.id)
    return revision
