"""Every setting of a training as it is typed, and an experiment that is repeated from its file."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.cli.common.experiment_args import experiment as read_experiment
from core.cli.common.training_options import given
from core.cli.parser import build_parser
from core.errors import InputError
from core.runs import RunStore
from core.specs import DataSpec, EarlyStopping, Experiment, LiveChange, Loss, Mix, Phase, Schedule, TrainingSpec
from core.training.course_recipes import COURSE

Call = Callable[..., tuple[int, dict[str, Any], str]]
BASE = ("train", "--data", "digits", "--images-per-class", "4", "--backbone", "mnist_cnn")


def experiment(*arguments: object) -> Experiment:
    return read_experiment(build_parser().parse_args([*BASE, *map(str, arguments)]))


def test_every_setting_reaches_the_experiment() -> None:
    words = (
        "--epochs 9 --optimizer sgd --momentum 0.8 --nesterov --weight-decay 0.001 "
        "--option dampening=0 --option maximize=false --schedule multi-step --milestones 3,6 "
        "--gamma 0.2 --warmup 0.5 --loss focal --smoothing 0.1 --focal-gamma 1.5 "
        "--balance --mixup 0.2 --cutmix 1 --clip 5 --accumulate 4 --ema 0.99 --early val_f1:3:0.01 "
        "--best val_loss --views 3 --deterministic --compile --no-recover --batch auto "
        "--precision bf16 --seed 5 --augment basic"
    )
    found = experiment(*words.split())
    phase, training = found.training.phases[0], found.training
    assert (phase.optimizer, phase.momentum, phase.nesterov, phase.weight_decay) == ("sgd", 0.8, True, 1e-3)
    assert phase.options == (("dampening", 0.0), ("maximize", False))
    assert phase.schedule == Schedule("multi-step", warmup=0.5, milestones=(3, 6), gamma=0.2)
    assert training == TrainingSpec(
        "scratch",
        training.phases,
        "auto",
        5,
        "auto",
        "bf16",
        Loss("focal", 0.1, 1.5, "balanced"),
        Mix(0.2, 1.0),
        clip=5.0,
        accumulate=4,
        ema=0.99,
        early=EarlyStopping("val_f1", 3, 0.01),
        best="val_loss",
        views=3,
        deterministic=True,
        compile=True,
        recover=False,
    )
    assert Experiment.from_json(found.to_json()) == found


@pytest.mark.parametrize(
    ("words", "schedule"),
    [
        (("--schedule", "step", "--every", 4), Schedule("step", every=4)),
        (
            ("--schedule", "plateau", "--patience", 2, "--watch", "val_f1"),
            Schedule("plateau", patience=2, metric="val_f1"),
        ),
        (("--schedule", "polynomial", "--power", 2, "--floor", 0.1), Schedule("polynomial", power=2.0, floor=0.1)),
        (("--floor", 0.2), Schedule("cosine", floor=0.2)),
        ((), Schedule("cosine")),
    ],
)
def test_schedules(words: tuple[object, ...], schedule: Schedule) -> None:
    assert experiment(*words).training.phases[0].schedule == schedule


def test_a_setting_of_every_phase_leaves_the_others_to_the_recipe() -> None:
    found = experiment("--backbone", "efficientnet_lite0", "--freeze", "last-block", "--epochs", 9, "--warmup", 1)
    first, second = found.training.phases
    assert (first.schedule, second.schedule) == (Schedule(warmup=1.0), Schedule("cosine", warmup=1.0))
    assert first.lr > second.lr


@pytest.mark.parametrize("name", ["NAdam", "RAdam", "Adamax", "ASGD", "Adadelta", "RMSprop"])
def test_any_optimizer_of_torch(name: str) -> None:
    assert experiment("--optimizer", name).training.phases[0].optimizer == name


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--optimizer", "Nonsense"), "not in torch.optim"),
        (("--optimizer", "sgd; rm"), "optimizer is sgd; rm"),
        (("--optimizer", "Adam", "--option", "foo=1"), "unexpected keyword argument"),
        (("--option", "eps"), "eps=1e-7"),
        (("--option", "eps=small"), "eps=1e-7"),
        (("--momentum", 0.5), "--momentum says nothing to adamw"),
        (("--gamma", 0.5), "--gamma says nothing to the schedule cosine"),
        (("--schedule", "step", "--milestones", "2"), "It is for: multi-step"),
        (("--schedule", "multi-step"), "needs milestones"),
        (("--schedule", "multi-step", "--milestones", "6,3"), "larger than the one before"),
        (("--warmup", 50), "would never reach its rate"),
        (("--focal-gamma", 1), "It is for: focal"),
        (("--loss", "l1", "--mixup", 1), "which the loss l1 cannot take"),
        (("--early", "val_loss"), "val_loss:5"),
        (("--early", "val_loss:soon"), "val_loss:5"),
        (("--early", "val_loss:5:0:0"), "val_loss:5"),
        (("--early", "luck:5"), "metric is luck"),
        (("--early", "val_loss:0"), "patience is 0"),
        (("--batch", 0), "batch_size is 0"),
        (("--ema", 1), "ema is 1"),
        (("--clip", "nan"), "clip is nan"),
        (("--lr", -1), "lr is -1"),
        (("--weight-decay", "inf"), "weight_decay is inf"),
    ],
)
def test_what_does_not_fit_is_said(words: tuple[object, ...], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        experiment(*words)


def test_nothing_of_the_training_is_missing_on_the_command_line() -> None:
    """Whoever adds a field to the specs adds a word for it, or says here why there is none."""
    words = build_parser().parse_args(["train"]).settings
    spelt: dict[Any, str] = {
        "recover": "no_recover",
        "options": "option",
        "stage_factors": "stage_rate",
        "metric": "watch",
        "phases": "preset",
        "mix": "mixup",
        (Phase, "name"): "preset",
        (Schedule, "name"): "schedule",
        (Loss, "name"): "loss",
        (Loss, "gamma"): "focal_gamma",
    }
    unsaid = {
        Phase: {"trains", "freeze", "augment"},  # what the preset and --freeze decide
        TrainingSpec: {"acts", "precisions", "draws"},  # what happened while it ran, and how earlier runs drew
    }
    for kind in (TrainingSpec, Phase, Schedule, Loss, Mix):
        for name in {field.name for field in dataclasses.fields(kind)} - unsaid.get(kind, set()):
            assert spelt.get((kind, name), spelt.get(name, name)) in words, f"{kind.__name__}.{name}"


def test_what_was_given_is_told_from_what_is_usual() -> None:
    arguments = build_parser().parse_args([*BASE, "--norm", "eval", "--name", "x"])
    assert given(arguments, "name") == ["--data", "--backbone", "--norm", "--images-per-class"]


def test_classes_can_be_capped_one_by_one() -> None:
    data = read_experiment(
        build_parser().parse_args(
            [
                "train",
                "--data",
                "digits",
                "--backbone",
                "mnist_cnn",
                "--class-share",
                "0.5",
                "--class-cap",
                "3=9",
                "1=4",
            ]
        )
    ).data
    assert (data.class_share, data.class_caps) == (0.5, (("1", 4), ("3", 9)))


# ---------------------------------------------------------------- the course


def of_the_course(*words: object) -> Experiment:
    base = ("train", "--data", "digits", "--images-per-class", "4", "--recipe")
    return read_experiment(build_parser().parse_args([*base, *map(str, words)]))


@pytest.mark.parametrize("name", COURSE)
def test_every_run_of_the_course_can_be_trained(name: str) -> None:
    found = of_the_course(name, "--weights", "none")
    assert found.training.phases == COURSE[name].training.phases
    assert found.data == COURSE[name].divided(DataSpec("digits", images_per_class=4))


def test_a_division_that_is_given_is_kept() -> None:
    found = of_the_course("alzheimer-cnn-30", "--weights", "none", "--test-share", "0.1")
    assert (found.data.test_share, found.data.val_share, found.data.val_of) == (0.1, 0.2, "all")


def test_what_may_differ_from_the_course() -> None:
    words = ("--epochs", 5, "--batch", 8, "--seed", 3, "--name", "mine", "--device", "cpu", "--weights", "none")
    found = of_the_course("vgg16-cats-dogs", *words)
    assert [phase.epochs for phase in found.training.phases] == [2, 3]
    assert (found.training.batch_size, found.training.seed, found.training.device) == (8, 3, "cpu")
    assert (found.name, found.model.weights) == ("mine", "none")


def test_what_the_course_has_not_is_said(call: Call) -> None:
    with pytest.raises(InputError, match="no run nothing"):
        of_the_course("nothing")
    with pytest.raises(InputError, match="--lr cannot stand beside it"):
        of_the_course("mnist-cnn", "--lr", 1)
    with pytest.raises(InputError, match="at least as many epochs"):
        of_the_course("vgg16-cats-dogs", "--epochs", 1)
    status, _, error = call("train", "--recipe", "mnist-cnn")
    assert (status, "train needs --data" in error) == (2, True)
    assert {row["name"] for row in call("recipes")[1]["recipes"]} == set(COURSE)


# ---------------------------------------------------------------- repeating


@pytest.fixture
def file(tmp_path: Path, image_folder: Callable[..., Path]) -> Path:
    """An experiment of a small run, as its folder holds it, with something changed while it ran."""
    words = ("train", "--data", str(image_folder()), "--backbone", "mnist_cnn", "--epochs", "2", "--lr", "0.01")
    found = read_experiment(
        build_parser().parse_args([*words, "--device", "cpu", "--seed", "7", "--name", "first", "--precision", "fp32"])
    )
    training = dataclasses.replace(found.training, acts=(LiveChange(2, "rate", 0.5),))
    path = tmp_path / "experiment.json"
    path.write_text(dataclasses.replace(found, training=training).to_json())
    return path


def repeat(*words: object) -> Experiment:
    return read_experiment(build_parser().parse_args(["train", "--experiment", *map(str, words)]))


def test_an_experiment_is_repeated_as_it_was(file: Path) -> None:
    before = Experiment.from_json(file.read_text())
    assert repeat(file) == repeat(file.parent) == before
    again = repeat(file, "--name", "again", "--seed", 8, "--device", "cpu")
    assert (again.name, again.training.seed, again.data) == ("again", 8, before.data)
    assert again.training.acts == before.training.acts


def test_a_repeated_run_comes_to_the_same(call: Call, file: Path) -> None:
    runs = [RunStore().open(call("train", "--experiment", file)[1]["run"]) for _ in range(2)]
    first, second = (run.metrics()[0] for run in runs)
    assert [row["val_loss"] for row in first] == [row["val_loss"] for row in second]
    assert [run.status().state for run in runs] == ["finished", "finished"]
    assert all(run.status().owner for run in runs)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda record: {**record, "magic": 1}, "unknown key magic"),
        (lambda record: {**record, "schema": 99}, "schema 99"),
        (lambda record: {k: v for k, v in record.items() if k != "model"}, "misses the key model"),
        (lambda record: {**record, "data": {**record["data"], "source": "/nowhere/at/all"}}, "/nowhere/at/all"),
        (lambda record: {**record, "model": {**record["model"], "weights": "run:nobody"}}, "nobody"),
    ],
)
def test_what_cannot_be_repeated_is_said(file: Path, change: Callable[[Any], Any], sentence: str) -> None:
    file.write_text(json.dumps(change(json.loads(file.read_text()))))
    with pytest.raises(InputError, match=sentence):
        repeat(file)


def test_an_older_experiment_is_repeated(file: Path) -> None:
    record = json.loads(file.read_text())
    phases = [{**phase, "schedule": phase["schedule"]["name"]} for phase in record["training"]["phases"]]
    for key in ("loss", "mix", "acts", "early", "best"):
        del record["training"][key]
    file.write_text(json.dumps({**record, "schema": 2, "training": {**record["training"], "phases": phases}}))
    assert repeat(file).training.loss == Loss()


def test_files_that_are_none(tmp_path: Path) -> None:
    for content in (b"\xff\xfe", b"[", b"[]"):
        (tmp_path / "x.json").write_bytes(content)
        with pytest.raises(InputError, match="JSON"):
            repeat(tmp_path / "x.json")
    with pytest.raises(InputError, match="cannot be read"):
        repeat(tmp_path / "missing.json")


def test_other_settings_beside_a_file_or_a_run_are_refused(call: Call, file: Path) -> None:
    for words in (("--experiment", file, "--norm", "eval"), ("--run", "x", "--norm", "eval")):
        status, _, error = call("train", *words)
        assert status == 2
        assert "so --norm cannot stand beside it" in error
    status, _, error = call("train", "--run", "x", "--experiment", file)
    assert status == 2
    assert "--experiment cannot stand" in error
    assert RunStore().list() == []
