"""The command line: verbs, JSON, exit statuses."""

from __future__ import annotations

import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.cli import main
from core.interpret.attribution.explain import METHODS
from core.runs import RunStore
from core.specs import DataSpec, Experiment, FreezePlan, ModelSpec, Phase, TrainingSpec

TRAIN = (
    "--backbone",
    "squeezenet1_1",
    "--weights",
    "none",
    "--preset",
    "linear-probe",
    "--image-size",
    "64",
    "--epochs",
    "2",
    "--device",
    "cpu",
)


Call = Callable[..., tuple[int, dict[str, Any], str]]


@pytest.fixture
def trained(call: Call, image_folder: Callable[..., Path]) -> dict[str, Any]:
    """A small run on a data set with its own split."""
    _, record, _ = call("train", "--data", image_folder("own", presplit=True), *TRAIN, "--name", "first")
    return record


def test_backbones_name_all_eighty_and_the_lites(call: Call) -> None:
    status, record, _ = call("backbones")
    rows = {row["name"]: row for row in record["backbones"]}
    assert status == 0
    assert len(rows) >= 83
    assert rows["efficientnet_lite0"]["weights"] == "available"
    assert rows["vgg16"]["parameters"] == 138_357_544
    assert {"name", "family", "parameters", "input_size", "gflops", "top1", "weights"} <= set(rows["resnet18"])
    assert {row["weights"] for row in rows.values()} <= {"available", "needs download", "none"}


def test_backbones_are_searched_filtered_and_sorted(call: Call) -> None:
    _, record, _ = call("backbones", "--family", "mobilenet", "--sort", "top1")
    assert [row["name"] for row in record["backbones"]] == ["mobilenet_v3_large", "mobilenet_v2", "mobilenet_v3_small"]
    assert record["backbones"][0]["entries"][0]["name"] == "IMAGENET1K_V2"
    _, record, _ = call("backbones", "--search", "course five")
    assert [(row["name"], row["weights"]) for row in record["backbones"]] == [("five_classes_cnn", "none")]
    status, _, error = call("backbones", "--family", "nope")
    assert status == 2
    assert "ResNeXt" in error


def test_datasets_methods_devices_and_runs_are_listed(call: Call) -> None:
    assert {"mnist", "digits", "shapes", "textures"} <= {row["name"] for row in call("datasets")[1]["datasets"]}
    served = {row["name"]: row["served_by"] for row in call("methods")[1]["methods"]}
    assert (served["grad-cam"], served["saliency"]) == ("own", "captum")
    assert call("devices")[1]["devices"][-1]["id"] == "cpu"
    assert call("runs")[1] == {"runs": []}


def test_data_tells_counts_sizes_and_what_cannot_be_read(call: Call, image_folder: Callable[..., Path]) -> None:
    root = image_folder(presplit=True)
    (root / "train" / "red" / "broken.jpg").write_bytes(b"\xff\xd8\xff nonsense")
    status, record, _ = call("data", root)
    assert status == 0
    assert record["classes"] == ["blue", "red"]
    assert record["counts"]["train"] == {"blue": 8, "red": 8}
    assert record["counts"]["test"] == {"blue": 4, "red": 4}
    assert [bad["key"] for bad in record["unreadable"]] == ["train/red/broken.jpg"]
    assert record["sizes"]["median"] == [48, 48]


def test_a_test_folder_that_is_the_training_folder_is_a_leak(call: Call, image_folder: Callable[..., Path]) -> None:
    import shutil

    root = image_folder(presplit=True)
    shutil.rmtree(root / "test")
    shutil.copytree(root / "train", root / "test")
    record = call("data", root)[1]
    assert record["leaks"] >= 16
    assert record["twins"][0]["exact"]


