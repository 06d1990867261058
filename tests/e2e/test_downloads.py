"""Every file that a page gives away: asked for in the browser, opened, and looked into."""

from __future__ import annotations

import ast
import csv
import io
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from openpyxl import load_workbook
from PIL import Image
from playwright.sync_api import Page
from safetensors.numpy import load

from core.runs.jobs import JobStore
from core.specs.study import Factor, Study
from core.workflows.studies.members import StudyRequest

PAGES = Path(__file__).resolve().parents[2] / "pages"
Visit = Callable[..., Page]
Settled = Callable[[Page], Page]
SMALL = {"backbone": "shufflenet_v2_x0_5", "weights": "none", "layer": "conv1"}


def keys_in_code() -> set[str]:
    """Returns the keys of all downloads that pages draw; of a made-up key what it begins with."""
    found: set[str] = set()
    for path in PAGES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "download" and len(node.args) > 3:
                key = node.args[3]
                first = key.values[0] if isinstance(key, ast.JoinedStr) else key
                assert isinstance(first, ast.Constant), f"{path}:{node.lineno}"
                assert str(first.value) not in found, f"{first.value} is used twice"
                found.add(str(first.value))
    return found


def saved(page: Page, key: str) -> tuple[str, bytes]:
    """Clicks a download; returns the file's name and what it holds."""
    with page.expect_download() as given:
        page.locator(f".st-key-{key} button:visible").click()
    return given.value.suggested_filename, Path(given.value.path()).read_bytes()


def is_picture(name: str, data: bytes) -> None:
    assert name.endswith(".png")
    image = Image.open(io.BytesIO(data))
    image.load()
    assert min(image.size) > 8


def is_arrays(name: str, data: bytes) -> None:
    assert name.endswith(".npz")
    arrays = np.load(io.BytesIO(data))
    assert arrays.files
    assert all(arrays[key].ndim == 3 and np.isfinite(arrays[key]).all() for key in arrays.files)


def is_pictures(name: str, data: bytes) -> None:
    assert name.endswith(".zip")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) > 3
        for inside in archive.namelist():
            is_picture(inside, archive.read(inside))


def is_table(name: str, data: bytes) -> None:
    assert name.endswith("-layers.csv")
    rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))
    assert len(rows) > 20
    assert any(int(row["parameters"] or 0) > 0 for row in rows)


def is_workbook(name: str, data: bytes) -> None:
    assert name.endswith("-layers.xlsx")
    assert load_workbook(io.BytesIO(data)).active.max_row > 20


def is_run(name: str, data: bytes) -> None:
    """A run's archive is whole, and its weights load."""
    assert name.endswith(".zip")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        inside = {path.rpartition("/")[2]: path for path in archive.namelist()}
        weights = load(archive.read(inside["best.safetensors"]))
        assert weights
        assert all(np.isfinite(values).all() for values in weights.values())
        assert json.loads(archive.read(inside["experiment.json"]))["data"]["source"] == "digits"
        assert archive.read(inside["metrics.jsonl"]).count(b"\n") == 4
        assert {"status.json", "split.csv", "predictions.parquet", "log.txt"} <= set(inside)


def is_model(name: str, data: bytes) -> None:
    """The network opens and gives as many logits as there are classes; its program and its card lie beside it."""
    assert name.endswith("pt2.zip")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert {"predict.py", "classes.csv", "classes.xlsx", "MODEL_CARD.md"} <= set(archive.namelist())
        side = json.loads(archive.read("config.json"))["preprocessing"]["crop"]
        network = torch.export.load(io.BytesIO(archive.read("model.pt2"))).module()
    assert network(torch.rand(3, 3, side, side)).shape == (3, 10)


def is_report(name: str, data: bytes) -> None:
    """The report has its figures and pictures inside, and names nothing elsewhere."""
    assert name.endswith("report.html")
    text = data.decode()
    assert "It names one of its classes" in text
    assert "<svg" in text
    assert not re.search(r"(src|href)=.https?:", text)


