"""The verbs by which a trained network is put to use: predict a folder, report, pack, import."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from core.runs.store import Run

Call = Callable[..., tuple[int, dict[str, Any], str]]


def test_a_folder_is_judged_by_its_folders_and_written_as_tables(
    call: Call, earlier: dict[str, Run], tmp_path: Path
) -> None:
    run, root = earlier["finished"], tmp_path / "new"
    for number, folder in enumerate((*run.classes()[:2], "whales")):
        (root / folder).mkdir(parents=True)
        pixels = np.random.default_rng(number).integers(0, 255, (28, 28), dtype=np.uint8)
        Image.fromarray(pixels).save(root / folder / "1.png")
    table, book = tmp_path / "said.csv", tmp_path / "said.xlsx"
    status, record, _ = call("predict", run.id, root, "--csv", table, "--excel", book, "--limit", 0)
    assert status == 0
    assert (record["images"], record["judged"], record["unseen"]) == (3, 2, {"whales": 1})
    low, high = record["interval"]
    assert low <= record["accuracy"] <= high
    assert [Path(answer["image"]).parent.name for answer in record["predictions"]][-1] == "whales"
    with table.open(encoding="utf-8-sig") as file:
        shares = [float(row["probability"]) for row in csv.DictReader(file)]
    assert len(shares) == 3
    assert shares == sorted(shares)
    assert book.read_bytes().startswith(b"PK")
    status, record, _ = call("predict", run.id, root, "--limit", 1)
    assert record["abstained"] == 3
    assert record["accuracy"] is None
    status, _, error = call("predict", run.id, root, "--limit", 7)
    assert status == 2
    assert "from 0 to 1" in error


def test_a_run_is_packed_and_taken_in_elsewhere(call: Call, earlier: dict[str, Run], tmp_path: Path) -> None:
    run, path = earlier["finished"], tmp_path / "run.zip"
    status, record, _ = call("pack", run.id, "--out", path)
    assert status == 0
    assert record["bytes"] == path.stat().st_size
    status, _, error = call("import", path)
    assert status == 2
    assert "is here already" in error
    name = run.name
    shutil.rmtree(run.path)
    status, record, _ = call("import", path)
    assert status == 0
    assert (record["run"], record["name"], record["state"]) == (run.id, name, "finished")
    assert call("evaluate", run.id)[1]["accuracy"] > 0.1
    assert call("predict", run.id, tmp_path / "nowhere.png")[0] == 2
    for words in (("import", tmp_path / "nowhere.zip"), ("pack", run.id, "--out", tmp_path / "no" / "run.zip")):
        status, _, error = call(*words)
        assert status == 2
        assert "Traceback" not in error


def test_a_report_is_written(call: Call, earlier: dict[str, Run], tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    status, record, _ = call("report", earlier["finished"].id, "--out", path, "--untested")
    assert status == 0
    assert record["bytes"] == path.stat().st_size
    assert "<svg" in path.read_text(encoding="utf-8")
    status, _, error = call("report", earlier["finished"].id, "--out", path, "--lang", "xx")
    assert status == 2
    assert "no catalogue of the language xx. There are: en" in error
    status, _, error = call("report", earlier["finished"].id, "--out", tmp_path / "no" / "report.html")
    assert status == 2
    assert "Make it first" in error
