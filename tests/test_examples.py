"""The examples run as they stand, without a network, and stay short."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from PIL import Image

from core import settings
from core.runs.store import RunStore

EXAMPLES = sorted(path for path in (settings.PROJECT / "examples").glob("*.py") if path.stem != "__init__")


def run(name: str, *arguments: object) -> None:
    importlib.import_module(f"examples.{name}").main(*arguments)


def test_train(capsys: pytest.CaptureFixture[str]) -> None:
    run("train", 2)
    (trained,) = RunStore().list()
    assert (trained.name, trained.state) == ("Digits", "finished")
    printed = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in printed] == ["epoch 1", "epoch 2", str(trained.path)]
    assert trained.metrics()[0][-1]["val_accuracy"] > 0.7


def test_heatmap(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("heatmap", settings.PROJECT / "assets" / "samples" / "cat.jpg", tmp_path)
    assert capsys.readouterr().out.count("cat (") == 2
    for method in ("grad-cam", "integrated-gradients"):
        assert Image.open(tmp_path / f"{method}.png").size == (224, 224)


def test_compare(capsys: pytest.CaptureFixture[str]) -> None:
    run("compare", 1)
    head, *rows, last = (line.split() for line in capsys.readouterr().out.splitlines())
    assert head == ["layer", "linear-probe", "full"]
    assert {row[1] for row in rows} == {"0.0%"}, "a frozen layer does not move"
    assert "0.0%" not in {*last, *(row[2] for row in rows)}


def test_every_example_is_short_and_run_above() -> None:
    assert [path.stem for path in EXAMPLES] == ["compare", "heatmap", "train"]
    assert max(len(path.read_text(encoding="utf-8").splitlines()) for path in EXAMPLES) <= 40
