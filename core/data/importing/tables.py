"""Tables: of files and their classes (CSV, TSV, Excel, a Hugging Face image folder), or of labels and pixels."""

from __future__ import annotations

import csv
import io
import itertools
import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from core import settings
from core.data.folders.reader import is_under
from core.data.folders.split_names import splits_of
from core.data.images import CONVERTIBLE, SUFFIXES
from core.data.importing.arrays import Block, pixels
from core.data.importing.collected import Collected
from core.errors import InputError

PATHS = ("path", "file", "filename", "file_name", "filepath", "file_path", "image_path", "image", "img")
LABELS = ("label", "class", "category", "target", "labels", "class_name", "species", "diagnosis", "y")
SPLITS = ("split", "subset", "set", "fold_name")
_DELIMITERS = ",;\t|"
_MOST_ROWS = 2_000_000
_MOST_CELL = 1_000_000
_LEAST_PIXELS = 16


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text, and the names of their columns (numbers where the table has none).

    Attributes:
        name: File's name.
        header: Names of the columns.
        rows: The rows, read as they are asked for.
        first: Number of the first row in the file.
    """

    name: str
    header: tuple[str, ...]
    rows: Iterator[list[str]]
    first: int


def read_table(path: Path) -> Table:
    """Opens a table: CSV, TSV, Excel, or JSON lines.

    Raises:
        InputError: It is empty or no such table.
    """
    if path.suffix.lower() in (".xlsx", ".xlsm"):
        rows = _excel(path)
    elif path.suffix.lower() == ".jsonl":
        rows = _json_lines(path)
    else:
        rows = _delimited(path)
    first = next(rows, None)
    if first is None:
        raise InputError("{name} is empty: it has no rows.", name=path.name)
    if _is_header(first):
        return Table(path.name, tuple(cell.strip() for cell in first), rows, 2)
    return Table(path.name, tuple(str(place) for place in range(len(first))), itertools.chain([first], rows), 1)


def is_pixels(path: Path) -> bool:
    """Returns whether a table holds a label and pixels in each row rather than paths."""
    table = read_table(path)
    row = next(table.rows, None)
    return row is not None and len(row) > _LEAST_PIXELS and all(_is_number(cell) for cell in row[1:])


def _is_header(row: Sequence[str]) -> bool:
    words = {cell.strip().lower() for cell in row}
    return bool(words & {*PATHS, *LABELS}) or (
        len(row) > _LEAST_PIXELS and not any(_is_number(cell) for cell in row[:3])
    )


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _delimited(path: Path) -> Iterator[list[str]]:
    text = _opened(path)
    start = text.read(65_536)
    text.seek(0)
    line = start.splitlines()[0] if start.strip() else ""
    counts = {sign: line.count(sign) for sign in _DELIMITERS}
    delimiter = max(counts, key=lambda sign: counts[sign])
    if not counts[delimiter]:
        if not line:
            return
        raise InputError(
            "The first row of {name} has one column: {line}. Write paths and classes, separated by commas.",
            name=path.name,
            line=line[:80],
        )
    csv.field_size_limit(_MOST_CELL)
    try:
        for number, row in enumerate(csv.reader(text, delimiter=delimiter), 1):
            if number > _MOST_ROWS:
                raise InputError("{name} has more than {most} rows.", name=path.name, most=_MOST_ROWS)
            if row and any(cell.strip() for cell in row):
                yield row
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError("{name} is no table that can be read: {reason}.", name=path.name, reason=str(error)) from error
    finally:
        text.close()


def _opened(path: Path) -> io.TextIOWrapper:
    """Opens a text file in the encoding that its first bytes show."""
    with path.open("rb") as file:
        head = file.read(65_536)
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    elif b"\0" in head:
        raise InputError("{name} is no table of text.", name=path.name)
    else:
        try:
            head[:60_000].decode("utf-8")
            encoding = "utf-8-sig"
        except UnicodeDecodeError as error:
            encoding = "utf-8-sig" if error.start > 59_990 else "cp1252"
    return path.open(encoding=encoding, newline="", errors="replace")


def _excel(path: Path) -> Iterator[list[str]]:
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(info.file_size for info in archive.infolist()) > 500_000_000:
                raise InputError("{name} grows far too much when it is unpacked. It was not opened.", name=path.name)
        import openpyxl

        book = openpyxl.load_workbook(path, read_only=True, data_only=False)
        for number, row in enumerate(book.worksheets[0].iter_rows(values_only=True), 1):
            if number > _MOST_ROWS:
                raise InputError("{name} has more than {most} rows.", name=path.name, most=_MOST_ROWS)
            cells = ["" if cell is None else str(cell) for cell in row]
            if any(cells):
                yield cells
    except InputError:
        raise
    except Exception as error:
        raise InputError("{name} is no Excel file, or it is damaged.", name=path.name) from error


def _json_lines(path: Path) -> Iterator[list[str]]:
    header: list[str] = []
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                record = json.loads(line[:_MOST_CELL])
            except ValueError as error:
                raise InputError("Row {row} of {name} is no JSON.", row=number, name=path.name) from error
            if not isinstance(record, dict):
                raise InputError("Row {row} of {name} is no JSON object.", row=number, name=path.name)
            if not header:
                header = list(record)
                yield header
            yield [str(record.get(key, "")) for key in header]


def collect_files(path: Path, target: Collected, roots: Sequence[Path] | None) -> None:
    """Takes in the files that a table names, with their classes.

    Paths are relative to the table's folder and must lead below it, or below one of ``roots``. Files that are missing
    or no images are passed over and noted.

    Raises:
        InputError: The columns are not found, a path leads elsewhere, a cell is a formula, or no file is there.
    """
    table = read_table(path)
    paths, labels, splits = _columns(table)
    named = (row[labels].strip() for row in read_table(path).rows if len(row) > labels)
    target.refuse_many_classes(label for label in named if label)
    allowed = [path.parent.resolve(), *(Path(root).resolve() for root in roots or ())]
    meant = {"train": "train", "val": "val", "test": "test"}
    missing, example = 0, ""
    for number, row in enumerate(table.rows, table.first):
        cells = [*row, *[""] * (len(table.header) - len(row))]
        name, label = cells[paths].strip(), cells[labels].strip()
        for cell in (name, label):
            if cell.startswith("="):
                raise InputError(
                    "Row {row} of {name} holds a formula, {value}. Save the table with values.",
                    row=number,
                    name=table.name,
                    value=cell[:60],
                )
        if not name or not label:
            target.pass_over("no path", f"{table.name}:{number}")
            continue
        file = _located(name, allowed, table.name, number)
        if file is None:
            missing, example = missing + 1, example or name
            target.pass_over("missing", name)
            continue
        if file.suffix.lower() not in SUFFIXES:
            target.pass_over("convertible" if file.suffix.lower() in CONVERTIBLE else "no image", name)
            continue
        split = ""
        if splits is not None:
            word = cells[splits].strip()
            split = splits_of([word]).get(word, "")
        elif _split_of_path(name):
            split = meant[_split_of_path(name)]
        columns = {
            key: cell.strip()
            for place, (key, cell) in enumerate(zip(table.header, cells, strict=False))
            if place not in (paths, labels, splits) and cell.strip()
        }
        target.add_file(file, label, split, columns)
    if not target.count:
        raise InputError(
            "None of the {count} files that {name} names is there, such as {example}. Paths are relative to the table.",
            count=missing,
            name=table.name,
            example=example or "–",
        )


def _columns(table: Table) -> tuple[int, int, int | None]:
    lower = [name.lower() for name in table.header]
    path = next((lower.index(name) for name in PATHS if name in lower), None)
    label = next((lower.index(name) for name in LABELS if name in lower), None)
    split = next((lower.index(name) for name in SPLITS if name in lower), None)
    if path is None and label is None and len(lower) == 2:
        path, label = 0, 1
    if path is None and label is not None and len(lower) == 2:
        path = 1 - label
    if label is None and path is not None and len(lower) == 2:
        label = 1 - path
    if path is None or label is None:
        raise InputError(
            "{name} has the columns {found}. One must be called path and one label.",
            name=table.name,
            found=", ".join(table.header[:12]),
        )
    return path, label, split


def _located(name: str, allowed: Sequence[Path], table: str, row: int) -> Path | None:
    """Returns the file that a row names; ``None`` where it is not there."""
    try:
        given = Path(name.replace("\\", "/"))
        candidates = [given] if given.is_absolute() else [root / given for root in allowed]
        resolved = [place.resolve() for place in candidates]
        inside = [place for place in resolved if is_under(place, allowed)]
        if not inside:
            raise InputError(
                "Row {row} of {table} names {path}, which leads outside the folders that may be read here.",
                row=row,
                table=table,
                path=name[:200],
            )
        return next((place for place in inside if place.is_file()), None)
    except (OSError, ValueError, RuntimeError) as error:
        if isinstance(error, InputError):
            raise
        return None


def _split_of_path(name: str) -> str:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    return parts[0] if len(parts) > 1 and parts[0] in ("train", "val", "test") else ""


def pixel_block(path: Path) -> Block:
    """Reads a table with a label first and the pixels of a square after it in each row.

    Raises:
        InputError: A row has another length, or a value is no number from 0 to 255.
    """
    table = read_table(path)
    place = next((n for n, name in enumerate(table.header) if name.lower() in LABELS), 0)
    labels, rows, width = [], [], 0
    total = 0
    for number, row in enumerate(table.rows, table.first):
        width = width or len(row)
        values = [cell for column, cell in enumerate(row) if column != place]
        try:
            if len(row) != width:
                raise ValueError
            found = np.array(values, dtype=np.float32)
            if not (found >= 0).all() or not (found <= 255).all():
                raise ValueError
        except ValueError as error:
            raise InputError(
                "Row {row} of {name} is no label with {count} pixels from 0 to 255 after it.",
                row=number,
                name=path.name,
                count=width - 1,
            ) from error
        label = row[place].strip()
        labels.append(str(int(float(label))) if _is_number(label) and float(label).is_integer() else label)
        rows.append(found.astype(np.uint8) if (found == np.rint(found)).all() else found)
        total += found.nbytes
        if total > settings.upload_quota():
            raise InputError("{name} holds more pixels than all uploads together may take.", name=path.name)
    if not rows:
        raise InputError("{name} is empty: it has no rows.", name=path.name)
    return Block(pixels(np.stack(rows), path.name), labels)
