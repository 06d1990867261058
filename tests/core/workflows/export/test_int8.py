"""A network in whole numbers: made by training pictures, judged by others, run by its predict.py, or refused."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from core.cli import main
from core.errors import InputError
from core.runs.store import Run, RunStore
from core.specs import DataSpec, Experiment, FreezePlan, ModelSpec, Phase, TrainingSpec
from core.workflows.export.model import formats, int8, package
from core.workflows.images import reopen
from core.workflows.trainer_process import worker

pytest.importorskip("onnxscript")


@pytest.fixture
def run(image_folder: Callable[..., Path]) -> Run:
    task = Experiment(
        DataSpec(str(image_folder("colours", ("red", "blue"), 12)), test_share=0.25),
        ModelSpec("mnist_cnn", "none"),
        TrainingSpec("custom", (Phase("all", "plan", 1, "sgd", lr=0.02),), 8, 3, "cpu", "fp32"),
        freeze=FreezePlan("all"),
        name="small",
    )
    made = RunStore().create(task)
    worker.work(made)
    return made


def test_it_is_judged_on_the_test_split_and_its_program_runs_it(run: Run, tmp_path: Path) -> None:
    found = package.export_package(run, "onnx-int8", tmp_path / "model.zip")
    assert found.int8 is not None
    tested = [item.key for item in reopen(run).items if item.split == "test"]
    assert (found.int8.split, found.int8.pictures, found.int8.of) == ("test", len(tested), len(tested))
    assert found.int8.float_accuracy == pytest.approx(run.status().test_accuracy)
    assert 1e-5 < found.parity.max_difference < 0.5, "rounded, and still alike"
    assert found.parity.max_difference == found.int8.max_difference
    assert found.bytes < 0.5 * found.int8.float_bytes
    assert package.Exported.from_record(json.loads(json.dumps(found.as_record()))) == found
    with zipfile.ZipFile(tmp_path / "model.zip") as archive:
        archive.extractall(tmp_path / "there")
    assert f"of {len(tested)} test images" in " ".join((tmp_path / "there" / "MODEL_CARD.md").read_text().split())
    dataset = reopen(run)
    paths = [str(dataset.reader.path(key)) for key in tested]
    program = [sys.executable, "-P", str(tmp_path / "there" / "predict.py"), *paths]
    rows = subprocess.run(program, capture_output=True, text=True, check=True, cwd=tmp_path).stdout.splitlines()
    truth = {item.key: dataset.classes[item.label] for item in dataset.items}
    right = [line.split("\t")[1] == truth[key] for line, key in zip(rows, tested, strict=True)]
    assert sum(right) / len(right) == pytest.approx(found.int8.accuracy)


def test_only_training_pictures_choose_the_scales(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int]] = []
    opened = int8.held_out

    def noted(*words: object, **more: object) -> object:
        asked.append((str(more["split"]), int(str(more["most"]))))
        return opened(*words, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(int8, "held_out", noted)
    found = package.export_file(run, "onnx-int8", tmp_path / "model.onnx")
    assert asked == [("train", int8.CALIBRATION), ("test", int8.MOST_JUDGED)]
    assert found.int8 is not None
    assert found.int8.calibrated == sum(item.split == "train" for item in reopen(run).items)


def test_a_clear_fall_of_the_accuracy_is_refused(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(formats.FORMATS, "onnx-int8", replace(formats.FORMATS["pt2"], rounded=True))
    fell = int8.Int8("test", 200, 900, 60, 0.75, 0.85, 0.8, 0.4, 9, 1.0, 1.0)
    monkeypatch.setattr(package, "quantise", lambda *_words, **_more: fell)
    with pytest.raises(InputError, match=r"gets 75\.0.% of 200 test images right rather than 85\.0.%.*2.% .*take ONNX"):
        package.export_file(run, "onnx-int8", tmp_path / "model.onnx")
    assert not list(tmp_path.glob("model*"))


@pytest.mark.parametrize(
    ("pictures", "before", "after", "falls"),
    [(1000, 0.9, 0.88, False), (1000, 0.9, 0.879, True), (10, 0.9, 0.8, False), (10, 0.9, 0.7, True), (5, 0, 1, False)],
)
def test_what_a_clear_fall_is(pictures: int, before: float, after: float, falls: bool) -> None:
    assert int8.Int8("test", pictures, pictures, 9, after, before, 0.9, 0.1, 9, 1.0, 1.0).falls is falls


def test_without_its_pictures_nothing_is_rounded(run: Run, tmp_path: Path) -> None:
    import shutil

    shutil.rmtree(run.experiment.data.source)
    with pytest.raises(InputError):
        package.export_file(run, "onnx-int8", tmp_path / "model.onnx")
    assert not list(tmp_path.glob("model*"))


def test_on_the_command_line(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["export", run.id, "--format", "onnx-int8", "--out", str(tmp_path / "m.onnx")]
    assert main([*words, "--json"]) == 0
    said = capsys.readouterr()
    record = json.loads(said.out.splitlines()[-1])
    assert record["int8"]["split"] == "test"
    assert record["max_difference"] == record["int8"]["max_difference"]
    assert said.err.count("judging both files") == 1
    assert main([*words, "--quiet"]) == 0
    assert "a fall of more than 2 % is refused" in capsys.readouterr().out
