"""What the command line prints, whatever the terminal, and names that become files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.cli.common.output import Output, printable

Call = Callable[..., tuple[int, dict[str, Any], str]]


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_no_answer_is_lost_to_a_terminal_s_code_page(image_folder: Callable[..., Path], form: list[str]) -> None:
    root = image_folder(classes=("گربه", "سگ"), images=2)
    answer = subprocess.run(
        [sys.executable, "-m", "core", "data", str(root), "--quiet", *form],
        capture_output=True,
        text=True,
        encoding="cp1252",
        env={**os.environ, "PYTHONIOENCODING": "cp1252"},
        check=True,
    )
    if form:
        assert set(json.loads(answer.stdout)["classes"]) == {"گربه", "سگ"}
    else:
        assert "\\u06af" in answer.stdout


def test_control_characters_in_names_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=False, quiet=True).result({}, ["red\x1b[31m\nname"])
    assert capsys.readouterr().out == "red\\x1b[31m\\nname\n"
    assert printable("خانه\u200cها") == "خانه\u200cها"


def test_a_method_that_cannot_work_is_named_and_the_others_drawn(
    call: Call, image_folder: Callable[..., Path], tmp_path: Path
) -> None:
    image = next((image_folder() / "red").iterdir())
    words = ("explain", "efficientnet_lite0", image, "--out", tmp_path / "x.png", "--methods")
    status, record, _ = call(*words, "grad-cam,attention-rollout,saliency")
    assert status == 0
    assert [row["method"] for row in record["maps"]] == ["grad-cam", "saliency"]
    assert [row["method"] for row in record["left_out"]] == ["attention-rollout"]
    assert record["left_out"][0]["reason"]
    status, _, error = call(*words, "attention-rollout")
    assert status == 2
    assert error.startswith("error: ")


def test_classes_that_differ_by_signs_alone_get_a_file_each(
    call: Call, image_folder: Callable[..., Path], tmp_path: Path
) -> None:
    names = ("C", "C++", "C#", "+", "?")
    train = ("--backbone", "mnist_cnn", "--preset", "scratch", "--epochs", 1)
    run = call("train", "--data", image_folder(classes=names, images=3), *train)[1]["run"]
    wanted = [word for name in names for word in ("--class", name)]
    record = call("dream", run, *wanted, "--size", 32, "--steps", 2, "--out", tmp_path / "dreams")[1]
    assert {row["label"] for row in record["pictures"]} == set(names)
    assert len(list((tmp_path / "dreams").iterdir())) == len(names)
    assert all(Path(row["file"]).is_file() for row in record["pictures"])
