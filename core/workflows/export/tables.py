"""Tables that leave the lab, as CSV and for spreadsheet programs: names stay names, whatever they begin with."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet program takes for a formula where a cell begins with it."""


def csv_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Returns a table as CSV; a text that a spreadsheet would take for a formula is quoted."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    for row in (header, *rows):
        writer.writerow([_quoted(value) for value in row])
    return buffer.getvalue()


def _quoted(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_STARTS) else value


def excel_table(title: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """Returns a table as an Excel workbook, every text as text.

    Args:
        title: Of its one sheet.
        header: What the columns are called.
        rows: Numbers, texts, and ``None`` for nothing.
    """
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell

    book = Workbook(write_only=True)
    sheet = book.create_sheet(title)

    def cell(value: object) -> WriteOnlyCell:
        if not isinstance(value, str):
            return WriteOnlyCell(sheet, value)
        made = WriteOnlyCell(sheet)
        made.value, made.data_type = "".join(sign for sign in value if sign.isprintable())[:32_000], "s"
        return made

    for row in (header, *rows):
        sheet.append([cell(value) for value in row])
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()
