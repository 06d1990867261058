"""Small files that are read while another process writes them."""

from __future__ import annotations

import io
import json
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.disk_cache import replacing
from core.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def write_atomic(path: Path, content: str | bytes) -> None:
    """Replaces a file in one step, so that a reader sees the old or the new content, never a part.

    Raises:
        OSError: The disk is full or the folder cannot be written; the old content stays.
    """
    data = content.encode() if isinstance(content, str) else content
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def write_json(path: Path, record: object) -> None:
    """Writes a record as JSON with :func:`write_atomic`."""
    write_atomic(path, to_json(record))


def to_json(record: object) -> str:
    """Returns a record as it stands in a file."""
    return json.dumps(record, indent=2, ensure_ascii=False) + "\n"


def read_json(path: Path) -> dict[str, Any]:
    """Reads a JSON object; an absent or damaged file is an empty one."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def is_file(path: Path) -> bool:
    """Whether a file is there to be opened; one in a folder that may not be looked into is not."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # ValueError: a name that no file can have
        return False


def append_line(path: Path, record: dict[str, Any]) -> None:
    """Appends one JSON line in one write, on a line of its own even after a torn one.

    A number that JSON has no word for (infinite, or none at all) is written as ``null``.
    """
    with path.open("ab+") as file:
        size = file.seek(0, os.SEEK_END)
        torn = False
        if size:
            file.seek(size - 1)
            torn = file.read(1) != b"\n"
        finite = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in record.items()}
        line = json.dumps(finite, ensure_ascii=False) + "\n"
        file.write((("\n" if torn else "") + line).encode())


def read_lines(path: Path, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
    """Reads the whole JSON lines after a byte offset.

    Args:
        path: A ``.jsonl`` file; it may be absent, and its last line may still be in the making.
        offset: Where the last call ended.

    Returns:
        The records, and the offset to go on from. Damaged lines are passed over.
    """
    try:
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read()
    except OSError:
        return [], offset
    end = data.rfind(b"\n") + 1
    return [record for record in _parsed(data[:end].splitlines()) if isinstance(record, dict)], offset + end


def _parsed(lines: Sequence[bytes]) -> Iterator[object]:
    """Yields what JSON lines say: read at once where all are whole, as that takes half the time."""
    with suppress(ValueError, RecursionError):
        together: list[object] = json.loads(b"[" + b",\n".join(lines) + b"]")
        if len(together) == len(lines):
            yield from together
            return
    for line in lines:
        with suppress(ValueError, RecursionError):
            yield json.loads(str(line, "utf-8"))


def write_arrays(path: Path, **arrays: NDArray[Any]) -> None:
    """Writes arrays into one file, in one step."""
    import numpy as np

    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **arrays)
    write_atomic(path, stream.getvalue())


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Reads what :func:`write_arrays` wrote.

    Raises:
        InputError: It is not there any more, or damaged.
    """
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError) as error:
        raise InputError("The file {file} is not there any more, or damaged.", file=path.name) from error
