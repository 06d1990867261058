"""The frozen part computed apart: where networks can be cut, and that nothing comes out differently."""

from __future__ import annotations

import pytest
import torch
from tiny import tiny
from torch import Tensor, nn
from torch.nn import functional as F

from core.errors import InputError
from core.models import freeze
from core.models.anatomy.examine import examine
from core.models.catalog.catalog import BACKBONES
from core.models.network import Network, assemble
from core.specs import FreezePlan, ModelSpec, Preprocessing
from core.training.features.backbone_split import BackboneSplit, expected_stage, find_split


def split_of(network: Network, plan: FreezePlan) -> BackboneSplit | None:
    freeze.apply(network.model, network.anatomy, plan)
    freeze.set_train_mode(network.model, network.anatomy, plan)
    return find_split(network.model, network.anatomy, plan)


def small(name: str, size: int) -> Network:
    return assemble(ModelSpec(name, "none", image_size=size), ("a", "b", "c"), seed=0)


def of(model: nn.Module, size: int = 16) -> Network:
    model.eval()
    anatomy = examine(model, num_classes=2, image_size=size)
    return Network(model, anatomy, Preprocessing(size, size), ("a", "b"), "own")


def check(network: Network, plan: FreezePlan, split: BackboneSplit) -> None:
    """Compares logits and all gradients in the modes of the plan."""
    model = network.model
    size = network.anatomy.input_size
    images = torch.rand(3, 3, size, size, generator=torch.Generator().manual_seed(1))
    gradients = []
    for apart in (False, True):
        torch.manual_seed(5)
        model.zero_grad(set_to_none=True)
        freeze.set_train_mode(model, network.anatomy, plan)
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.momentum = 0.0
        logits = split.suffix(split.prefix(images)) if apart else model(images)
        logits.square().sum().backward()
        gradients.append({name: p.grad for name, p in model.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, rtol=1e-3, atol=1e-5)


FAMILIES = {
    "resnet18": 64,
    "mobilenet_v2": 64,
    "efficientnet_lite0": 64,
    "shufflenet_v2_x0_5": 64,
    "squeezenet1_1": 64,
    "mnasnet0_5": 64,
    "mobilenet_v3_small": 64,
    "regnet_y_400mf": 64,
}


FAMILY_NAMES = sorted({row.family for row in BACKBONES.values()})
LARGE = ("VGG", "AlexNet", "Wide ResNet", "Vision Transformer")
"""Families whose smallest network takes long, and has nothing that the others have not."""


@pytest.mark.parametrize("name", FAMILIES)
def test_these_families_are_cut_and_nothing_comes_out_differently(name: str) -> None:
    network = small(name, FAMILIES[name])
    stages = [stage.name for stage in network.anatomy.stages]
    for count in (0, 1, len(network.anatomy.backbone_stages) - 1):
        plan = FreezePlan(count)
        split = split_of(network, plan)
        assert split is not None, (name, count)
        assert (
            split.stage == expected_stage(network.anatomy, plan) or stages.index(split.stage) < len(stages) - 1 - count
        )
        check(network, plan, split)


def smallest(family: str) -> str:
    members = [row for row in BACKBONES.values() if row.family == family]
    return min(members, key=lambda row: row.parameters).name


@pytest.mark.slow
@pytest.mark.parametrize("family", [name for name in FAMILY_NAMES if name not in LARGE])
def test_a_network_of_each_family_can_be_cut_in_the_middle(family: str) -> None:
    name = smallest(family)
    for size in (64, 96, BACKBONES[name].input_size):
        try:
            network = small(name, size)
        except InputError:  # takes larger images
            continue
        break
    plan = FreezePlan(max(1, len(network.anatomy.backbone_stages) // 2))
    assert split_of(network, plan) is not None


def test_a_cut_is_made_where_the_last_block_begins_to_learn() -> None:
    network = small("resnet18", 64)
    plan = freeze.preset("last-block", network.anatomy)
    split = split_of(network, plan)
    assert split is not None
    assert split.place.startswith("layer4.0 ")
    assert split.stage == network.anatomy.backbone_stages[-2].name
    check(network, plan, split)


class Dense(nn.Module):
    """Keeps what its first layer made until the end, past everything between."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.MaxPool2d(2))
        self.second = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.MaxPool2d(2))
        self.third = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.MaxPool2d(2))
        self.head = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        early = self.first(x)
        late = self.third(self.second(early))
        return self.head(torch.cat([early.mean((2, 3)), late.mean((2, 3))], 1))


def test_where_two_tensors_cross_the_cut_lies_earlier() -> None:
    network = of(Dense())
    plan = FreezePlan(1)
    split = split_of(network, plan)
    assert split is not None
    assert split.place == "first 0"
    check(network, plan, split)


class Fickle(nn.Module):
    """Decides by the values that it sees which way to go."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.MaxPool2d(2))
        self.second = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.MaxPool2d(2))
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        if x.sum() > 0:
            x = x + 1
        return self.head(self.second(x).mean((2, 3)))


def test_a_network_that_decides_by_its_values_stays_in_one_piece() -> None:
    network = of(Fickle())
    assert split_of(network, FreezePlan(1)) is None
    assert split_of(network, FreezePlan(0)) is not None


class Twice(nn.Module):
    """Runs the same layer before and behind the cut."""

    def __init__(self) -> None:
        super().__init__()
        self.act = nn.ReLU(inplace=True)
        self.first, self.second = nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.Conv2d(4, 4, 3, stride=2, padding=1)
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.first(x))
        return self.head(F.adaptive_avg_pool2d(self.act(self.second(x)), 1).flatten(1))


def test_a_layer_that_runs_twice_is_cut_between_its_calls() -> None:
    network = of(Twice())
    split = split_of(network, FreezePlan(1))
    assert split is not None
    assert split.place == "act 0"
    check(network, FreezePlan(1), split)


@pytest.mark.parametrize("plan", [FreezePlan("all"), FreezePlan(1, norm="train"), FreezePlan(3)])
def test_there_is_no_cut_where_no_stage_stays_the_same(plan: FreezePlan) -> None:
    assert split_of(tiny(), plan) is None


def test_normalisation_left_to_drift_forbids_the_cut_behind_it() -> None:
    network = tiny()
    assert expected_stage(network.anatomy, FreezePlan(0, norm="train")) is None
    assert split_of(network, FreezePlan(0, norm="train")) is None


def test_a_parameter_by_hand_decides() -> None:
    network = tiny()
    split = split_of(network, FreezePlan(0, thaw=("1.0",)))
    assert split is not None
    assert split.stage == "stage1"
    assert split.place.startswith("0 ")
    check(network, FreezePlan(0, thaw=("1.0",)), split)


def test_looking_for_a_cut_changes_nothing() -> None:
    network, plan = small("resnet18", 64), FreezePlan(1)
    seen: list[str] = []
    handle = network.model.layer1.register_forward_hook(lambda *_: seen.append("layer1"))
    freeze.apply(network.model, network.anatomy, plan)
    freeze.set_train_mode(network.model, network.anatomy, plan)
    before = {name: value.clone() for name, value in network.model.state_dict().items()}
    modes = {name: module.training for name, module in network.model.named_modules()}
    own = {name: set(vars(module)) for name, module in network.model.named_modules()}
    chance = torch.get_rng_state()
    assert find_split(network.model, network.anatomy, plan) is not None
    assert torch.equal(chance, torch.get_rng_state())
    assert modes == {name: module.training for name, module in network.model.named_modules()}
    assert own == {name: set(vars(module)) for name, module in network.model.named_modules()}
    assert all(torch.equal(value, before[name]) for name, value in network.model.state_dict().items())
    assert all(parameter.grad is None for parameter in network.model.parameters())
    handle.remove()


def test_the_suffix_is_the_network_and_follows_its_weights() -> None:
    network, plan = small("resnet18", 64), FreezePlan(1)
    split = split_of(network, plan)
    assert split is not None
    own = dict(network.model.named_parameters())
    assert all(parameter is own[name] for name, parameter in split.suffix.named_parameters())
    network.model.eval()
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        network.model.fc.weight += 1
        assert torch.equal(split.suffix(split.prefix(images)), network.model(images))


def test_the_digest_knows_every_value_before_the_cut_and_none_behind_it() -> None:
    network, plan = tiny(), FreezePlan(1)
    split = split_of(network, plan)
    assert split is not None
    first = split.digest()
    assert first == split.digest()
    with torch.no_grad():
        network.model[5].weight += 1
        network.model[2][0].weight += 1
    assert split.digest() == first
    network.model[0][1].running_mean[0] += 1e-6
    assert split.digest() != first
    network.model[0][1].running_mean[0] = 0.0
    assert split.digest() == first
    network.model[1][1].eps = 0.5
    assert split.digest() != first


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_network_on_a_gpu_is_cut_alike() -> None:
    network = small("resnet18", 64)
    network.model.to("cuda")
    split = split_of(network, FreezePlan(1))
    assert split is not None
    images = torch.rand(2, 3, 64, 64, device="cuda")
    with torch.no_grad():
        network.model.eval()
        torch.testing.assert_close(split.suffix(split.prefix(images)), network.model(images), rtol=1e-3, atol=1e-4)