def test_data_says_to_people_what_the_record_holds(
    image_folder: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    root = image_folder(classes=("red", "blue", "Red"))
    first = min((root / "red").iterdir())
    (root / "blue" / "copy.png").write_bytes(first.read_bytes())
    (root / "red" / "broken.png").write_bytes(b"no image")
    (root / "red" / "phone.heic").write_bytes(b"x")
    assert main(["data", str(root)]) == 0
    said = capsys.readouterr().out
    for part in (
        "48 x 48 px",
        "leaks: 0",
        "label conflicts: 1",
        "in two classes: blue/copy.png and red/",
        "cannot be read: red/broken.png",
        "passed over: red/phone.heic",
        "note: The classes Red and red differ only by case or spaces.",
    ):
        assert part in said, part


def test_train_ends_with_its_record(trained: dict[str, Any]) -> None:
    assert set(trained) >= {
        "run",
        "path",
        "best_epoch",
        "val_accuracy",
        "test_accuracy",
        "seconds",
        "images_per_second",
        "trainable_parameters",
        "total_parameters",
    }
    assert Path(trained["path"]).name == trained["run"]
    assert trained["trainable_parameters"] == 512 * 2 + 2
    assert 0 <= trained["test_accuracy"] <= 1


def test_a_phase_in_which_nothing_new_learns_is_a_note(
    call: Call, image_folder: Callable[..., Path], tmp_path: Path
) -> None:
    tuned = Phase("fine-tune", "plan", 1)
    task = Experiment(
        DataSpec(str(image_folder("own", presplit=True))),
        ModelSpec("squeezenet1_1", "none", image_size=64),
        TrainingSpec("custom", (Phase("head", "head", 1), tuned), device="cpu"),
    )
    for free, noted in ((FreezePlan(), True), (FreezePlan(1), False)):
        file = tmp_path / "task.json"
        file.write_text(replace(task, freeze=free).to_json())
        status, _, progress = call("train", "--experiment", file)
        assert status == 0
        assert ("note: In phase 2 (fine-tune) nothing new learns" in progress) is noted


def test_a_class_that_nothing_validates_is_a_note(call: Call, image_folder: Callable[..., Path]) -> None:
    folder = image_folder("rare", presplit=True)
    for split in ("train", "val", "test"):
        (folder / split / "green").mkdir()
    shutil.copy(next((folder / "train" / "red").iterdir()), folder / "train" / "green")
    options = ("--backbone", "squeezenet1_1", "--weights", "none", "--image-size", 64, "--epochs", 1)
    status, record, progress = call("train", "--data", folder, *options)
    assert status == 0
    assert "note: There are too few images of green to validate on any" in progress
    assert "There are too few images of green to test on any" in (Path(record["path"]) / "log.txt").read_text()


def test_a_run_is_evaluated_by_id_and_by_path(call: Call, trained: dict[str, Any]) -> None:
    by_id = call("evaluate", trained["run"])[1]
    by_path = call("evaluate", trained["path"])[1]
    assert by_id == by_path
    assert by_id["split"] == "test"
    assert by_id["accuracy"] == pytest.approx(trained["test_accuracy"])
    assert by_id["images"] == 8


def test_other_images_without_splits_are_evaluated_whole(
    call: Call, trained: dict[str, Any], image_folder: Callable[..., Path]
) -> None:
    record = call("evaluate", trained["run"], "--data", image_folder("others", images=5, start=900))[1]
    assert (record["split"], record["images"], record["seen"]) == ("all", 10, 0)


def test_images_that_the_run_learned_from_do_not_judge_it(
    call: Call, trained: dict[str, Any], image_folder: Callable[..., Path]
) -> None:
    """Pictures 1 to 3 of a class are the run's own, whatever they are called; the others are new."""
    source = Path(RunStore().open(trained["run"]).experiment.data.source)
    learned = sorted((source / "train").rglob("*.png"))[:3]
    root = image_folder("others", images=5, start=900)
    for number, path in enumerate(learned):
        (root / path.parent.name / f"renamed-{number}.png").write_bytes(path.read_bytes())
    status, record, _ = call("evaluate", trained["run"], "--data", root)
    assert (status, record["images"], record["seen"]) == (0, 10, 3)
    status, _, error = call("evaluate", trained["run"], "--data", source / "train")
    assert status == 2
    assert "learned from all 16 images" in error


def test_images_that_cannot_be_read_are_left_out_and_named(
    call: Call, trained: dict[str, Any], image_folder: Callable[..., Path]
) -> None:
    root = image_folder("others", images=5, start=900)
    (root / "red" / "broken.png").write_bytes(b"no image")
    status, record, _ = call("evaluate", trained["run"], "--data", root)
    assert (status, record["images"]) == (0, 10)
    assert [bad["key"] for bad in record["unreadable"]] == ["red/broken.png"]


def test_a_bad_picture_costs_the_others_no_answer(
    call: Call, trained: dict[str, Any], image_folder: Callable[..., Path], tmp_path: Path
) -> None:
    root = image_folder("new", images=2, start=900)
    good, bad = next((root / "red").iterdir()), tmp_path / "bad.jpg"
    bad.write_text("no picture")
    status, record, _ = call("predict", trained["run"], good, bad, tmp_path / "nowhere.jpg", good)
    assert status == 2
    assert ["top" in answer for answer in record["predictions"]] == [True, False, False, True]
    assert "is not an image" in record["predictions"][1]["error"]
    status, record, _ = call("predict", trained["run"], root)
    assert status == 0
    assert [Path(answer["image"]).parent.name for answer in record["predictions"]] == ["blue"] * 2 + ["red"] * 2
    (tmp_path / "empty").mkdir()
    status, _, error = call("predict", trained["run"], tmp_path / "empty")
    assert status == 2
    assert "holds no pictures" in error


def test_a_run_is_trained_once(call: Call, trained: dict[str, Any]) -> None:
    before = (Path(trained["path"]) / "metrics.jsonl").read_text(), (Path(trained["path"]) / "status.json").read_text()
    status, _, error = call("train", "--run", trained["path"])
    assert status == 2
    assert "was trained before" in error
    after = (Path(trained["path"]) / "metrics.jsonl").read_text(), (Path(trained["path"]) / "status.json").read_text()
    assert after == before


def test_a_run_made_before_is_named_by_its_id(call: Call, trained: dict[str, Any], tmp_path: Path) -> None:
    made = RunStore(tmp_path / "other").create(RunStore().open(trained["run"]).experiment)
    status, record, _ = call("train", "--run", made.id, "--runs-dir", tmp_path / "other")
    assert (status, record["run"], record["state"]) == (0, made.id, "finished")


def test_images_outside_the_given_folder_are_refused(
    call: Call, image_folder: Callable[..., Path], tmp_path: Path
) -> None:
    words = ("train", "--data", image_folder(), *TRAIN, "--within", tmp_path / "data" / "other")
    status, _, error = call(*words)
    assert status == 2
    assert "outside the folders" in error


def test_a_damaged_run_does_not_hide_the_others(call: Call, trained: dict[str, Any]) -> None:
    broken = RunStore().create(RunStore().open(trained["run"]).experiment)
    (broken.path / "experiment.json").write_bytes(b"\xff{")
    status, record, error = call("runs")
    assert status == 0
    rows = {row["run"]: row for row in record["runs"]}
    assert rows.keys() == {trained["run"], broken.id}
    assert "unreadable" not in rows[trained["run"]]
    assert (rows[broken.id]["state"], rows[broken.id]["backbone"]) == ("unreadable", None)
    assert "not valid JSON" in rows[broken.id]["unreadable"][0]
    assert f"{broken.id}: The experiment is not valid JSON" in error


def test_images_of_unknown_classes_are_refused(
    call: Call, trained: dict[str, Any], image_folder: Callable[..., Path]
) -> None:
    status, _, error = call("evaluate", trained["run"], "--data", image_folder("odd", ("green", "red")))
    assert status == 2
    assert "green" in error


def test_predict_answers_for_each_image(call: Call, trained: dict[str, Any], image_folder: Callable[..., Path]) -> None:
    root = image_folder("more", images=2)
    images = sorted(root.rglob("*.png"))
    record = call("predict", trained["run"], *images, "--top-k", 1)[1]
    assert [answer["image"] for answer in record["predictions"]] == [str(image) for image in images]
    assert all(len(answer["top"]) == 1 for answer in record["predictions"])


def test_explain_writes_the_overlay(
    call: Call, trained: dict[str, Any], image_folder: Callable[..., Path], tmp_path: Path
) -> None:
    image = next(image_folder("one", images=1).rglob("*.png"))
    out = tmp_path / "deep" / "heat.png"
    status, record, _ = call("explain", trained["run"], image, "--target", "red", "--out", out)
    assert status == 0
    assert out.read_bytes().startswith(b"\x89PNG")
    assert record["target"] == "red"
    assert set(record) >= {"predicted", "probability", "target", "layer", "seconds"}
    several = ("--methods", "grad-cam,occlusion,lime", "--against", "blue", "--target", "red", "--out", out)
    status, record, _ = call("explain", trained["run"], image, *several, "--setting", "samples=12")
    assert status == 0
    assert [row["method"] for row in record["maps"]] == ["grad-cam", "occlusion", "lime"]
    assert all((row["target"], row["against"]) == ("red", "blue") for row in record["maps"])
    for words, sentence in (
        (("--methods", " , "), "No method is named"),
        (("--methods", "saliency,lime", "--layer", "features"), "Saliency, LIME looks at the picture itself"),
        (("--method", "lrp", "--setting", "gamma"), "gamma is not NAME=NUMBER"),
        (("--out", tmp_path / "heat.gif"), "cannot be written as"),
    ):
        status, _, error = call("explain", trained["run"], image, "--out", out, *words)
        assert status == 2
        assert sentence in error
    assert call("explain", trained["run"], image, "--out", tmp_path / "heat.jpg")[0] == 0
    assert (tmp_path / "heat.jpg").read_bytes().startswith(b"\xff\xd8")


def test_explain_says_beforehand_what_takes_long(
    call: Call, image_folder: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.cli.commands.explain.LONG_SECONDS", 0.0)
    image = next(image_folder("one", images=1).rglob("*.png"))
    words = ("explain", "mnist_cnn", image, "--weights", "none", "--out", tmp_path / "x.png", "--method")
    assert "about 30 passes through the network: about " in call(*words, "lime", "--setting", "samples=30")[2]
    assert "passes through the network" not in call(*words, "grad-cam")[2]


def test_explain_by_every_method_that_a_network_takes(
    call: Call, image_folder: Callable[..., Path], tmp_path: Path
) -> None:
    image = next(image_folder("one", images=1).rglob("*.png"))
    words = ("explain", "mnist_cnn", image, "--weights", "none", "--methods", "all", "--out", tmp_path / "all.png")
    status, record, _ = call(*words, "--setting", "samples=12")
    assert status == 0
    assert {row["method"] for row in record["maps"]} == set(METHODS) - {"attention-rollout", "gradient-rollout"}


def test_features_of_one_layer_and_of_all(call: Call, image_folder: Callable[..., Path], tmp_path: Path) -> None:
    image = next(image_folder("one", images=1).rglob("*.png"))
    words = ("features", "squeezenet1_1", image, "--weights", "none", "--out")
    one = call(*words, tmp_path / "one")[1]
    assert len(one["layers"]) == 1
    every = call(*words, tmp_path / "all", "--all")[1]
    assert len(every["layers"]) == len(list((tmp_path / "all").glob("*.png"))) > 20
    assert every["layers"][0]["channels"] == 64


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("train", "--backbone", "resnet18"), "train needs --data"),
        (("train", "--data", "nowhere", "--backbone", "resnet18"), "nowhere"),
        (("train", "--data", "shapes", "--backbone", "resnet19"), "resnet19"),
        (("train", "--data", "shapes", "--backbone", "resnet18", "--lr", "0"), "lr is 0"),
        (("train", "--data", "shapes", "--backbone", "resnet18", "--lr", "nan"), "lr is nan"),
        (("train", "--data", "shapes", "--backbone", "resnet18", "--epochs", "0"), "epochs is 0"),
        (("train", "--data", "shapes", "--backbone", "resnet18", "--unfreeze-stages", "2"), "head alone"),
        (("evaluate", "no-such-run"), "no-such-run"),
        (("predict", "no-such-run", "no-such-image.jpg"), "no-such-run"),
        (("explain", "resnet18", "no-such-image.jpg", "--out", "x.png"), "no-such-image.jpg"),
        (("data", "nowhere"), "nowhere"),
    ],
)
def test_bad_input_is_one_line_and_status_2(call: Call, words: tuple[str, ...], sentence: str) -> None:
    status, record, error = call(*words)
    assert (status, record) == (2, {})
    lines = error.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert sentence in lines[0]
    assert RunStore().list() == []


