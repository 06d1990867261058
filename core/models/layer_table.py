"""The layers of a network as a table: plain rows, CSV, Excel."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from core.models.anatomy.records import Anatomy, Layer
from core.specs import FreezePlan

COLUMNS = (
    "name",
    "type",
    "stage",
    "input",
    "output",
    "kernel",
    "stride",
    "padding",
    "dilation",
    "groups",
    "parameters",
    "formula",
    "macs",
    "activation_bytes",
    "receptive_size",
    "receptive_jump",
    "receptive_centre",
    "trainable",
)
"""Names of the columns. Parameters, multiply-adds and activations are those that no inner layer has, so that they add
up; an activation of 0 bytes is made in place."""

_RISKY = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a spreadsheet takes for the beginning of a formula."""


def layer_rows(anatomy: Anatomy, plan: FreezePlan | None = None) -> list[dict[str, Any]]:
    """Returns one row a layer, in the network's order; containers without anything of their own are left out.

    Args:
        anatomy: The network.
        plan: What learns; without one, everything does.

    Returns:
        Rows by :data:`COLUMNS`. Shapes read ``64 × 112 × 112``; windows of equal sides are one number, others
        ``1 × 7``; what a layer does not have is ``None``. ``trainable`` is ``yes``, ``no``, ``partly`` or empty.

    Raises:
        InputError: The plan names parts that the network does not have.
    """
    learning = _trainable(anatomy, plan)
    return [_row(layer, learning) for layer in anatomy.layers if _of_its_own(layer)]


def totals(anatomy: Anatomy, plan: FreezePlan | None = None) -> dict[str, Any]:
    """Returns the row below the others: the network's parameters, multiply-adds and activations, and what learns."""
    free = anatomy.total
    if plan is not None:
        from core.models.freeze import counts  # which needs torch

        free = counts(anatomy, plan).trainable
    return {
        **dict.fromkeys(COLUMNS),
        "name": "total",
        "parameters": anatomy.total,
        "macs": anatomy.macs,
        "activation_bytes": anatomy.activation_bytes,
        "trainable": free,
    }


def to_csv(anatomy: Anatomy, plan: FreezePlan | None = None) -> bytes:
    """Writes the rows and the totals as CSV, in UTF-8 with the mark that Excel looks for.

    Text that a spreadsheet would take for a formula gets an apostrophe in front.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for row in _lines(anatomy, plan):
        writer.writerow([_harmless(row[name]) for name in COLUMNS])
    return text.getvalue().encode("utf-8-sig")


def to_excel(anatomy: Anatomy, plan: FreezePlan | None = None) -> bytes:
    """Writes the rows and the totals as an Excel workbook. Text stays text, whatever it looks like."""
    import pandas as pd

    frame = pd.DataFrame(list(_lines(anatomy, plan)), columns=list(COLUMNS), dtype=object)
    content = io.BytesIO()
    with pd.ExcelWriter(content, engine="openpyxl") as writer:
        frame.to_excel(writer, sheet_name="layers", index=False)
        sheet = writer.sheets["layers"]
        sheet.freeze_panes = "B2"
        for cells in sheet.iter_rows(min_row=2):
            for cell in cells:
                if isinstance(cell.value, str):
                    cell.data_type = "s"
        for column, name in zip(sheet.columns, COLUMNS, strict=True):
            longest = max(len(str(cell.value)) if cell.value is not None else 0 for cell in column)
            sheet.column_dimensions[column[0].column_letter].width = min(60, max(longest, len(name)) + 2)
    return content.getvalue()


def _of_its_own(layer: Layer) -> bool:
    return layer.leaf or bool(layer.own_parameters or layer.own_macs or layer.own_activation_bytes)


def _lines(anatomy: Anatomy, plan: FreezePlan | None) -> Iterable[Mapping[str, Any]]:
    yield from layer_rows(anatomy, plan)
    yield totals(anatomy, plan)


def _trainable(anatomy: Anatomy, plan: FreezePlan | None) -> dict[str, tuple[int, int]]:
    """Returns, for each module (and parameter of the network itself), its learning and all of its parameters."""
    free: frozenset[str] | None = None
    if plan is not None:
        from core.models.freeze import learning

        free = learning(anatomy, plan)
    found: dict[str, tuple[int, int]] = {}
    for stage in anatomy.stages:
        for name in stage.parameter_names:
            owner = name.rpartition(".")[0] or name
            learns, every = found.get(owner, (0, 0))
            found[owner] = (learns + (free is None or name in free), every + 1)
    return found


def _row(layer: Layer, learning: Mapping[str, tuple[int, int]]) -> dict[str, Any]:
    learns, every = learning.get(layer.name, (0, 0))
    field = layer.receptive
    return {
        "name": layer.name,
        "type": layer.kind,
        "stage": layer.stage,
        "input": _times(layer.input_shape),
        "output": _times(layer.output_shape),
        "kernel": _square(layer.kernel),
        "stride": _square(layer.stride),
        "padding": _square(layer.padding),
        "dilation": _square(layer.dilation),
        "groups": layer.groups,
        "parameters": layer.own_parameters,
        "formula": layer.formula,
        "macs": layer.own_macs,
        "activation_bytes": layer.own_activation_bytes,
        "receptive_size": _square(field.size) if field else None,
        "receptive_jump": _square(field.jump) if field else None,
        "receptive_centre": _square(field.start) if field else None,
        "trainable": "" if not every else "yes" if learns == every else "partly" if learns else "no",
    }


def _times(values: Sequence[float]) -> str:
    return " × ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in values)


def _square(pair: Sequence[float] | None) -> float | str | None:
    if pair is None:
        return None
    return pair[0] if pair[0] == pair[1] else _times(pair)


def _harmless(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_RISKY) else value
