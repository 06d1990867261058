"""A run's growing files, read as they grow: each byte once, however often somebody looks.

What is kept are columns of plain doubles, so that a run of ten thousand epochs fits into some hundred kilobytes.
:func:`thinned` picks the points that a chart of any width needs.
"""

from __future__ import annotations

import math
import threading
from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.runs.files import read_lines

TAIL = 256
"""Bytes before the place read so far that must still be what they were: else the file was rewritten."""


class Growing:
    """The rows of a ``.jsonl`` file that only grows, or is rewritten when a run goes on from an earlier place.

    Args:
        path: The file; it may be absent.
        order: The key that grows from row to row. Rows that do not are passed over, as are torn ones.
    """

    def __init__(self, path: Path, order: str) -> None:
        self.path, self.order = path, order
        self.columns: dict[str, array[float]] = {}
        self.last: dict[str, Any] = {}
        self.renewed = 0
        self._offset, self._tail = 0, b""
        self._lock = threading.Lock()  # a column cannot grow while it is copied

    def __len__(self) -> int:
        return len(self.columns.get(self.order, ()))

    def read(self) -> list[dict[str, Any]]:
        """Takes in what was written since the last call, and returns those rows."""
        if self._rewritten():
            self.columns, self.last, self._offset, self._tail = {}, {}, 0, b""
            self.renewed += 1
        rows, offset = read_lines(self.path, self._offset)
        if offset == self._offset:
            return []
        self._offset = offset
        self._tail = self._before(offset)
        with self._lock:
            return [row for row in rows if self._take(row)]

    def column(self, name: str) -> NDArray[np.float64]:
        """Returns one column, a value a row; ``nan`` where a row has none."""
        with self._lock:
            known = self.columns.get(name)
            return np.array(known, dtype=np.float64) if known is not None else np.full(len(self), np.nan)

    def _take(self, row: dict[str, Any]) -> bool:
        place = _number(row.get(self.order))
        count = len(self)
        if not math.isfinite(place) or (count and place <= self.columns[self.order][-1]):
            return False
        for name in row.keys() | self.columns.keys():
            value = row.get(name)
            if name in self.columns or isinstance(value, int | float):
                self.columns.setdefault(name, array("d", [math.nan]) * count).append(_number(value))
        self.last = row
        return True

    def _rewritten(self) -> bool:
        return self._offset > 0 and self._before(self._offset) != self._tail

    def _before(self, offset: int) -> bytes:
        """Returns the last bytes before a place in the file."""
        start = max(0, offset - TAIL)
        try:
            with self.path.open("rb") as file:
                file.seek(start)
                return file.read(offset - start)
        except OSError:
            return b""


def column_of(path: Path, name: str, order: str) -> NDArray[np.float64]:
    """Returns one column of a ``.jsonl`` file as :class:`Growing` would, for a look that nothing is kept of.

    Args:
        path: The file; it may be absent.
        name: The column.
        order: The key that grows from row to row.
    """
    values, last = array("d"), -math.inf
    for row in read_lines(path)[0]:
        place = _number(row.get(order))
        if last < place < math.inf:
            last = place
            values.append(_number(row.get(name)))
    return np.array(values, dtype=np.float64)


class Journal:
    """A run's epochs and step curve as far as they are written. One is shared by all who view the run.

    Args:
        path: The run's folder.

    Attributes:
        epochs: Rows of ``metrics.jsonl``.
        steps: Rows of ``steps.jsonl``.
        phases: Each phase's first epoch and name, in order.
    """

    def __init__(self, path: Path) -> None:
        self.epochs = Growing(path / "metrics.jsonl", "epoch")
        self.steps = Growing(path / "steps.jsonl", "step")
        self.phases: list[tuple[int, str]] = []
        self._phase: tuple[Any, Any] | None = None
        self._sizes: tuple[int, ...] = ()
        self._renewed = 0
        self._lock = threading.Lock()

    def look(self) -> tuple[int, ...]:
        """Takes in what is new; returns what changes whenever anything did."""
        with self._lock:
            sizes = tuple(_stamp(growing.path) for growing in (self.epochs, self.steps))
            if sizes != self._sizes:
                self._sizes = sizes
                rows = self.epochs.read()
                self.steps.read()
                if self.epochs.renewed != self._renewed:
                    self._renewed, self.phases, self._phase = self.epochs.renewed, [], None
                self._note_phases(rows)
            return (len(self.epochs), len(self.steps), self.epochs.renewed + self.steps.renewed)

    def recent(self, name: str, epochs: int = 5) -> float:
        """Returns the sum of a column over the last epochs; values that are missing count nothing."""
        known = self.epochs.columns.get(name)
        return float(np.nansum(np.array(known[-epochs:]))) if known else 0.0

    def _note_phases(self, rows: Iterable[dict[str, Any]]) -> None:
        for row in rows:
            phase = (row.get("phase_index"), row.get("phase"))
            if phase != self._phase:
                self._phase = phase
                self.phases.append((int(row["epoch"]), str(row.get("phase") or "")))


def thinned(columns: Sequence[NDArray[np.float64]], most: int, keep: Iterable[int] = ()) -> NDArray[np.intp]:
    """Picks the rows of a long curve that must be drawn: in each stretch the lowest and highest value of each column.

    Stretches are a power of two long and begin at multiples of their length, so that points stay where they are while
    the curve grows.

    Args:
        columns: Curves over the same rows.
        most: Rows to return at most, about; all are returned where there are no more.
        keep: Rows to return in any case, such as the best epoch.

    Returns:
        Row numbers, rising.
    """
    count = len(columns[0]) if columns else 0
    if count <= most:
        return np.arange(count)
    width = 1
    while 2 * len(columns) * -(-count // width) > most:
        width *= 2
    starts = np.arange(0, count, width)
    padded = np.full((len(columns), len(starts) * width), np.nan)
    padded[:, :count] = columns
    stretches = padded.reshape(len(columns), len(starts), width)
    low = np.where(np.isnan(stretches), np.inf, stretches).argmin(axis=2) + starts
    high = np.where(np.isnan(stretches), -np.inf, stretches).argmax(axis=2) + starts
    wanted = [row for row in keep if 0 <= row < count]
    return np.unique(np.concatenate([low.ravel(), high.ravel(), [0, count - 1], np.array(wanted, dtype=np.intp)]))


def _number(value: object) -> float:
    try:
        return float(value) if isinstance(value, int | float | str) else math.nan
    except (ValueError, OverflowError):
        return math.nan


def _stamp(path: Path) -> int:
    """Returns what changes whenever a file does; 0 for one that is not there."""
    try:
        found = path.stat()
    except OSError:
        return 0
    return hash((found.st_size, found.st_mtime_ns, found.st_ino))
