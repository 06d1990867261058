"""A network that leaves the lab: it answers as the checkpoint does, alone, or it is not handed out."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from core.cli import main
from core.data.images import open_image
from core.errors import InputError
from core.evaluation.predictions import predict_images
from core.models.network import assemble, save
from core.runs.jobs import JobStore
from core.runs.recorder import Recorder
from core.runs.store import Run, RunStore
from core.specs import DataSpec, Experiment, ModelSpec, Preprocessing, TrainingSpec
from core.training.recipes import make_recipe
from core.workflows.export.model import formats, package, parity
from core.workflows.jobs import job_process
from core.workflows.jobs.model_export import ExportRequest, package_of, result
from core.workflows.network_loading import network_of_run

CLASSES = ("=1+1", "blue")
MODEL = ModelSpec("shufflenet_v2_x0_5", "none", image_size=64)


def made(data: str, model: ModelSpec = MODEL, classes: tuple[str, ...] = CLASSES) -> Run:
    run = RunStore().create(
        Experiment(DataSpec(data), model, TrainingSpec("full", make_recipe("full").phases), name="To go")
    )
    network = assemble(model, classes, seed=3)
    with torch.no_grad():
        for values in network.model.parameters():
            values.mul_(1.3)  # answers that differ
    save(network.model, run.path / "best.safetensors")
    Recorder(run).classes(classes)
    return run


@pytest.fixture
def run(image_folder: Callable[..., Path]) -> Run:
    return made(str(image_folder("colours", ("red", "blue"))))


def picture(folder: Path) -> Path:
    noise = np.random.default_rng(0).integers(0, 255, (90, 130, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((300, 170)).save(folder / "wide.png")
    return folder / "wide.png"


@pytest.mark.parametrize(
    ("name", "fit"),
    [("onnx", "crop"), ("pt2", "crop"), ("torchscript", "crop"), ("torchscript", "squeeze"), ("torchscript", "pad")],
)
def test_predict_py_alone_answers_as_the_checkpoint(
    name: str, fit: str, image_folder: Callable[..., Path], tmp_path: Path
) -> None:
    run = made(str(image_folder("colours", ("red", "blue"))), replace(MODEL, fit=fit))
    found = package.export_package(run, name, tmp_path / "model.zip")
    assert found.parity.agrees
    with zipfile.ZipFile(tmp_path / "model.zip") as archive:
        archive.extractall(tmp_path / "there")
    path = picture(tmp_path)
    answered = subprocess.run(
        [sys.executable, "-P", str(tmp_path / "there" / "predict.py"), str(path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    ).stdout
    probabilities = predict_images(network_of_run(run), [open_image(path)])[0]
    _path, called, share = answered.strip().split("\t")
    assert called == CLASSES[int(probabilities.argmax())]
    assert float(share) == pytest.approx(float(probabilities.max()), abs=6e-5)


def test_the_package_has_what_is_needed(run: Run, tmp_path: Path) -> None:
    package.export_package(run, "safetensors", tmp_path / "model.zip")
    with zipfile.ZipFile(tmp_path / "model.zip") as archive:
        names = set(archive.namelist())
        config = json.loads(archive.read("config.json"))
        rows = list(csv.DictReader(io.StringIO(archive.read("classes.csv").decode())))
        book = archive.read("classes.xlsx")
        card = archive.read("MODEL_CARD.md").decode()
    assert names == {
        *("model.safetensors", "config.json", "classes.csv", "classes.json", "classes.xlsx", "MODEL_CARD.md")
    }
    assert "- ShuffleNet" in card
    assert "- Recipe: " in card
    assert str(run.experiment.data.source) not in card, "where images lay is nobody's business elsewhere"
    assert config["classes"] == list(CLASSES)
    assert config["preprocessing"]["crop"] == 64
    assert [row["name"] for row in rows] == ["'=1+1", "blue"]  # no formula
    import openpyxl

    sheet = openpyxl.load_workbook(io.BytesIO(book)).active
    assert (sheet["B2"].value, sheet["B2"].data_type) == ("=1+1", "s")
    assert "It was not judged with these weights" in card


def test_gray_networks_take_colours_too(tmp_path: Path) -> None:
    run = made("digits", ModelSpec("mnist_cnn", "none"), tuple("0123456789"))
    found = package.export_file(run, "onnx", tmp_path / "digits.onnx")
    assert found.parity.agrees
    assert found.bytes == (tmp_path / "digits.onnx").stat().st_size


def test_a_file_that_answers_otherwise_is_not_handed_out(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(path: Path, spec: ModelSpec, classes: tuple[str, ...]) -> formats.Run:
        right = formats.FORMATS["pt2"].open(path, spec, classes)
        return lambda images: right(images) + 3e-4 * (len(images) == 5) * torch.arange(2)  # only in batches of 5

    broken = replace(formats.FORMATS["pt2"], open=wrong)
    monkeypatch.setitem(formats.FORMATS, "torchscript", broken)
    with pytest.raises(InputError, match="answers otherwise"):
        package.export_file(run, "torchscript", tmp_path / "model.pt2")
    assert not (tmp_path / "model.pt2").exists()


def test_what_an_exporter_cannot_write_is_said(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_anything: object) -> None:
        raise RuntimeError("no such operator\nand a long story")

    monkeypatch.setitem(formats.FORMATS, "pt2", replace(formats.FORMATS["pt2"], write=fails))
    with pytest.raises(InputError, match=r"cannot hold this network \(no such operator\)"):
        package.export_file(run, "pt2", tmp_path / "model.pt2")
    with pytest.raises(InputError, match="no format keras"):
        package.export_file(run, "keras", tmp_path / "model.h5")
    monkeypatch.setitem(formats.FORMATS, "pt2", replace(formats.FORMATS["pt2"], needs=("nowhere_to_be_found",)))
    with pytest.raises(InputError, match="nowhere_to_be_found, which is not installed"):
        package.export_file(run, "pt2", tmp_path / "model.pt2")


def test_generated_pictures_stand_in_for_images_that_are_gone(run: Run, tmp_path: Path) -> None:
    import shutil

    shutil.rmtree(run.experiment.data.source)
    found = package.export_file(run, "pt2", tmp_path / "model.pt2")
    assert not found.parity.own
    assert found.parity.pictures == parity.PICTURES


def test_normalisation_is_inside() -> None:
    prep = Preprocessing(8, 8, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
    images = torch.rand(2, 3, 8, 8)
    inside = formats.Deployed(torch.nn.Identity(), prep)(images)
    assert torch.allclose(inside[:, 1], (images[:, 1] - 0.2) / 0.6)


def test_the_job_leaves_a_zip_and_what_was_measured(run: Run) -> None:
    job = JobStore(ExportRequest.kind).create(ExportRequest(run.id, "best", "1", "pt2").as_record())
    assert result(job) is None
    status = job_process.work(job)
    assert status.state == "finished"
    found = result(job)
    assert found is not None
    assert found.parity.agrees
    assert zipfile.is_zipfile(package_of(job))


def test_on_the_command_line(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", run.id, "--format", "pt2", "--out", str(tmp_path / "m.pt2"), "--json", "--quiet"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["max_difference"] <= parity.LIMIT
    assert record["bytes"] == (tmp_path / "m.pt2").stat().st_size
    assert record["opset"] is None
    assert main(["export", run.id, "--out", str(tmp_path / "nowhere" / "m.onnx"), "--quiet"]) == 2
    assert "Make it first" in capsys.readouterr().err
