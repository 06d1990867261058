"""Event files: read back record by record, without TensorBoard."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.cli import main
from core.errors import InputError
from core.runs import Run
from core.runs.files import read_lines
from core.runs.recorder import BEFORE
from core.workflows.export.trackers import tensorboard


def events(folder: Path) -> Iterator[Any]:
    """Yields the events of all files: length, checksum, message, checksum."""
    proto = pytest.importorskip("tensorboardX.proto.event_pb2")
    for path in sorted(folder.glob(tensorboard.FILES)):
        data, place = path.read_bytes(), 0
        while place < len(data):
            (length,) = struct.unpack_from("<Q", data, place)
            yield proto.Event.FromString(data[place + 12 : place + 12 + length])
            place += 12 + length + 4


def values(folder: Path) -> dict[str, dict[int, Any]]:
    found: dict[str, dict[int, Any]] = {}
    for event in events(folder):
        for value in event.summary.value:
            found.setdefault(value.tag, {})[event.step] = value
    return found


def test_curves_histograms_and_settings_can_be_read(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    folder = tensorboard.export(run, tmp_path / "board")
    assert folder == tmp_path / "board" / run.id
    found = values(folder)
    rows = run.metrics()[0]
    before = json.loads((run.path / BEFORE).read_text())
    assert {step: v.simple_value for step, v in found["loss/validation"].items()} == {
        row["epoch"]: pytest.approx(row["val_loss"]) for row in [{"epoch": 0, **before}, *rows]
    }
    assert set(found["step/loss"]) == {row["step"] for row in run.steps()[0]}
    health = read_lines(run.path / "health.jsonl")[0]
    entry = health[-1]["stages"][0]
    histogram = found[f"weights/{entry['stage']}"][health[-1]["epoch"]].histo
    assert list(histogram.bucket)[-len(entry["weights"]["counts"]) :] == entry["weights"]["counts"]
    assert histogram.num == sum(entry["weights"]["counts"])
    assert f"gradient_norm/{entry['stage']}" in found
    text = b"".join(found["experiment/text_summary"][0].tensor.string_val).decode()
    assert '"backbone": "mnist_cnn"' in text
    plugins = {v.metadata.plugin_data.plugin_name for steps in found.values() for v in steps.values()}
    assert "hparams" in plugins
    assert found["result/val_accuracy"]


def test_exporting_again_replaces(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    for _ in range(2):
        folder = tensorboard.export(run, tmp_path / "board")
    scalars = [v for event in events(folder) for v in event.summary.value if v.tag == "loss/train"]
    assert len(scalars) == 3


def test_the_command_line_exports(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tensorboardX")
    assert main(["tensorboard", str(run.path), "--to", str(tmp_path / "board"), "--json"]) == 0
    assert run.id in capsys.readouterr().out
    assert list((tmp_path / "board" / run.id).glob(tensorboard.FILES))
    (tmp_path / "file").touch()
    assert main(["tensorboard", str(run.path), "--to", str(tmp_path / "file" / "below")]) == 2
    assert main(["tensorboard", "no-such-run", "--to", str(tmp_path / "board")]) == 2


def test_without_the_package_it_is_said(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensorboard, "PACKAGE", "no_such_package")
    with pytest.raises(InputError, match=r"requirements-tensorboard\.txt"):
        tensorboard.export(run, tmp_path / "board")
    assert not (tmp_path / "board").exists()
