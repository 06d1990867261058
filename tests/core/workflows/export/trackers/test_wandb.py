"""An offline run of Weights & Biases, read back record by record."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.cli import main
from core.runs import Run
from core.workflows.export.trackers import figures, wandb

pytest.importorskip("wandb")
_BLOCK = 32768


def records(path: Path) -> Iterator[Any]:
    """Yields the records of a file: LevelDB's log format, blocks of 32 KiB, after a head of 7 bytes."""
    from wandb.proto import wandb_internal_pb2

    data, place, parts = path.read_bytes(), 7, b""
    while place + 7 <= len(data):
        left = _BLOCK - place % _BLOCK
        if left < 7:
            place += left
            continue
        _crc, length, kind = struct.unpack_from("<IHB", data, place)
        parts += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            record = wandb_internal_pb2.Record()
            record.ParseFromString(parts)
            yield record
            parts = b""


def test_the_offline_run_holds_the_history_and_a_second_time_replaces_it(run: Run, tmp_path: Path) -> None:
    for _turn in range(2):
        folder = wandb.export(run, tmp_path / "offline")
    assert [path.name for path in (tmp_path / "offline" / "wandb").glob("offline-run-*")] == [folder.name]
    found = list(records(folder / f"run-{run.id}.wandb"))
    rows = [
        {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in record.history.item}
        for record in found
        if record.HasField("history")
    ]
    curve = {row["epoch"]: row["loss/validation"] for row in rows if "loss/validation" in row}
    assert curve == {
        point.step: pytest.approx(point.value) for point in figures.points(run) if point.tag == "loss/validation"
    }
    spread = next(iter(figures.histograms(run)))
    counts = {row["epoch"]: value for row in rows for tag, value in row.items() if tag == f"{spread.tag}/values"}
    assert counts[spread.epoch] == spread.counts
    began = next(record.run for record in found if record.HasField("run"))
    assert (began.run_id, began.display_name, began.project) == (run.id, run.name, wandb.PROJECT)
    config = {item.key: json.loads(item.value_json) for item in began.config.update}
    assert config["backbone"] == "mnist_cnn"


def test_a_folder_that_cannot_be_written_is_said(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert main(["wandb", str(run.path), "--to", str(tmp_path / "file" / "below")]) == 2
    assert "cannot be written" in capsys.readouterr().err
