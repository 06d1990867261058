"""An index of all runs, for lists of hundreds: each file of a run is read once for each of its states."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from pathlib import Path

from core.errors import InputError
from core.runs import control
from core.runs.listing.annotations import Annotations, read_annotations
from core.runs.status import FILE as STATUS
from core.runs.status import LIVE, RunStatus
from core.runs.store import NOTES, Run, RunStore, checked_state
from core.specs import Experiment

_EXPERIMENT, _LABEL = "experiment.json", "label.txt"

Stamp = tuple[int, int, int]
"""What changes whenever a file does; zeros for one that is not there."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a list shows of a run.

    Attributes:
        run: The run.
        name: What people call it.
        experiment: What it does; ``None`` where that cannot be read.
        fault: Why it cannot.
        status: What it last wrote, the state checked against its process.
        notes: What people wrote beside it.
    """

    run: Run
    name: str
    experiment: Experiment | None
    fault: InputError | None
    status: RunStatus
    notes: Annotations


@dataclass(slots=True)
class _Known:
    stamps: tuple[Stamp, ...]
    entry: Entry


class RunIndex:
    """The runs of one folder, read as they change. One is shared by all who look.

    Args:
        root: Folder of the runs; by default :func:`core.settings.runs_dir`.
    """

    def __init__(self, root: Path | str | None = None) -> None:
        self.store = RunStore(root)
        self._known: dict[str, _Known] = {}
        self._lock = threading.Lock()

    def entries(self) -> list[Entry]:
        """Returns all runs, the newest first."""
        with self._lock:
            found = {run.id: self._entry(run) for run in self.store.list()}
            self._known = {name: known for name, known in self._known.items() if name in found}
        return list(found.values())

    def _entry(self, run: Run) -> Entry:
        stamps = tuple(_stamp(run.path / name) for name in (_EXPERIMENT, STATUS, _LABEL, NOTES))
        known = self._known.get(run.id)
        if known is None or known.stamps != stamps:
            known = _Known(stamps, _read(run, known.entry if known and known.stamps[0] == stamps[0] else None))
            self._known[run.id] = known
        entry = known.entry
        if entry.status.state in LIVE:
            halting = control.halt(run.path, entry.status.requests_read)
            return replace(entry, status=replace(entry.status, state=checked_state(entry.status, halting=halting)))
        return entry


def _read(run: Run, before: Entry | None) -> Entry:
    """Reads a run; what it does is taken over from before where that file is the same."""
    experiment, fault = (before.experiment, before.fault) if before else (None, None)
    if before is None:
        try:
            experiment = run.experiment
        except InputError as error:
            fault = error
    name = run.name if experiment is None else run.called(lambda: experiment.name)
    return Entry(run, name, experiment, fault, run.recorded, read_annotations(run.path))


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_mtime_ns, found.st_size, found.st_ino)