def is_predictions(name: str, data: bytes) -> None:
    if name.endswith(".xlsx"):
        assert load_workbook(io.BytesIO(data)).active.max_row == 3
        return
    rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))
    assert [float(row["probability"]) for row in rows] == sorted(float(row["probability"]) for row in rows)
    assert len(rows) == 2


def is_program(name: str, data: bytes) -> None:
    assert name == "train_again.py"
    compile(data, name, "exec")


def is_split(name: str, data: bytes) -> None:
    assert name == "split.csv"
    rows = list(csv.DictReader(io.StringIO(data.decode())))
    assert {row["split"] for row in rows} == {"train", "val", "test"}


def is_experiment(name: str, data: bytes) -> None:
    assert name == "experiment.json"
    assert json.loads(data)["model"]["backbone"] == "squeezenet1_1"


def is_archive_of_images(name: str, data: bytes) -> None:
    assert name == "images.zip"
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == 200


def runs(page: Page, visit: Visit, settled: Settled, trained: Any) -> None:
    visit(page, "runs", run=trained.id)
    page.get_by_text("Do it again elsewhere").click()
    settled(page)


def model(page: Page, visit: Visit, settled: Settled, trained: Any) -> None:
    visit(page, "runs", run=trained.id, format="pt2")
    page.get_by_text("Take the model").click()
    begin = page.locator(".st-key-bl-take-start button:visible")
    begin.or_(page.locator(".st-key-bl-take-download button:visible")).wait_for()
    if begin.count():
        begin.click()
    page.locator(".st-key-bl-take-download button:visible").wait_for()
    settled(page)


def report(page: Page, visit: Visit, settled: Settled, trained: Any) -> None:
    visit(page, "runs", run=trained.id)
    page.locator(".st-key-bl-report summary").click()
    page.locator(".st-key-bl-report-start button:visible").click()
    page.locator(".st-key-bl-report-download button:visible").wait_for(timeout=120_000)  # its heatmaps are tested
    settled(page)


def predictions(page: Page, visit: Visit, settled: Settled, trained: Any) -> None:
    visit(page, "try_it", run=trained.id)
    files = []
    for number in range(2):
        buffer = io.BytesIO()
        Image.new("RGB", (40, 40), (90 * number, 60, 200)).save(buffer, "PNG")
        files.append({"name": f"{number}.png", "mimeType": "image/png", "buffer": buffer.getvalue()})
    page.locator('[data-testid="stFileUploader"] input').set_input_files(files)
    page.locator(".st-key-bl-try-csv button:visible").wait_for()
    settled(page)


def layer(page: Page, visit: Visit, _settled: Settled, trained: Any) -> None:
    visit(page, "feature_maps", run=trained.id)


def layers(page: Page, visit: Visit, _settled: Settled, trained: Any) -> None:
    visit(page, "feature_maps", run=trained.id, view="all")


def study(page: Page, visit: Visit, _settled: Settled, trained: Any) -> None:
    wanted = Study(trained.experiment, (Factor.of("training.phases.lr", 0.001, 0.01),))
    made = JobStore("studies", trained.path.parent).create(StudyRequest(wanted.as_record()).as_record())
    visit(page, "studies", study=made.id)


def is_study(name: str, data: bytes) -> None:
    assert name.endswith(".json")
    assert Study.from_json(data.decode()).factors[0].name == "training.phases.lr"


def heatmap(page: Page, visit: Visit, _settled: Settled, trained: Any) -> None:
    visit(page, "heatmaps", run=trained.id)


def table(page: Page, visit: Visit, settled: Settled, _trained: Any) -> None:
    visit(page, "anatomy", backbone="resnet18", weights="none")
    page.get_by_role("main").locator(".st-key-bl-anatomy-sheet").get_by_text("All layers").click()
    settled(page)


