"""What an unpacked upload left out, kept in a hidden file beside its images, so that it is still known later."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from core.messages import N_, Sentence

NOTES_FILE = ".passed-over.json"
MOST_NOTES = 1000
"""Notes that are kept at most; the last one says how many more there were."""

SENTENCES = {
    "convertible": N_("{name} is a picture of a kind that is not read here. Save it as JPEG or PNG."),
    "no image": N_("{name} is no image by its name."),
    "missing": N_("{name} is named in the table, but is not there."),
    "no path": N_("{name} has no image or no class."),
    "unreadable": N_("{name} cannot be used: {value}"),
    "guessed": N_(
        "The names in {name} are in no declared encoding; they were read as {value}. Rename what looks wrong."
    ),
    "more": N_("{value} entries more were passed over."),
}


class Note(NamedTuple):
    """One thing that was left out or guessed.

    Attributes:
        kind: A key of :data:`SENTENCES`.
        name: The entry's path in the archive, or the archive's name.
        value: What the sentence names beside it.
    """

    kind: str
    name: str
    value: str = ""

    @property
    def sentence(self) -> Sentence:
        """The note for a person."""
        return Sentence(SENTENCES[self.kind], {"name": self.name, "value": self.value})


def write_notes(folder: Path, notes: Sequence[Note]) -> None:
    """Keeps the notes of a folder; nothing is written where there are none."""
    kept = list(notes[:MOST_NOTES])
    if len(notes) > MOST_NOTES:
        kept.append(Note("more", "", str(len(notes) - MOST_NOTES)))
    if kept:
        (folder / NOTES_FILE).write_text(json.dumps(kept, ensure_ascii=False), encoding="utf-8")


def read_notes(folder: Path) -> tuple[Note, ...]:
    """Returns the notes of a folder; none where there are none that can be read."""
    try:
        rows = json.loads((folder / NOTES_FILE).read_text(encoding="utf-8"))
        notes = [Note(*map(str, row)) for row in rows[: MOST_NOTES + 1]]
    except (OSError, ValueError, TypeError, KeyError):  # KeyError: slices are hashable from Python 3.12 on
        return ()
    return tuple(note for note in notes if note.kind in SENTENCES)
