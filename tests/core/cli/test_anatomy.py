"""The verb that takes a network apart."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import openpyxl
import pytest

from core.cli import main
from core.models.anatomy.examine import Anatomy, anatomy_of


def test_for_a_person(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["anatomy", "vgg16"]) == 0
    printed = capsys.readouterr().out
    assert "138,357,544 parameters" in printed
    assert "(3*3*3+1)*64 = 1,792" in printed
    assert "(25088+1)*4096 = 102,764,544" in printed


def test_as_json_it_is_the_anatomy(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["anatomy", "resnet18", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert Anatomy.from_dict(record["anatomy"]) == anatomy_of("resnet18")
    assert record["totals"]["parameters"] == sum(row["parameters"] for row in record["rows"]) == 11_689_512


def test_gray_with_a_new_head_and_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines, book = tmp_path / "new" / "layers.csv", tmp_path / "layers.xlsx"
    words = ["anatomy", "vgg16", "--channels", "1", "--classes", "12", "--csv", str(lines), "--excel", str(book)]
    assert main([*words, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["anatomy"]["total"] == 134_309_708 - 1_792 + 640
    assert next(csv.DictReader(lines.open(encoding="utf-8-sig")))["formula"] == "(3*3*1+1)*64 = 640"
    assert openpyxl.load_workbook(book).active["A2"].value == "features.0"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["resnet19"], "resnet19"),
        (["alexnet", "--image-size", "16"], "From 63 px on"),
        (["resnet18", "--classes", "1"], "at least 2 classes"),
    ],
)
def test_bad_input(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["anatomy", *words]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert said in printed.err
    assert printed.err.count("\n") == 1


def test_a_file_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["anatomy", "resnet18", "--csv", str(tmp_path)]) == 2
    assert "cannot be written" in capsys.readouterr().err
