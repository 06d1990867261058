"""What ``import core`` offers: light to import, typed, and the same as the parts it joins."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import core
from core.errors import InputError
from core.specs import AugmentSpec, DataSpec, ModelSpec, TrainingSpec
from core.training.recipes import make_recipe

CAT = Path(__file__).parents[2] / "assets" / "samples" / "cat.jpg"


def test_importing_it_loads_nothing_heavy_and_every_name_is_there() -> None:
    script = (
        "import sys, core; light = not {'torch', 'numpy', 'PIL', 'pandas'} & set(sys.modules);"
        "print(light, all(callable(getattr(core, n)) or len(getattr(core, n)) for n in core.__all__), dir(core))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("True True")
    assert all(repr(name) in done.stdout for name in core.__all__)


def test_what_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'dream'"):
        core.dream  # noqa: B018


def test_a_plan_is_the_preset_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = core.plan("photos", preset="two-phase", epochs=6, seed=3, device="cpu", name="mine")
    made = make_recipe("two-phase", epochs=6)
    assert found.data == DataSpec(str(tmp_path / "photos"), seed=3)
    assert found.model == ModelSpec("efficientnet_lite0")
    assert found.training == TrainingSpec("two-phase", made.phases, seed=3, device="cpu")
    assert (found.freeze, found.augment, found.name) == (made.freeze, AugmentSpec(), "mine")


@pytest.mark.parametrize(
    ("backbone", "preset", "weights"),
    [
        ("resnet18", "full", "default"),
        ("resnet18", "scratch", "none"),
        ("resnet18@none", "full", "none"),
        ("mnist_cnn", "linear-probe", "none"),
        ("mnist_cnn@run:earlier", "linear-probe", "run:earlier"),
    ],
)
def test_weights_follow_the_name_and_the_preset(backbone: str, preset: str, weights: str) -> None:
    found = core.plan("digits", backbone, preset=preset)
    assert found.data.source == "digits"
    assert (found.model.backbone, found.model.weights) == (backbone.partition("@")[0], weights)


@pytest.mark.parametrize(("choice", "said"), [({"backbone": "resnet19"}, "resnet19"), ({"preset": "x"}, "preset is x")])
def test_what_is_unknown_is_named(choice: dict[str, str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        core.plan("digits", **choice)


def test_from_images_to_a_heatmap(image_folder: Callable[..., Path], tmp_path: Path) -> None:
    folder = image_folder(images=20)
    experiment = core.plan(folder, "mnist_cnn", preset="scratch", epochs=2, device="cpu")
    events: list[str] = []
    run = core.train(experiment, runs_dir=tmp_path / "here", progress=lambda event: events.append(event["event"]))
    assert run.path.parent == tmp_path / "here"
    done = run.experiment
    assert run.state == "finished"
    assert (done.data, done.model, done.freeze) == (experiment.data, experiment.model, experiment.freeze)
    assert done.training.phases == experiment.training.phases
    assert events.count("epochend") == 2
    network = core.load(run)
    for reference in (run.path, f"{run.path}@best"):
        again = core.load(reference).model.state_dict()
        assert all(torch.equal(value, again[name]) for name, value in network.model.state_dict().items())
    assert core.load(run.id, runs_dir=tmp_path / "here").classes == ("blue", "red")
    files = sorted(folder.rglob("*.png"))[:3]
    found = core.predict(network, files)
    assert found.shape == (3, 2)
    assert found.sum(1) == pytest.approx(np.ones(3))
    assert np.array_equal(found, core.predict(network, [Image.open(file) for file in files]))
    first, last = (core.explain(network, files[0], target=target, against="red") for target in ("blue", 0))
    assert np.array_equal(first.heatmap.values, last.heatmap.values)
    assert (first.heatmap.target, first.heatmap.against) == (0, 1)
    assert core.overlay(network, files[0], first).size == (28, 28)
    rows = core.compare(core.load(f"{run.path}@start"), network)
    assert [row.layer for row in rows] == ["conv1", "conv2", "linear1", "classifier"]
    assert all(row.relative > 0 for row in rows)
    assert core.evaluate(run).scores.images > 0


def test_a_plan_takes_any_other_setting() -> None:
    found = core.plan("digits", "mnist_cnn")
    found = replace(found, training=replace(found.training, batch_size=64))
    assert found.training.batch_size == 64


def test_a_backbone_is_loaded_with_its_own_classes() -> None:
    network = core.load("efficientnet_lite0")
    assert not network.model.training
    found = core.explain(network, CAT, "grad-cam", target="tabby")
    assert network.classes[found.heatmap.target] == "tabby"
    assert found.heatmap.values.shape == (224, 224)
    assert "cat" in network.classes[found.predicted].lower()


@pytest.mark.parametrize("target", ["no such class", "12345", 12345])
def test_a_class_that_is_not_there_is_named(target: str | int) -> None:
    with pytest.raises(InputError, match="There is no class"):
        core.explain(core.load("mnist_cnn@none"), CAT, target=target)


def test_different_networks_are_not_compared() -> None:
    with pytest.raises(InputError, match="different networks"):
        core.compare(core.load("mnist_cnn@none"), core.load("emnist_cnn@none"))