def test_weights_that_cannot_be_had_end_with_2_and_a_sentence(
    call: Call, image_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(urllib.request, "_opener", None)  # it keeps the proxies it was first made with
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    status, _, error = call("train", "--data", image_folder(), "--backbone", "resnet18", "--epochs", 1)
    assert status == 2
    assert "resnet18-f37072fd.pth" in error
    assert RunStore().list()[0].state == "failed"


@pytest.mark.parametrize("words", [(), ("juggle",), ("train", "--epochs", "many")])
def test_words_that_cannot_be_understood_are_one_line_and_status_2(words: tuple[str, ...]) -> None:
    answer = subprocess.run([sys.executable, "-m", "core", *words], capture_output=True, text=True, check=False)
    assert answer.returncode == 2
    assert answer.stdout == ""
    assert len(answer.stderr.strip().splitlines()) == 1


def test_human_output_is_readable_and_progress_goes_to_stderr(
    image_folder: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "--data", str(image_folder()), *TRAIN]) == 0
    printed = capsys.readouterr()
    assert "best epoch" in printed.out
    assert "epoch 2: loss" in printed.err
    main(["runs"])
    assert "finished" in capsys.readouterr().out


def test_quiet_is_quiet(image_folder: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    main(["train", "--data", str(image_folder()), *TRAIN, "--quiet"])
    assert capsys.readouterr().err == ""
