"""What the command line prints, and where."""

from __future__ import annotations

import io
import json
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from core.errors import InputError
from core.runs.status_parts import LeakSearch


class Output:
    """Human lines on stdout, or one JSON object; progress on stderr.

    Args:
        as_json: Print the result as one JSON object and nothing else on stdout.
        quiet: Print no progress.
    """

    def __init__(self, *, as_json: bool, quiet: bool) -> None:
        self._json, self._quiet = as_json, quiet
        self._open_line = False
        self._stdout = sys.stdout
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):  # no answer is lost to a terminal's code page
                stream.reconfigure(errors="backslashreplace")

    def progress(self, line: str, *, passing: bool = False) -> None:
        """Prints what goes on; a passing line is overwritten by the next one on a terminal."""
        if self._quiet:
            return
        interactive = sys.stderr.isatty()
        if passing and not interactive:
            return
        start = "\r\x1b[K" if self._open_line else ""
        print(start + line, end="" if passing else "\n", file=sys.stderr, flush=True)
        self._open_line = passing

    def step(self, record: Mapping[str, Any], *, before: str = "", after: str = "") -> None:
        """Says what a record of work reports: ``doing``, and how much is ``done`` of the ``total``; or who is ahead."""
        if record["doing"] == "queued":
            self.progress(f"waiting for the device, {record['ahead']} ahead")
            return
        count = f": {record['done']} of {record['total']}" if record["total"] else ""
        self.progress(f"{before}{record['doing']}{count}{after}", passing=record["doing"] != "building the network")

    def result(self, record: dict[str, Any], lines: Sequence[str] = ()) -> None:
        """Prints the result: ``lines`` for a person, or ``record`` with ``--json``."""
        if self._json:
            unicode = (getattr(self._stdout, "encoding", None) or "utf-8").lower().startswith("utf")
            lines = [json.dumps(record, ensure_ascii=not unicode)]
        for line in lines:
            print(printable(line), file=self._stdout)
        self._stdout.flush()


def printable(line: str) -> str:
    """Returns a line with control characters, such as a file's name may have, written as escapes."""
    return "".join(
        sign.encode("unicode_escape").decode("ascii") if unicodedata.category(sign) == "Cc" else sign for sign in line
    )


def attributes(thing: object, *names: str) -> dict[str, Any]:
    """Returns some attributes of an object by name."""
    return {name: getattr(thing, name) for name in names}


def table(rows: Sequence[Sequence[object]], header: Sequence[str]) -> list[str]:
    """Lays rows out in columns, numbers to the right."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(name), *(len(row[i]) for row in cells)) if cells else len(name) for i, name in enumerate(header)]
    numeric = [bool(rows) and all(isinstance(row[i], int | float) for row in rows) for i in range(len(header))]

    def line(values: Sequence[str]) -> str:
        return "  ".join(
            value.rjust(width) if number else value.ljust(width)
            for value, width, number in zip(values, widths, numeric, strict=True)
        ).rstrip()

    return [line(header), *(line(row) for row in cells)]


def share(value: float | None) -> str:
    """Writes a share as a percentage."""
    return "-" if value is None else f"{100 * value:.1f} %"


def leaky(leaks: LeakSearch | None) -> list[str]:
    """Returns what is to be said beside the accuracy of a run whose pictures leak; nothing of others."""
    return [str(leaks.warning)] if leaks is not None and leaks.warning else []


def duration(seconds: float | None) -> str:
    """Writes a time in hours and minutes, in minutes and seconds, or in seconds."""
    if seconds is None:
        return "unknown"
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def write(path: Path, content: bytes) -> None:
    """Writes a file, with the folders above it.

    Raises:
        InputError: It cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise InputError("{path} cannot be written: {reason}.", path=path, reason=error.strerror) from error
