"""The verb that judges: figures with intervals, of a run at any moment and of a written matrix."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.cli import main
from core.runs.store import Run, RunStore
from core.specs import DataSpec, Experiment, FreezePlan, ModelSpec, Phase, TrainingSpec
from core.workflows.evaluate import evaluate, groups_of
from core.workflows.trainer_process import worker

Call = Callable[..., tuple[int, dict[str, Any], str]]


def trained_on(data: DataSpec) -> Run:
    task = Experiment(
        data,
        ModelSpec("mnist_cnn", "none"),
        TrainingSpec("scratch", (Phase("all", "plan", 1, lr=0.001),), device="cpu", precision="fp32"),
        FreezePlan("all"),
    )
    run = RunStore().create(task)
    worker.work(run)
    return run


@pytest.fixture
def run(image_folder: Callable[..., Path]) -> Run:
    return trained_on(DataSpec(str(image_folder(images=16)), 0.25, 0.25))


def test_figures_come_with_intervals_and_before_training(call: Call, run: Run) -> None:
    status, record, _ = call("evaluate", run.id)
    assert status == 0
    for name in ("macro_precision", "macro_recall", "macro_f1", "roc_auc", "ece", "accuracy", "log_loss"):
        low, high = record["intervals"][name]
        assert low <= record[name] <= high
    assert set(record["per_class"][0]["intervals"]) >= {"recall", "f1", "roc_auc"}
    assert (record["groups"], record["checkpoint"]) == (None, "best")
    start = call("evaluate", f"{run.id}@start")[1]
    assert start["checkpoint"] == "start"
    assert start["log_loss"] != record["log_loss"]
    status, _, error = call("evaluate", f"{run.id}@77")
    assert status == 2
    assert "77" in error
    status, _, error = call("evaluate", f"{run.id}@never")
    assert "no moment never" in error


def test_groups_of_the_division_are_what_intervals_rest_on(
    call: Call, image_folder: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    root = image_folder(images=24)
    for folder in root.iterdir():
        for number, path in enumerate(sorted(folder.iterdir())):
            path.rename(folder / f"{folder.name}{number // 4}_{number}.png")
    grouped = trained_on(DataSpec(str(root), 0.34, group_by="stem"))
    record = call("evaluate", grouped.id)[1]
    assert record["groups"] == record["images"] / 4
    assert main(["evaluate", grouped.id]) == 0
    assert f"over {record['groups']} groups" in capsys.readouterr().out
    found = evaluate(grouped)
    apart = replace(found, groups=None).figures().intervals["log_loss"]
    low, high = record["intervals"]["log_loss"]
    assert high - low != pytest.approx(apart[1] - apart[0])


@pytest.mark.parametrize("how", ["stem", "pattern:(0)_"])
def test_a_part_of_one_group_or_of_none_is_judged_all_the_same(how: str, image_folder: Callable[..., Path]) -> None:
    root = image_folder(images=12)
    for folder in root.iterdir():
        for number, path in enumerate(sorted(folder.iterdir())):
            path.rename(folder / f"{folder.name}{number // 4}_{number}.png")
    run = trained_on(DataSpec(str(root), 0.34, group_by=how))
    every = [row["key"] for row in run.split_rows()]
    related = [key for key in every if "0_" in key and (how != "stem" or key.startswith(every[0].split("/")[0]))]
    others = [key for key in every if "0_" not in key]
    assert len(related) >= 4
    assert groups_of(run, related) == (0,) * len(related)
    found = groups_of(run, others)
    assert found is not None
    assert len(set(found)) == (len(others) // 4 if how == "stem" else len(others))


def test_a_matrix_of_the_notes(call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    record = call("evaluate", "--matrix", "[[203,33],[41,136]]")[1]
    assert record["macro_f1"] == pytest.approx(0.8160, abs=5e-5)
    assert record["intervals"]["accuracy"] == pytest.approx([0.781, 0.855], abs=1e-3)
    assert (record["images"], record["roc_auc"], record["ece"]) == (413, None, None)
    assert record["baseline"] == pytest.approx(236 / 413)
    assert main(["evaluate", "--matrix", "[[203,33],[41,136]]"]) == 0
    printed = capsys.readouterr().out
    assert "macro F1" in printed
    assert "no ROC curve" in printed


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "needs a RUN"),
        (("--matrix", ""), "no list of rows"),
        (("--matrix", "[[1,2],[3"), "no list of rows"),
        (("--matrix", "[" * 100_000), "no list of rows"),
        (("--matrix", "[[1,2]]"), "not square"),
        (("--matrix", "[[1,-2],[3,4]]"), "holds -2"),
        (("--matrix", '[["a",2],[3,4]]'), "holds a"),
        (("--matrix", "[[NaN,2],[3,4]]"), "holds nan"),
        (("--matrix", "[]"), "empty"),
        (("--matrix", "[[1]]", "--data", "digits"), "data cannot stand beside"),
        (("some-run", "--matrix", "[[1]]"), "run cannot stand beside"),
    ],
)
def test_what_cannot_be_judged_is_refused(call: Call, words: tuple[str, ...], sentence: str) -> None:
    status, _, error = call("evaluate", *words)
    assert status == 2
    assert sentence in error


def test_a_run_is_judged_on_spoilt_pictures(call: Call, run: Run) -> None:
    status, record, _ = call("evaluate", run.id, "--corruptions", "fog,attack", "--split", "val", "--pictures", 0)
    assert status == 0
    assert set(record["corruptions"]) == {"fog", "fgsm", "pgd"}
    fog = record["corruptions"]["fog"]
    assert len(fog["accuracy"]) == len(fog["intervals"]) == 6
    assert fog["accuracy"][0] == record["accuracy"]
    assert record["mean_corruption_accuracy"] == pytest.approx(sum(fog["accuracy"][1:]) / 5)
    assert (record["split"], record["images"]) == ("val", record["of"])
    only = call("evaluate", run.id, "--corruptions", "fgsm")[1]
    assert only["mean_corruption_accuracy"] is None


def test_a_run_is_judged_by_several_views(call: Call, run: Run) -> None:
    status, record, _ = call("evaluate", run.id, "--tta", "mirror")
    assert status == 0
    assert record["views"] == 2
    low, high = record["intervals"]["difference"]
    assert low <= record["difference"] <= high
    assert record["difference"] == pytest.approx(record["with"] - record["without"])
    status, _, error = call("evaluate", run.id, "--tta", "4")
    assert (status, "without augmentation" in error) == (2, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--corruptions", "frost"), "no corruption frost"),
        (("--corruptions", "fog", "--tta", "2"), "cannot stand beside"),
        (("--corruptions", "fog", "--data", "shapes"), "cannot stand beside"),
        (("--tta", "many"), "neither mirror nor crops"),
        (("--tta", "0"), "draws"),
        (("--split", "val"), "goes with"),
        (("--corruptions", "fog", "--pictures", "-1"), "--pictures"),
    ],
)
def test_what_cannot_be_judged_closer_is_refused(call: Call, run: Run, words: tuple[str, ...], said: str) -> None:
    status, _, error = call("evaluate", run.id, *words)
    assert status == 2
    assert said in error


def test_closer_looks_need_a_run(call: Call) -> None:
    status, _, error = call("evaluate", "--tta", "mirror")
    assert (status, "needs a RUN" in error) == (2, True)


def test_explain_names_the_training_images_most_like_an_image(call: Call, run: Run, tmp_path: Path) -> None:
    train = [row for row in run.split_rows() if row["split"] == "train"]
    picture, out = Path(run.experiment.data.source) / train[3]["key"], tmp_path / "heat.png"
    status, record, _ = call("explain", run.id, picture, "--nearest", 2, "--out", out)
    assert status == 0
    assert (record["nearest"]["looked_at"], record["nearest"]["of"]) == (len(train), len(train))
    first, second = record["nearest"]["images"]
    assert (first["key"], first["label"]) == (train[3]["key"], train[3]["label"])
    assert first["cosine"] == pytest.approx(1.0, abs=1e-5)
    assert second["cosine"] <= first["cosine"]
    out.unlink()
    status, _, error = call("explain", "mnist_cnn", picture, "--weights", "none", "--nearest", 2, "--out", out)
    assert status == 2
    assert "is a backbone" in error
    assert not out.exists()
