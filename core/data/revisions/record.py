"""A revision of a data source: an immutable record of what was changed since the files were taken as they lie."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from core.errors import InputError
from core.messages import N_, Sentence
from core.specs import SPLITS
from core.specs.checks import one_of

MAX_NAME = 80
"""Characters of a revision's name."""
COPIES = "copies"
"""The kind of a kept finding that says: these may stand where they are, whatever copies they are."""
_WORDS = {
    "excluded": (N_("{n} left out"), N_("{n} taken back in")),
    "relabelled": (N_("{n} in another class"), N_("{n} in the old class again")),
    "moved": (N_("{n} moved to another split"), N_("{n} back in the split of the division")),
    "kept": (N_("{n} set aside as no problem"), N_("{n} open again")),
}
_NO_RECORD = N_("This is no record of a revision: {reason}.")


@dataclass(frozen=True, slots=True)
class Revision:
    """What was changed of a data source. The fields are sorted tuples, so that equal changes are equal records.

    Attributes:
        source: The data source, as a data set's ``name`` has it.
        excluded: Keys of the pictures that are left out.
        relabelled: Keys with the class that they bear instead, a class as it is called after ``merged``.
        moved: Keys with the split that they are put into after the division.
        merged: Classes of the source with the class that they are part of, or the name that they have, instead.
        kept: Findings that are no problem: what kind of finding, and the keys that it names.
        name: What a person calls it.
        parent: Hash of the revision that it was made from; empty for the files as they lie.
        made: When, in seconds since 1970; 0 before it is stored.
    """

    source: str
    excluded: tuple[str, ...] = ()
    relabelled: tuple[tuple[str, str], ...] = ()
    moved: tuple[tuple[str, str], ...] = ()
    merged: tuple[tuple[str, str], ...] = ()
    kept: tuple[tuple[str, tuple[str, ...]], ...] = ()
    name: str = ""
    parent: str = ""
    made: float = 0.0

    @property
    def hash(self) -> str:
        """What the source and the changes are known by, whoever made them in whichever order; empty without changes."""
        if not self.changed:
            return ""
        record = self.as_record()
        text = json.dumps({key: record[key] for key in ("source", *_CHANGES)}, sort_keys=True, separators=(",", ":"))
        return hashlib.blake2b(text.encode(), digest_size=10).hexdigest()

    @property
    def changed(self) -> bool:
        """Whether anything is another way than the files have it."""
        return any(getattr(self, name) for name in _CHANGES)

    @property
    def keys(self) -> frozenset[str]:
        """The pictures that are left out, relabelled or moved."""
        return frozenset([*self.excluded, *dict(self.relabelled), *dict(self.moved)])

    def excluding(self, keys: Iterable[str]) -> Revision:
        """Returns the revision that leaves these pictures out, too."""
        return self._child(excluded=tuple(sorted({*self.excluded, *keys})))

    def relabelling(self, classes: Mapping[str, str]) -> Revision:
        """Returns the revision that puts pictures into other classes: key -> class, as classes are called now."""
        return self._child(relabelled=_pairs({**dict(self.relabelled), **classes}))

    def moving(self, splits: Mapping[str, str]) -> Revision:
        """Returns the revision that puts pictures into other splits: key -> ``train``, ``val`` or ``test``.

        Raises:
            InputError: There is no such split.
        """
        for split in splits.values():
            one_of("split", split, SPLITS)
        return self._child(moved=_pairs({**dict(self.moved), **splits}))

    def gathering(self, keys: Iterable[str], split: str = "train") -> Revision:
        """Returns the revision that puts all of a group, such as the copies of one picture, into one split."""
        return self.moving(dict.fromkeys(keys, split))

    def merging(self, classes: Mapping[str, str]) -> Revision:
        """Returns the revision that renames classes, or makes them part of others: old name -> new one, as of now.

        Names are replaced all at once, so that two classes can exchange theirs.
        """
        names = {old: " ".join(new.split()) for old, new in classes.items()}
        if "" in names.values():
            raise InputError("A class cannot be without a name. Give the class {name} one.", name=_without(names))
        before = dict(self.merged)
        after = {old: names.get(new, new) for old, new in before.items()}
        after |= {old: new for old, new in names.items() if old not in before}
        labels = {key: names.get(label, label) for key, label in self.relabelled}
        return self._child(merged=_pairs({a: b for a, b in after.items() if a != b}), relabelled=_pairs(labels))

    def keeping(self, keys: Iterable[str], kind: str = COPIES) -> Revision:
        """Returns the revision that says of a finding that it is no problem.

        Args:
            keys: The pictures that it names.
            kind: What was found, such as ``copies``, ``suspects`` or ``dark``.
        """
        return self._child(kept=tuple(sorted({*self.kept, _finding(kind, keys)})))

    def restoring(self, keys: Iterable[str]) -> Revision:
        """Returns the revision that takes these pictures as the files have them, and opens the findings on them."""
        named = frozenset(keys)
        return self._child(
            excluded=tuple(key for key in self.excluded if key not in named),
            relabelled=tuple(pair for pair in self.relabelled if pair[0] not in named),
            moved=tuple(pair for pair in self.moved if pair[0] not in named),
            kept=tuple(finding for finding in self.kept if not named.intersection(finding[1])),
        )

    def named(self, name: str) -> Revision:
        """Returns the same changes under another name.

        Raises:
            InputError: It is too long.
        """
        cleaned = " ".join(name.split())
        if len(cleaned) > MAX_NAME:
            raise InputError(
                "A revision's name has at most {most} characters; this one has {count}.",
                most=MAX_NAME,
                count=len(cleaned),
            )
        return dataclasses.replace(self, name=cleaned)

    def keeps(self, keys: Collection[str], kind: str = COPIES) -> bool:
        """Whether somebody said of a finding on these pictures, or on them and others, that it is no problem."""
        return any(kind == known and set(keys) <= set(group) for known, group in self.kept)

    def changes(self, since: Revision | None = None) -> tuple[Sentence, ...]:
        """Returns in words what was changed since another revision; since the files as they lie by default."""
        before = since or Revision(self.source)
        found = []
        for field, (more, less) in _WORDS.items():
            old, new = set(getattr(before, field)), set(getattr(self, field))
            gone = {pair[0] for pair in old} - {pair[0] for pair in new} if field in _PAIRS else old - new
            found += [Sentence(text, {"n": len(part)}) for text, part in ((more, new - old), (less, gone)) if part]
        old_names, names = dict(before.merged), dict(self.merged)
        for name in sorted({*old_names, *names}):
            if names.get(name, name) != old_names.get(name, name):
                values: dict[str, object] = {"old": name, "new": names.get(name, name)}
                found.append(Sentence("{old} is called {new}", values))
        return tuple(found)

    def as_record(self) -> dict[str, Any]:
        """Returns it as JSON-ready data."""
        return {
            "source": self.source,
            "name": self.name,
            "parent": self.parent,
            "made": self.made,
            "excluded": list(self.excluded),
            "relabelled": dict(self.relabelled),
            "moved": dict(self.moved),
            "merged": dict(self.merged),
            "kept": [{"kind": kind, "keys": list(keys)} for kind, keys in self.kept],
        }

    @classmethod
    def from_record(cls, record: object) -> Revision:
        """Reads what :meth:`as_record` returned; what it lacks is as nobody changed it.

        Raises:
            InputError: It is nothing of the kind.
        """
        if not isinstance(record, dict):
            raise InputError(_NO_RECORD, reason="no JSON object")
        try:
            found = cls(
                source=_text(record["source"]),
                excluded=tuple(sorted({_text(key) for key in record.get("excluded", ())})),
                relabelled=_pairs(record.get("relabelled", {})),
                moved=_pairs(record.get("moved", {})),
                merged=_pairs(record.get("merged", {})),
                kept=tuple(
                    sorted(
                        {(_text(one["kind"]), tuple(sorted(map(_text, one["keys"])))) for one in record.get("kept", ())}
                    )
                ),
                name=_text(record.get("name", ""))[:MAX_NAME],
                parent=_text(record.get("parent", "")),
                made=float(record.get("made", 0.0)),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(_NO_RECORD, reason=str(error) or type(error).__name__) from error
        for _, split in found.moved:
            one_of("split", split, SPLITS)
        return found

    def _child(self, **changes: Any) -> Revision:
        """Returns a revision with other changes; it is this one where these are none."""
        found = dataclasses.replace(self, **changes)
        if found.hash == self.hash:
            return self
        return dataclasses.replace(found, parent=self.hash, name="", made=0.0)


_CHANGES = ("excluded", "relabelled", "moved", "merged", "kept")
_PAIRS = ("relabelled", "moved")


def _pairs(mapping: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((_text(key), _text(value)) for key, value in mapping.items()))


def _finding(kind: object, keys: Iterable[str]) -> tuple[str, tuple[str, ...]]:
    return _text(kind), tuple(sorted(set(map(_text, keys))))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{str(value)[:40]} is no text")
    return value


def _without(names: Mapping[str, str]) -> str:
    return next(old for old, new in names.items() if not new)