def dream(page: Page, visit: Visit, settled: Settled, _trained: Any) -> None:
    visit(page, "filters", **SMALL, view="dreams")
    page.get_by_role("button", name="Grow 16 pictures").or_(page.locator(".bl-gallery button")).first.wait_for()
    if page.get_by_role("button", name="Grow 16 pictures").count():
        page.get_by_role("button", name="Grow 16 pictures").click()
    page.locator(".st-key-bl-dream-download button:visible").wait_for()
    settled(page)


def deep_dream(page: Page, visit: Visit, settled: Settled, trained: Any) -> None:
    visit(page, "filters", run=trained.id, view="dreams")
    page.get_by_role("main").locator(".st-key-bl-dream-mode button").last.click()
    page.get_by_role("button", name="Dream", exact=True).click()
    page.locator(".st-key-bl-deep-download button:visible").wait_for()
    settled(page)


def style(page: Page, visit: Visit, settled: Settled, _trained: Any) -> None:
    small = {"style-size": "128", "style-steps": "10"}
    visit(page, "style", content="sample:cat", style="sample:coffee", **small)
    begin, save = (page.locator(f".st-key-{key} button:visible") for key in ("bl-style-go", "bl-style-download"))
    begin.or_(save).first.wait_for()
    if begin.count():
        begin.click()
    save.wait_for(timeout=120_000)
    settled(page)


def autoencoder(page: Page, visit: Visit, settled: Settled, _trained: Any) -> None:
    visit(page, "autoencoder", data="digits", **{"auto-epochs": "2", "auto-images": "96"})
    begin, save = (page.locator(f".st-key-{key} button:visible") for key in ("bl-auto-go", "bl-auto-download"))
    begin.or_(save).first.wait_for()
    if begin.count():
        begin.click()
    save.wait_for(timeout=120_000)
    settled(page)


def is_encoder(name: str, data: bytes) -> None:
    assert name == "encoder.safetensors"
    weights = load(data)
    assert {key: value.shape for key, value in weights.items() if key.endswith("weight")} == {
        "conv1.weight": (6, 1, 3, 3),
        "conv2.weight": (4, 6, 3, 3),
    }


WAYS: dict[str, tuple[Callable[[Page, Visit, Settled, Any], None], Callable[[str, bytes], None]]] = {
    "bl-download-run": (runs, is_run),
    "bl-repeat-train_again": (runs, is_program),
    "bl-repeat-split": (runs, is_split),
    "bl-repeat-experiment": (runs, is_experiment),
    "bl-repeat-images": (runs, is_archive_of_images),
    "bl-take-download": (model, is_model),
    "bl-report-download": (report, is_report),
    "bl-try-csv": (predictions, is_predictions),
    "bl-try-excel": (predictions, is_predictions),
    "bl-maps-png": (layer, is_picture),
    "bl-maps-npz": (layer, is_arrays),
    "bl-all-png": (layers, is_pictures),
    "bl-all-npz": (layers, is_arrays),
    "bl-study-file": (study, is_study),
    "bl-heat-save": (heatmap, is_picture),
    "bl-table-csv": (table, is_table),
    "bl-table-excel": (table, is_workbook),
    "bl-dream-download": (dream, is_picture),
    "bl-deep-download": (deep_dream, is_picture),
    "bl-style-download": (style, is_picture),
    "bl-auto-download": (autoencoder, is_encoder),
}
"""Of a download's key: how it is reached, and what its file must be."""


def test_no_download_is_left_out() -> None:
    made_up = {key for key in keys_in_code() if key.endswith("-")}
    assert keys_in_code() - made_up == {key for key in WAYS if not key.startswith(tuple(made_up))}
    assert all(any(key.startswith(begin) for key in WAYS) for begin in made_up)


@pytest.mark.parametrize("way", dict.fromkeys(way for way, _file in WAYS.values()), ids=lambda way: way.__name__)
def test_downloads_give_files_that_open(
    way: Callable[..., None], calm: Page, visit: Visit, settled: Settled, trained: Any
) -> None:
    way(calm, visit, settled, trained)
    for key, (how, check) in WAYS.items():
        if how is way:
            check(*saved(calm, key))
