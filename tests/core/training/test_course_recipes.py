"""The runs of the course as recipes: they can be built, have the course's figures, and the small ones train."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tiny import CPU

from core.data.pixel_store import PixelStore
from core.data.sources import open_dataset
from core.data.splits import split
from core.errors import InputError
from core.models import freeze
from core.models.network import assemble, outline
from core.specs import AugmentSpec, DataSpec, Experiment, FreezePlan
from core.training.course_recipes import COURSE, find, scaled
from core.training.features.batch_sources import Material
from core.training.loop.events import EpochEnd
from core.training.loop.trainer import Trainer
from core.training.optim.optimizers import build_optimizer, stage_rates

DATA = DataSpec("unused")


@pytest.mark.parametrize("run_id", COURSE)
def test_every_run_can_be_built_and_set_going(run_id: str) -> None:
    run = find(run_id)
    experiment = run.experiment(DATA)
    network = outline(run.model, [str(number) for number in range(run.classes)])
    for phase in experiment.training.phases:
        plan = experiment.plan(phase)
        freeze.apply(network.model, network.anatomy, plan)
        optimizer = build_optimizer(phase, network.model, network.anatomy)
        held = sum(parameter.numel() for group in optimizer.param_groups for parameter in group["params"])
        assert held == freeze.counts(network.anatomy, plan).trainable
        assert set(stage_rates(phase, network.anatomy).values()) == {phase.lr}
    assert experiment.training.preset == "course"
    assert Experiment.from_json(experiment.to_json()) == experiment
    assert run.title
    assert run.description.endswith(".")


@pytest.mark.parametrize(
    ("run_id", "trainable", "total"),
    [
        ("vgg16-fruit", 49_164, 134_309_708),
        ("resnet18-fruit", 512 * 256 + 256 + 256 * 12 + 12, None),
        ("resnet18-stl10", 5_130, None),
        ("mobilenet-v2-five-classes", 1280 * 49 * 256 + 256 + 256 * 5 + 5, None),
        ("mnist-cnn", 260 + 5_020 + 25_050 + 510, 30_840),
        ("vgg16-cats-dogs", 25_088 * 4096 + 4096 + 4096 * 2 + 2, None),
        ("cats-and-dogs-small-2", 896 + 18_496 + 73_856 + 147_584 + 3_211_776 + 513, 3_453_121),
    ],
)
def test_the_first_phase_learns_what_the_notes_say(run_id: str, trainable: int, total: int | None) -> None:
    run = find(run_id)
    experiment = run.experiment(DATA)
    anatomy = outline(run.model, [str(number) for number in range(run.classes)]).anatomy
    counts = freeze.counts(anatomy, experiment.plan(experiment.training.phases[0]))
    assert counts.trainable == trainable
    assert total in (None, counts.total)


@pytest.mark.parametrize(
    ("run_id", "more"), [("vgg16-cats-dogs", 3 * (512 * 512 * 9 + 512)), ("resnet50-cats-dogs", 512 * 2048 + 2 * 2048)]
)
def test_the_second_phase_frees_the_last_four_layers(run_id: str, more: int) -> None:
    run = find(run_id)
    head, both = run.training.phases
    assert (head.epochs, both.epochs) == (20, 30)
    assert (head.optimizer, head.momentum, both.lr) == ("sgd", 0.9, head.lr)
    experiment = run.experiment(DATA)
    anatomy = outline(run.model, ["cat", "dog"]).anatomy
    first, second = (freeze.counts(anatomy, experiment.plan(phase)).trainable for phase in (head, both))
    assert second - first == more


def test_early_stopping_never_watches_what_is_learned_from() -> None:
    stops = [run.training.early for run in COURSE.values() if run.training.early is not None]
    assert len(stops) == 7
    watching = {run.id for run in COURSE.values() if run.training.early and run.training.early.metric != "val_loss"}
    assert watching == {"mobilenet-v2-as-run", "mobilenet-v2-as-run-lite0"}  # kept as it was, and its slip says so


def test_cats_and_dogs_go_with_and_without_changed_images_in_batches_of_128_at_a_constant_rate() -> None:
    runs = [run for run in COURSE.values() if "cats-dogs" in run.id and not run.stands_for]
    assert [run.augment.active for run in runs] == [True, False, True, False]
    for run in runs:
        assert run.training.batch_size == 128
        assert {phase.schedule.name for phase in run.training.phases} == {"constant"}


@pytest.mark.parametrize(
    ("run_id", "test"), [("alzheimer-cnn", 0.05), ("alzheimer-cnn-30", 0.3), ("alzheimer-cnn-40", 0.4)]
)
def test_brain_runs_divide_as_the_notes(run_id: str, test: float) -> None:
    divided = find(run_id).divided(DATA)
    assert (divided.test_share, divided.val_share, divided.val_of) == (test, 0.1, "rest")
    assert find("mnist-cnn").divided(DATA) == DATA


@pytest.mark.parametrize("run_id", [run.id for run in COURSE.values() if run.stands_for])
def test_stand_ins_need_no_download(run_id: str) -> None:
    run = find(run_id)
    assert run.model.backbone == "efficientnet_lite0"
    assert run.training == find(run.stands_for).training
    assert (run.freeze == FreezePlan()) == (find(run.stands_for).freeze == FreezePlan())


def test_nothing_is_called_a_flower() -> None:
    said = [text for run in COURSE.values() for text in (run.id, run.title, run.description, run.slip)]
    assert not [text for text in said if "flower" in text.lower()]


@pytest.mark.parametrize("run_id", ["mnist-cnn", "emnist-cnn", "alzheimer-cnn", "alzheimer-test1", "alzheimer-dropout"])
def test_a_small_run_trains(run_id: str, image_folder: Callable[..., Path]) -> None:
    run = find(run_id)
    names = tuple(f"class {number:02d}" for number in range(min(run.classes, 3)))
    spec = DataSpec(str(image_folder(classes=names, images=4)), val_share=0.25)
    experiment = run.experiment(spec, epochs=1)
    experiment = dataclasses.replace(experiment, training=dataclasses.replace(experiment.training, precision="fp32"))
    network = assemble(experiment.model, names, seed=0)
    dataset = split(open_dataset(spec.source), spec)
    canvas = experiment.augment != AugmentSpec()
    store = PixelStore(dataset, network.preprocessing, canvas=canvas, max_bytes=10**8)
    parts = (torch.tensor(dataset.positions(name)) for name in ("train", "val"))
    before = {name: value.clone() for name, value in network.model.state_dict().items()}
    events = [e for e in Trainer(network, Material(store, *parts), experiment, CPU).run() if isinstance(e, EpochEnd)]
    assert len(events) == 1
    changed = {name for name, value in network.model.named_parameters() if not torch.equal(value, before[name])}
    assert changed == {name for name, _ in network.model.named_parameters()}


@pytest.mark.parametrize(("epochs", "wanted"), [(2, [1, 1]), (3, [1, 2]), (10, [4, 6]), (51, [20, 31])])
def test_epochs_are_shared_as_the_course_does(epochs: int, wanted: list[int]) -> None:
    training = scaled(find("vgg16-cats-dogs").training, epochs)
    assert [phase.epochs for phase in training.phases] == wanted


def test_too_few_epochs_and_unknown_runs_are_refused() -> None:
    with pytest.raises(InputError, match="has 2 phases and needs at least as many epochs, not 1"):
        find("vgg16-cats-dogs").experiment(DATA, epochs=1)
    with pytest.raises(InputError, match=r"no run best.*vgg16-fruit"):
        find("best")


def test_the_table_loads_no_torch() -> None:
    code = "import sys, core.training.course_recipes; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
