"""What people write beside a run: tags, a group, a note, and whether it is put away; never read by the trainer.

A change says what is added and what is taken away, and is made under a lock: two people who tag one run at once lose
nothing. A note is one text: who saves it must have seen the last one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from core.errors import InputError, RunMissing
from core.runs.files import read_json, write_json
from core.runs.store import NOTES, Run

MOST_TAGS = 20
LONGEST_TAG, LONGEST_GROUP, LONGEST_NOTE = 40, 60, 4000
PATIENCE_SECONDS = 5.0
_LOCK = ".notes.lock"


@dataclass(frozen=True, slots=True)
class Annotations:
    """What stands beside a run.

    Attributes:
        tags: In alphabetical order.
        group: What the run belongs to; empty for none.
        note: A text of any lines.
        archived: Whether the run is out of the way.
    """

    tags: tuple[str, ...] = ()
    group: str = ""
    note: str = ""
    archived: bool = False


def read_annotations(folder: Path) -> Annotations:
    """Returns what stands beside a run; what cannot be read is as if it were not there.

    Args:
        folder: The run's.
    """
    record = read_json(folder / NOTES)
    tags = record.get("tags")
    kept = {tag for tag in tags if isinstance(tag, str) and tag.strip()} if isinstance(tags, list) else set()
    return Annotations(
        tags=tuple(sorted(kept))[:MOST_TAGS],
        group=_text(record.get("group"))[:LONGEST_GROUP],
        note=_text(record.get("note"))[:LONGEST_NOTE],
        archived=record.get("archived") is True,
    )


def annotate(
    run: Run,
    *,
    add: Iterable[str] = (),
    remove: Iterable[str] = (),
    group: str | None = None,
    note: tuple[str, str] | None = None,
    archived: bool | None = None,
) -> Annotations:
    """Changes what stands beside a run, and returns what then stands there.

    Args:
        run: The run.
        add: Tags to add.
        remove: Tags to take away.
        group: Its group; ``None`` to leave it, empty for none.
        note: The text that was seen, and the one that is to replace it; ``None`` to leave it.
        archived: Whether it is put away; ``None`` to leave it.

    Raises:
        RunMissing: The run is gone.
        InputError: A tag, group or note is empty or too long, there are too many tags, somebody else changed the note
            meanwhile, or the folder cannot be written.
    """
    added = {_line(tag, LONGEST_TAG) for tag in add}
    named = None if group is None else _line(group, LONGEST_GROUP) if group.strip() else ""
    if note is not None and len(note[1]) > LONGEST_NOTE:
        raise InputError(
            "The note has {count} characters; at most {most} are kept.", count=len(note[1]), most=LONGEST_NOTE
        )
    if not run.exists:
        raise RunMissing("The run {name} does not exist any more. Choose another one.", name=run.id)
    try:
        with FileLock(run.path / _LOCK, timeout=PATIENCE_SECONDS):
            known = read_annotations(run.path)
            if note is not None and known.note not in note:
                raise InputError(
                    "Somebody else changed the note of {name} meanwhile. Theirs is shown now; add yours to it.",
                    name=run.name,
                )
            changed = replace(known, tags=tuple(sorted((set(known.tags) | added) - set(remove))))
            changed = replace(changed, group=changed.group if named is None else named)
            changed = replace(changed, note=changed.note if note is None else note[1])
            changed = replace(changed, archived=changed.archived if archived is None else archived)
            if len(changed.tags) > MOST_TAGS:
                raise InputError("A run has at most {most} tags. Take one away first.", most=MOST_TAGS)
            if changed != known:
                write_json(run.path / NOTES, _record(changed))
    except Timeout as error:
        raise InputError("{name} is being changed by somebody else. Try again.", name=run.name) from error
    except OSError as error:
        raise InputError(
            "What stands beside {name} cannot be written: {reason}.", name=run.name, reason=error.strerror
        ) from error
    return changed


def _record(known: Annotations) -> dict[str, Any]:
    return {"tags": list(known.tags), "group": known.group, "note": known.note, "archived": known.archived}


def _line(text: str, most: int) -> str:
    """Returns one line of text, checked."""
    cleaned = " ".join(re.sub(r"[\x00-\x1f\x7f]", " ", text).split())
    if not cleaned or len(cleaned) > most:
        raise InputError(
            "{text} has {count} characters; 1 to {most} are allowed.",
            text=cleaned[:most],
            count=len(cleaned),
            most=most,
        )
    return cleaned


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
