"""Answers to new images as tables: a row an image, the least sure first."""

from __future__ import annotations

from core.workflows.export.tables import csv_table, excel_table
from core.workflows.new_images.answers import Answers

MOST_CLASSES = 100
"""Classes up to which the probability of each is a column; of more classes the table has the first :data:`TOP`."""
TOP = 5
ABSTAINS = "I don't know"
Cell = str | float | int | None


def to_csv(found: Answers, limit: float = 0.0) -> bytes:
    """Returns the answers as CSV (UTF-8, with the mark by which spreadsheet programs know it).

    Args:
        found: The answers.
        limit: Probability below which the network abstains.
    """
    return ("\ufeff" + csv_table(*_table(found, limit))).encode("utf-8", "replace")


def to_excel(found: Answers, limit: float = 0.0) -> bytes:
    """Returns the answers as an Excel workbook; arguments as :func:`to_csv`."""
    return excel_table("predictions", *_table(found, limit))


def _table(found: Answers, limit: float) -> tuple[list[str], list[list[Cell]]]:
    every = len(found.classes) <= MOST_CLASSES
    count = min(TOP, len(found.classes))
    header = ["image", "answer", "predicted", "probability", "true", "right", "learned_from", "error"]
    if every:
        header += [f"p: {name}" for name in found.classes]
    else:
        header += [f"{word} {place}" for place in range(1, count + 1) for word in ("class", "probability")]
    known = found.labels
    rows: list[list[Cell]] = []
    for row in found.least_sure():
        said, sure = found.classes[found.predicted[row]], float(found.confidence[row])
        true = found.classes[known[row]] if known[row] >= 0 else None
        right = None if true is None else ("yes" if true == said else "no")
        learned = "yes" if found.keys[row] in found.learned else "no"
        cells: list[Cell] = [found.keys[row], said if sure >= limit else ABSTAINS, said, _short(sure)]
        cells += [true, right, learned, None]
        if every:
            cells += [_short(float(value)) for value in found.probabilities[row]]
        else:
            cells += [cell for name, value in found.top(row, count) for cell in (name, _short(value))]
        rows.append(cells)
    width = len(header)
    for key, sentence in found.unreadable:
        rows.append([key, *[None] * 6, str(sentence), *[None] * (width - 8)])
    return header, rows


def _short(value: float) -> float:
    return round(value, 6)
