"""Requests to a run while it is at work: lines in its ``control.jsonl``, which the trainer reads.

Anyone may append a line; the trainer alone writes in its status up to where it has read (``requests_read``, in bytes).
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

from core.errors import InputError
from core.runs.files import append_line, read_lines
from core.specs import LiveChange
from core.specs.checks import number

CONTROL_FILE = "control.jsonl"
STOP_REQUESTS = ("stop", "pause", "discard")
"""Requests that end the process: keeping what was learned, so that it can go on, or without a trace."""
LIVE_CHANGES = ("rate", "unfreeze", "extend")
"""Requests that change the training; see :class:`core.specs.LiveChange`."""


def ask(folder: Path, kind: str, value: float = 1.0) -> None:
    """Appends a request.

    Raises:
        InputError: There is no such request, its value is not allowed, or the folder cannot be written.
    """
    if kind not in (*STOP_REQUESTS, *LIVE_CHANGES):
        raise InputError(
            "request is {kind}. Choose one of: {known}.", kind=kind, known=", ".join((*STOP_REQUESTS, *LIVE_CHANGES))
        )
    if kind in LIVE_CHANGES:
        number(kind, value, low=-math.inf, high=math.inf)
        LiveChange(0, kind, value)
    try:
        append_line(folder / CONTROL_FILE, {"kind": kind, "value": value, "time": time.time()})
    except OSError as error:
        raise InputError("The run cannot be reached: {reason}.", reason=error.strerror) from error


def read(folder: Path, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
    """Returns the requests since ``offset`` and the offset behind them.

    Those that are damaged or make no sense are passed over: no line that anyone writes may end a training.
    """
    rows, end = read_lines(folder / CONTROL_FILE, offset)
    return [row for row in rows if _sensible(row.get("kind"), row.get("value"))], end


def _sensible(kind: object, value: object) -> bool:
    """Returns whether a request is one that can be carried out."""
    if kind in STOP_REQUESTS:
        return True
    if kind not in LIVE_CHANGES or isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        finite = math.isfinite(value)
        LiveChange(0, str(kind), value if finite else 0)
    except (InputError, OverflowError):
        return False
    return finite


def halt(folder: Path, offset: int) -> str | None:
    """Returns the last request to end that was made since ``offset``, or ``None``."""
    return next((row["kind"] for row in reversed(read(folder, offset)[0]) if row["kind"] in STOP_REQUESTS), None)
