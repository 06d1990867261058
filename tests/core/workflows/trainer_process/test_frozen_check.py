"""Freezing really freezes: on one network of every family, bit by bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from core.data.pixel_store import PixelStore
from core.data.sources import open_dataset
from core.data.splits import split
from core.errors import InputError
from core.models import freeze
from core.models.catalog import catalog
from core.models.network import Network, assemble, outline
from core.specs import DataSpec, Experiment, FreezePlan, ModelSpec, Phase, TrainingSpec
from core.training.features.batch_sources import Material
from core.training.loop.trainer import fit
from core.workflows.trainer_process.frozen_check import FrozenCheck

CPU = torch.device("cpu")
CLASSES = ("blue", "red")
SLOW = ("VGG", "AlexNet", "Wide ResNet", "MaxViT", "Vision Transformer", "Inception", "DenseNet", "ResNeXt")


def smallest(family: str) -> str:
    members = [row for row in catalog.BACKBONES.values() if row.family == family]
    return min(members, key=lambda row: row.parameters).name


def spec_of(name: str) -> ModelSpec:
    """Random weights and the smallest images that the network takes."""
    for size in (64, 96):
        spec = ModelSpec(name, "none", image_size=size)
        try:
            outline(spec, CLASSES)
        except InputError:
            continue
        return spec
    return ModelSpec(name, "none")


def experiment(spec: ModelSpec, source: Path, plan: FreezePlan, *phases: Phase) -> Experiment:
    training = TrainingSpec("fine-tune", phases or (step(),), batch_size=4, device="cpu", precision="fp32")
    return Experiment(DataSpec(str(source), val_share=0.5), spec, training, freeze=plan)


def step(name: str = "tune", **more: object) -> Phase:
    return Phase(name, "plan", 1, optimizer="adamw", lr=1e-2, weight_decay=0.1, **more)  # type: ignore[arg-type]


def trained(network: Network, task: Experiment) -> None:
    dataset = split(open_dataset(task.data.source), task.data)
    store = PixelStore(dataset, network.preprocessing, canvas=False, max_bytes=10**8)
    material = Material(store, torch.tensor(dataset.positions("train")), torch.tensor(dataset.positions("val")))
    for _ in fit(network, material, task, CPU):
        pass


@pytest.mark.parametrize(
    "family", [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in catalog.FAMILIES]
)
def test_frozen_tensors_are_the_same_bit_by_bit(family: str, image_folder: Callable[..., Path]) -> None:
    spec = spec_of(smallest(family))
    task = experiment(spec, image_folder(images=4), FreezePlan(1))
    network = assemble(spec, CLASSES, seed=0)
    frozen_check = FrozenCheck(network, task)
    trained(network, task)
    found = frozen_check.verify(network.model)
    counts = freeze.counts(network.anatomy, FreezePlan(1))
    assert found["frozen_values"] == counts.frozen > 0
    assert found["frozen_changed"] == 0
    assert found["frozen_buffers_changed"] == 0
    learning = freeze.trainable_stage_names(network.anatomy, FreezePlan(1))
    for stage, moved in found["moved"].items():
        assert moved == 0 if stage not in learning else moved > 0, stage


def test_statistics_move_when_the_plan_says_so_and_weights_do_not(image_folder: Callable[..., Path]) -> None:
    spec = ModelSpec("emnist_cnn", "none")
    task = experiment(spec, image_folder(), FreezePlan(0, norm="train"))
    network = assemble(spec, CLASSES, seed=0)
    frozen_check = FrozenCheck(network, task)
    trained(network, task)
    found = frozen_check.verify(network.model)
    assert found["frozen_changed"] == 0
    assert found["frozen_buffers"] == 2 * (6 + 6 + 1)
    assert found["frozen_buffers_changed"] == found["frozen_buffers"]


def test_what_any_phase_frees_is_not_called_frozen(image_folder: Callable[..., Path]) -> None:
    spec = ModelSpec("mnist_cnn", "none")
    phases = (step("one"), step("two", freeze=FreezePlan(0, thaw=("conv2.weight",))))
    task = experiment(spec, image_folder(), FreezePlan(0), *phases)
    network = assemble(spec, CLASSES, seed=0)
    frozen_check = FrozenCheck(network, task)
    trained(network, task)
    found = frozen_check.verify(network.model)
    assert found["frozen_values"] == network.anatomy.total - 5 * 5 * 10 * 20 - (50 + 1) * 2
    assert found["frozen_changed"] == 0
    assert found["moved"]["stage1"] == 0 < found["moved"]["stage2"]


def test_a_tensor_that_moved_is_caught() -> None:
    spec = ModelSpec("emnist_cnn", "none")
    network = assemble(spec, CLASSES, seed=0)
    frozen_check = FrozenCheck(network, experiment(spec, Path("x"), FreezePlan(0)))
    model = network.model.to(memory_format=torch.channels_last)
    assert frozen_check.verify(model)["frozen_changed"] == 0
    with torch.no_grad():
        value = model.conv2.weight[3, 2, 1, 0]
        value.copy_(torch.nextafter(value, torch.tensor(9.0)))  # the smallest change there is
        model.norm1.running_mean[0] += 1e-3
        model.classifier.weight.mul_(1.5)
        model.classifier.bias.zero_()
    found = frozen_check.verify(model)
    assert found["frozen_changed"] == model.conv2.weight.numel()
    assert found["frozen_buffers_changed"] == 6
    assert found["moved"]["head"] == pytest.approx(0.5)


def test_zeros_have_no_share_to_move_by(image_folder: Callable[..., Path]) -> None:
    spec = ModelSpec("mnist_cnn", "none", init="zeros")
    network = assemble(spec, CLASSES, seed=0)
    frozen_check = FrozenCheck(network, experiment(spec, image_folder(), FreezePlan("all")))
    found = frozen_check.verify(network.model)
    assert set(found["moved"].values()) == {None}
    assert (found["frozen_values"], found["frozen_changed"]) == (0, 0)
