from __future__ import annotations

import csv
import io
from dataclasses import replace

import openpyxl
import pytest

from core.models.anatomy.examine import anatomy_of
from core.models.freeze import counts
from core.models.layer_table import COLUMNS, layer_rows, to_csv, to_excel, totals
from core.specs import FreezePlan


@pytest.mark.parametrize("name", ["resnet18", "vit_b_32", "swin_t", "inception_v3"])
def test_the_totals_are_the_sums(name: str) -> None:
    anatomy = anatomy_of(name)
    rows, below = layer_rows(anatomy), totals(anatomy)
    for column in ("parameters", "macs", "activation_bytes"):
        assert sum(row[column] for row in rows) == below[column] > 0
    assert all(tuple(row) == COLUMNS for row in rows)


def test_one_row() -> None:
    row = next(row for row in layer_rows(anatomy_of("inception_v3")) if row["name"] == "Mixed_6b.branch7x7_2.conv")
    assert row["kernel"] == "1 × 7"
    assert row["padding"] == "0 × 3"
    assert row["stride"] == row["dilation"] == row["groups"] == 1
    assert row["input"] == row["output"] == "128 × 17 × 17"
    assert row["formula"] == "1*7*128*128 = 114,688"
    assert row["receptive_jump"] == 16
    assert row["receptive_size"].count("×") == 1


def test_what_learns() -> None:
    anatomy = anatomy_of("resnet18")
    plan = FreezePlan(1, learns="norm-bias")
    states = {row["name"]: row["trainable"] for row in layer_rows(anatomy, plan)}
    assert (states["conv1"], states["layer4.0.bn1"], states["fc"], states["relu"]) == ("no", "yes", "yes", "")
    assert states["layer4.0.conv1"] == "no"
    assert totals(anatomy, plan)["trainable"] == counts(anatomy, plan).trainable
    assert {row["trainable"] for row in layer_rows(anatomy)} == {"yes", ""}
    partly = FreezePlan(0, thaw=("conv_proj",), learns="norm-bias")
    assert {row["name"]: row["trainable"] for row in layer_rows(anatomy_of("vit_b_32"), partly)}[
        "conv_proj"
    ] == "partly"


def test_csv() -> None:
    anatomy = anatomy_of("resnet18")
    lines = list(csv.DictReader(io.StringIO(to_csv(anatomy).decode("utf-8-sig"))))
    assert len(lines) == len(layer_rows(anatomy)) + 1
    assert lines[0]["name"] == "conv1"
    assert lines[0]["formula"] == "7*7*3*64 = 9,408"
    assert int(lines[-1]["parameters"]) == sum(int(line["parameters"]) for line in lines[:-1]) == 11_689_512


def test_excel() -> None:
    anatomy = anatomy_of("resnet18")
    sheet = openpyxl.load_workbook(io.BytesIO(to_excel(anatomy))).active
    rows = list(sheet.iter_rows(values_only=True))
    assert rows[0] == COLUMNS
    assert rows[-1][COLUMNS.index("parameters")] == 11_689_512
    assert rows[1][COLUMNS.index("kernel")] == 7


def test_no_formula_reaches_a_spreadsheet() -> None:
    anatomy = anatomy_of("resnet18")
    hostile = replace(anatomy, layers=(replace(anatomy.layers[0], name="=1+1", kind="@SUM(A1)"), *anatomy.layers[1:]))
    first = next(csv.DictReader(io.StringIO(to_csv(hostile).decode("utf-8-sig"))))
    assert (first["name"], first["type"]) == ("'=1+1", "'@SUM(A1)")
    cell = openpyxl.load_workbook(io.BytesIO(to_excel(hostile))).active["A2"]
    assert (cell.value, cell.data_type) == ("=1+1", "s")
