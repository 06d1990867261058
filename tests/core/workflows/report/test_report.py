"""A run's report: what it says, that it asks for nothing from elsewhere, and that names are text."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.data.sources import open_dataset
from core.data.splits import split
from core.errors import Cancelled
from core.evaluation.predictions import write_predictions
from core.models.network import assemble, save
from core.runs.recorder import Recorder
from core.runs.store import Run, RunStore
from core.specs import DataSpec, Experiment, ModelSpec, TrainingSpec
from core.training.recipes import make_recipe
from core.workflows.report.charts import Line, lines, ticks
from core.workflows.report.report import write_report

MARKUP, PERSIAN = "<script>alert(1)", "سبز"


@pytest.fixture
def run(image_folder: Callable[..., Path]) -> Run:
    """A run of a small network with one mistake on its test images; a class's name is markup, another Persian."""
    data = DataSpec(str(image_folder("colours", (MARKUP, PERSIAN), 12)), val_share=0.25, test_share=0.25)
    model, recipe = ModelSpec("mnist_cnn", "none"), make_recipe("scratch", weights="none")
    training = TrainingSpec("scratch", recipe.phases)
    made = RunStore().create(Experiment(data, model, training, freeze=recipe.freeze, name="<b>Mine</b>"))
    dataset = split(open_dataset(data.source), data)
    recorder = Recorder(made)
    recorder.classes(dataset.classes)
    recorder.split((item.key, dataset.classes[item.label], item.split) for item in dataset.items)
    for epoch in (1, 2):
        losses = {"train_loss": 1 / epoch, "val_loss": None if epoch == 1 else 0.5}
        shares = {"train_accuracy": 0.5, "val_accuracy": 0.25 * epoch}
        recorder.epoch({"epoch": epoch, "phase": "all", "phase_index": 0, "lr": 0.001, **losses, **shares})
    save(assemble(model, dataset.classes, seed=0).model, made.path / "best.safetensors")
    held = [item for item in dataset.items if item.split in ("val", "test")]
    sure = np.where(np.arange(2)[None] == np.array([item.label for item in held])[:, None], 0.9, 0.1)
    wrong = next(place for place, item in enumerate(held) if item.split == "test")
    sure[wrong] = sure[wrong, ::-1]
    write_predictions(made.path / "predictions.parquet", held, sure.astype(np.float32), dataset.classes)
    (made.path / "status.json").write_text('{"state": "finished", "best_epoch": 2}')
    return made


def written(run: Run, tmp_path: Path, **more: object) -> str:
    path = tmp_path / "report.html"
    found = write_report(run, path, tested=False, **more)  # type: ignore[arg-type]
    assert found.bytes == path.stat().st_size < 5_000_000
    return path.read_text(encoding="utf-8")


def test_it_says_what_the_run_has_shown(run: Run, tmp_path: Path) -> None:
    text = written(run, tmp_path)
    assert "83.3 %</b> of 6 test images, which it never saw" in text
    assert "Worst mistakes" in text
    assert text.count("data:image/webp") == 4  # the mistake, its heatmap, and a picture of each class
    assert text.count("<svg") == 3
    assert "nobody looked" in text
    assert "everything learns" in text
    assert 'aria-label="loss: training, validation"' in text


def test_it_asks_for_nothing_from_elsewhere_and_names_are_text(run: Run, tmp_path: Path) -> None:
    text = written(run, tmp_path)
    assert MARKUP not in text
    assert "<b>Mine</b>" not in text
    assert f"<bdi>{PERSIAN}</bdi>" in text
    assert "default-src 'none'" in text
    assert not re.search(r"(?:src|href)\s*=\s*[\"'](?!data:)", text)
    assert "@import" not in text
    assert not re.search(r"url\(", text)


def test_without_its_images_it_has_the_figures_all_the_same(run: Run, tmp_path: Path) -> None:
    shutil.rmtree(run.experiment.data.source)
    text = written(run, tmp_path)
    assert "The pictures are not in this report" in text
    assert "83.3 %" in text
    (run.path / "predictions.parquet").unlink()
    assert "It was not judged" in written(run, tmp_path)


def test_another_moment_is_judged_anew(run: Run, tmp_path: Path) -> None:
    assert "weights at start" in written(run, tmp_path, checkpoint="start")
    assert "It was not judged" in written(run, tmp_path, checkpoint="77")


def test_a_run_without_anything_has_a_report_that_says_so(tmp_path: Path) -> None:
    recipe = make_recipe("linear-probe")
    bare = RunStore().create(
        Experiment(DataSpec("shapes"), ModelSpec("resnet18"), TrainingSpec("linear-probe", recipe.phases))
    )
    text = written(bare, tmp_path)
    assert "It was not judged" in text
    assert "<svg" not in text


def test_a_cancelled_report_leaves_no_file(run: Run, tmp_path: Path) -> None:
    def cancel(*_step: object) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        write_report(run, tmp_path / "report.html", step=cancel)
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0.012, 0.013), (3, 3), (-2, 900), (0, 0)])
def test_ticks_are_round_and_cover_the_range(low: float, high: float) -> None:
    found = ticks(low, high)
    assert found[0] <= low
    assert found[-1] >= high
    assert 2 <= len(found) <= 8
    assert found == sorted(found)


def test_a_chart_of_nothing_is_nothing() -> None:
    assert lines([Line("a", "train", [])], across="epoch", up="loss") == ""
    assert lines([Line("a", "train", [(1.0, float("nan"))])], across="epoch", up="loss") == ""
    assert "<circle" in lines([Line("a", "train", [(1.0, 2.0)])], across="epoch", up="loss")
