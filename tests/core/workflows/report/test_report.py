"""A run's report: what it says, that it asks for nothing from elsewhere, and that names are text."""

from __future__ import annotations

import gettext
import html
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core import settings, translations
from core.data.sources import open_dataset
from core.data.splits import split
from core.errors import Cancelled
from core.evaluation.calibration import Bin
from core.evaluation.predictions import write_predictions
from core.models.network import assemble, save
from core.runs.jobs import JobStore
from core.runs.recorder import Recorder
from core.runs.status import JobStatus
from core.runs.store import Run, RunStore
from core.specs import DataSpec, Experiment, ModelSpec, TrainingSpec
from core.training.recipes import make_recipe
from core.workflows.data_check.report import Check, Doubt
from core.workflows.images import reopen
from core.workflows.jobs import data_check
from core.workflows.report import report
from core.workflows.report.charts import Line, lines, reliability, ticks
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


def plain(text: str) -> str:
    """Returns a report's text without its marks, in single spaces."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", re.sub(r"<style>.*?</style>", "", text, flags=re.S))).split())


def test_it_says_what_the_run_has_shown(run: Run, tmp_path: Path) -> None:
    text = written(run, tmp_path)
    assert "83.3 % of 6 test images, which it never saw" in plain(text)
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
    assert "83.3 %" in plain(text)
    (run.path / "predictions.parquet").unlink()
    assert "It was not judged" in written(run, tmp_path)


def test_another_moment_is_judged_anew(run: Run, tmp_path: Path) -> None:
    assert "weights before training" in written(run, tmp_path, checkpoint="start")
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


def test_epochs_are_whole_and_shares_have_their_sign() -> None:
    rows = [Line("validation", "val", [(1, 0.9), (2, 0.8)])]
    drawn = lines(rows, across="epoch", up="accuracy", share=True)
    said = re.findall(r">([\d.]+(?: %)?)</text>", drawn)
    assert [text for text in said if "%" not in text] == ["1", "2"]
    sure = reliability([Bin(12, 0.7, 0.8)], across="confidence", up="right", title="How sure")
    assert sure.count(">25 %</text>") == 2, "both axes are shares"


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


def test_the_data_s_report_card_is_that_of_the_newest_check_or_said_to_be_missing(run: Run, tmp_path: Path) -> None:
    assert "No check of these images was kept" in plain(written(run, tmp_path))
    dataset = reopen(run)
    train = [item.key for item in dataset.items if item.split == "train"]
    other = next(item.key for item in dataset.items if item.split == "test")
    found = Check(
        classes={},
        equal=((train[0], other),),
        looks={"dark": (train[1], train[2])},
        suspects=(Doubt(train[3], "gone", "gone, too", 0.9),),
    )
    request = data_check.check_request(run.experiment.data, "an earlier state")
    job = JobStore(request.kind).create(request.as_record())
    job.write_result(found.to_dict())
    JobStatus(state="finished", ended=1_790_000_000.0).write(job.path)
    said = plain(written(run, tmp_path, check=data_check.kept(run.experiment.data)))
    assert "Checked 2026-09-21 14:13 UTC: 24 images of this run can be read." in said
    assert "In two splits: 1 " in said
    assert "Very dark: 2 " in said
    assert "Doubtful labels" not in said, "the class is not called so any more"
    assert "The network did not look" in said


class Persian(gettext.NullTranslations):
    """A language whose every text is the English one, marked."""

    def gettext(self, message: str) -> str:
        return f"«{message}»"


def test_it_is_written_in_another_language_from_right_to_left(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(translations, "catalogue", lambda _code: Persian())
    monkeypatch.setattr(report, "languages", lambda: ("en", "fa"))
    text = written(run, tmp_path, language="fa")
    assert '<html lang="fa" dir="rtl">' in text
    assert "<bdi>83.3\u00a0%</bdi>" in text
    assert "«of <bdi>6</bdi> test images" in text
    bare = re.sub(r"«[^«»]*(?:«[^«»]*»[^«»]*)*»", " ", plain(text))
    own = {"mnist_cnn", "MNIST", "CNN", "Mine", "F1", "MixUp", "EMA", "UTC", "script", "alert", "png", "colours", "Lab"}
    left = set(re.findall(r"[A-Za-z]{4,}", bare)) - own
    assert left <= {*run.id.split("-"), "Adam"}, "all else is a name"
    assert '<html lang="en" dir="ltr">' in written(run, tmp_path, language="xx"), "no catalogue: English"


def test_texts_of_its_template_are_in_the_catalogue() -> None:
    from babel.messages.pofile import read_po

    with (settings.PROJECT / "assets" / "locales" / "backbone_lab.pot").open(encoding="utf-8") as file:
        known = {message.id for message in read_po(file)}
    assert "Report card of the data" in known
    assert any(str(text).startswith("of {n} test images, which it never saw") for text in known)
