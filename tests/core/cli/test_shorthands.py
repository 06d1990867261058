"""Heads, plans and rates as they are typed, up to the experiment that they become."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.cli.common import shorthands
from core.cli.common.experiment_args import experiment as read_experiment
from core.cli.parser import build_parser
from core.errors import InputError
from core.models.anatomy.examine import anatomy_of
from core.specs import Experiment, FreezePlan, HeadSpec, Piece
from core.training.recipes import Rates


def experiment(*arguments: object) -> Experiment:
    base = ("train", "--data", "digits", "--images-per-class", "4")
    return read_experiment(build_parser().parse_args([*base, *map(str, arguments)]))


@pytest.mark.parametrize(
    ("text", "head"),
    [
        ("linear", HeadSpec()),
        ("256", HeadSpec((256,))),
        ("512,128", HeadSpec((512, 128))),
        ("flatten:4096", HeadSpec((4096,), "flatten")),
        ("average:linear", HeadSpec((), "average")),
    ],
)
def test_heads(text: str, head: HeadSpec) -> None:
    assert shorthands.head(text, 0.0) == head


@pytest.mark.parametrize("text", ["wide", "256;128", "middle:256", "flatten:x"])
def test_unknown_heads(text: str) -> None:
    with pytest.raises(InputError, match="own, average, flatten"):
        shorthands.head(text, 0.0)


@pytest.mark.parametrize(
    ("text", "plan"),
    [
        (None, None),
        ("linear-probe", FreezePlan()),
        ("last-stages=2", FreezePlan(2)),
        ("all", FreezePlan("all")),
        ("all,-stage1", FreezePlan(4)),
        ("stage5", FreezePlan(1)),
        ("stage5,layer1.0.conv1", FreezePlan(thaw=("stage5", "layer1.0.conv1"))),
        ("last-stages=1,-layer4.0", FreezePlan(1, hold=("layer4.0",))),
        ("norm-bias", FreezePlan("all", learns="norm-bias")),
    ],
)
def test_plans(text: str | None, plan: FreezePlan | None) -> None:
    assert shorthands.plan(text, anatomy_of("resnet18"), "eval") == plan


@pytest.mark.parametrize("text", ["stage9", "last-stages=two", "last-stages=9", "layer4.9", "-fc"])
def test_unknown_plans(text: str) -> None:
    with pytest.raises(InputError):
        shorthands.plan(text, anatomy_of("resnet18"), "eval")


def test_schedules() -> None:
    found = shorthands.schedule("stage4@6,stage5@3", anatomy_of("resnet18"), "train")
    assert found == ((FreezePlan(1, norm="train"), 3), (FreezePlan(2, norm="train"), 6))
    for text in ("stage5", "stage5@", "stage5@soon", "@3"):
        with pytest.raises(InputError, match="stage5@3,stage4@6"):
            shorthands.schedule(text, anatomy_of("resnet18"), "eval")


def test_the_plan_chooses_the_recipe() -> None:
    lite = ("--backbone", "efficientnet_lite0")
    presets = {
        "linear-probe": experiment(*lite),
        "two-phase": experiment(*lite, "--freeze", "last-block"),
        "full": experiment(*lite, "--freeze", "all"),
        "gradual": experiment(*lite, "--gradual", "stage5@2,stage4@5"),
    }
    assert {preset: found.training.preset for preset, found in presets.items()} == {name: name for name in presets}
    assert presets["two-phase"].freeze.thaw
    assert [phase.epochs for phase in presets["gradual"].training.phases] == [1, 3, 8]
    random = experiment(*lite, "--weights", "none")
    assert (random.training.preset, random.model.weights, random.freeze) == ("scratch", "none", FreezePlan("all"))


def test_a_network_that_was_never_pretrained_starts_from_random_weights() -> None:
    found = experiment("--backbone", "mnist_cnn", "--init", "xavier-uniform", "--init-bias", "0.01")
    assert (found.model.weights, found.training.preset) == ("none", "scratch")
    assert (found.model.init, found.model.init_bias) == ("xavier-uniform", 0.01)


def test_rates_and_head_reach_the_experiment() -> None:
    found = experiment(
        "--backbone",
        "resnet18",
        "--weights",
        "none",
        "--freeze",
        "last-stages=2",
        "--head",
        "flatten:32",
        "--dropout",
        "0.25",
        "--backbone-factor",
        "0.5",
        "--stage-decay",
        "0.4",
        "--stage-rate",
        "stage4=0.01",
        "--channels",
        "1",
        "--norm",
        "train",
    )
    assert found.model.head == HeadSpec((32,), "flatten", 0.25)
    assert found.model.channels == 1
    assert found.freeze == FreezePlan(2, norm="train")
    tuned = found.training.phases[-1]
    assert Rates(tuned.backbone_factor, tuned.stage_decay, tuned.stage_factors) == Rates(0.5, 0.4, (("stage4", 0.01),))
    assert Experiment.from_json(found.to_json()) == found


def test_a_network_of_ones_own_comes_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "pieces.json"
    path.write_text(json.dumps([{"kind": "conv", "size": 4, "kernel": 3}, {"kind": "relu"}, {"kind": "flatten"}]))
    found = experiment("--backbone", "own", "--design", path, "--image-size", "16", "--channels", "1")
    assert found.model.design == (Piece("conv", size=4, kernel=3), Piece("relu"), Piece("flatten"))
    for text in ("[", "{}", '[{"kind": "magic"}]', "[3]"):
        path.write_text(text)
        with pytest.raises(InputError):
            experiment("--backbone", "own", "--design", path)
    with pytest.raises(InputError, match="cannot be read"):
        experiment("--backbone", "own", "--design", tmp_path / "missing.json")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--weights", "run:nobody"), "nobody"),
        (("--weights", "file:/nowhere/weights.pth"), "does not exist"),
        (("--weights", "imagenet"), "weights is imagenet"),
        (("--stage-rate", "stage2"), "stage2=0.1"),
        (("--stage-rate", "stage9=0.1", "--freeze", "all"), "stage9"),
        (("--channels", "1", "--head", "flatten:16384,16384"), "At most"),
    ],
)
def test_bad_words_end_before_a_run_is_made(arguments: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        experiment("--backbone", "resnet152", *arguments)
