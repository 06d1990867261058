"""Every network of the catalogue, on shapes: nothing is allocated, drawn or downloaded."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from core.models import freeze
from core.models.anatomy.examine import Anatomy, examine
from core.models.catalog import catalog
from core.models.heads import build_head
from core.specs import FreezePlan

CLASSES = 7


def check_parts(anatomy: Anatomy, parameters: dict[str, int], depths: range) -> None:
    named = [name for stage in anatomy.stages for name in stage.parameter_names]
    assert len(named) == len(set(named))
    assert set(named) == set(parameters)
    for stage in anatomy.stages:
        assert stage.parameters == sum(parameters[name] for name in stage.parameter_names) > 0
    names = [stage.name for stage in anatomy.stages]
    depth = len(anatomy.backbone_stages)
    assert names[:depth] == [f"stage{index}" for index in range(1, depth + 1)]
    assert names[depth:] in (["head"], ["neck", "head"])
    assert depth in depths
    assert anatomy.stages[-1].layers == (anatomy.head,)
    sides = [stage.spatial[0] for stage in anatomy.backbone_stages if stage.spatial]
    assert len(sides) == depth
    assert sides == sorted(sides, reverse=True)
    assert {layer.stage for layer in anatomy.layers} <= set(names)


def check_sums(anatomy: Anatomy) -> None:
    assert sum(layer.own_parameters for layer in anatomy.layers) == anatomy.total
    assert sum(layer.own_macs for layer in anatomy.layers) == anatomy.macs
    assert sum(layer.own_activation_bytes for layer in anatomy.layers) == anatomy.activation_bytes
    for layer in anatomy.layers:
        assert layer.formula.rpartition(" ")[2].replace(",", "") == str(layer.own_parameters or ""), layer.name
    for stage in anatomy.stages:
        assert sum(block.parameters for block in stage.blocks) == stage.parameters


def check_cam_layer(anatomy: Anatomy) -> None:
    height, width = anatomy.grid
    assert height == width > 1
    shape = anatomy.layer(anatomy.cam_layer).output_shape
    assert anatomy.layout in ("NCHW", "NHWC", "tokens")
    if anatomy.layout != "tokens":
        assert (shape[1:] if anatomy.layout == "NCHW" else shape[:2]) == anatomy.grid
    else:
        assert shape[0] - height * width in (0, 1)  # a class token


def check_freezing(anatomy: Anatomy) -> None:
    last = -1
    for stages in (*range(len(anatomy.backbone_stages) + 1), "all"):
        counts = freeze.counts(anatomy, FreezePlan(stages))
        assert counts.trainable + counts.frozen == counts.total == anatomy.total
        assert counts.trainable > last or stages == "all"
        last = counts.trainable
    assert last == anatomy.total
    probe = freeze.counts(anatomy, FreezePlan("all"), head_only=True)
    assert probe == freeze.counts(anatomy, FreezePlan(0))
    assert probe.trainable == CLASSES * (anatomy.head_features + 1)


def check_network(name: str) -> None:
    known = catalog.backbone(name)
    model = catalog.skeleton(name)
    anatomy = examine(model, num_classes=known.num_classes, image_size=known.input_size)
    assert anatomy.total == known.parameters
    check_sums(anatomy)
    own = build_head(model, anatomy, CLASSES)
    assert own.head == anatomy.head
    assert own.cam_layer == anatomy.cam_layer
    assert own.num_classes == CLASSES
    assert own.layer(own.head).output_shape[0] == CLASSES
    depths = range(1, 6) if known.source == "course" else range(2 if known.source == "timm" else 3, 7)
    check_parts(own, {name: parameter.numel() for name, parameter in model.named_parameters()}, depths)
    check_cam_layer(own)
    check_freezing(own)
    freeze.apply(model, own, FreezePlan(1))
    learning = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    assert learning == freeze.counts(own, FreezePlan(1)).trainable


@pytest.mark.slow
@pytest.mark.parametrize("family", catalog.FAMILIES)
def test_every_network_of_the_family(family: str, global_random_state) -> None:
    for backbone in catalog.BACKBONES.values():
        if backbone.family == family:
            check_network(backbone.name)
    assert global_random_state()


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "resnet10t",
        "convnext_atto",
        "vit_tiny_patch16_224",
        "resmlp_12_224",
        "mobileone_s0",
        "mambaout_femto",
        "lcnet_050",
    ],
)
def test_networks_of_timm(name: str, global_random_state) -> None:
    pytest.importorskip("timm")
    check_network(f"timm/{name}")
    assert global_random_state()


class Shared(nn.Module):
    """Two blocks with one convolution between them, as CoaT shares its position encoding."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.shared = nn.Conv2d(8, 8, 3, padding=1)
        self.blocks = nn.Sequential(nn.Sequential(self.shared, nn.ReLU()), nn.Sequential(self.shared, nn.ReLU()))
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


def test_a_module_of_two_names_keeps_its_values() -> None:
    torch.manual_seed(0)
    model = Shared()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    parameters = dict(model.named_parameters(remove_duplicate=False))
    anatomy = examine(model, num_classes=5, image_size=32)
    assert anatomy.total == sum(value.numel() for value in model.parameters())
    assert all(value is parameters[name] for name, value in model.named_parameters(remove_duplicate=False))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
