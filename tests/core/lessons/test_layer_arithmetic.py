"""A value of a network's layer, written out: it is torch's own, whatever the layer's margin, groups and dilation."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from core.errors import InputError
from core.lessons.layer_arithmetic import cell, convolutions, record
from core.models.anatomy.examine import examine
from core.models.architectures.efficientnet_lite import SameConv2d
from core.workflows.network_loading import load_network


class Small(nn.Module):
    """Convolutions of every kind, with and without what follows."""

    def __init__(self) -> None:
        super().__init__()
        self.plain = nn.Conv2d(3, 4, 3, padding=1)
        self.act = nn.ReLU(inplace=True)
        self.grouped = nn.Conv2d(4, 8, 3, stride=2, groups=2, dilation=2, padding=2, padding_mode="reflect", bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.prelu = nn.PReLU(8)
        self.even = SameConv2d(8, 8, 4, stride=2)
        self.alone = nn.Conv2d(8, 5, 1)
        self.group = nn.GroupNorm(1, 5)
        self.head = nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.prelu(self.norm(self.grouped(self.act(self.plain(x)))))
        x = self.group(self.alone(self.even(x)))
        return self.head(x.mean((2, 3)))


@pytest.fixture(scope="module")
def small() -> Any:
    import threading

    torch.manual_seed(0)
    model = Small()
    with torch.no_grad():
        model.norm.running_mean.normal_()
        model.norm.running_var.uniform_(0.5, 2)
        model.norm.weight.normal_()
        model.norm.bias.normal_()
        model.prelu.weight.uniform_(0.1, 0.9)
    anatomy = examine(model, num_classes=3, image_size=32)
    return SimpleNamespace(model=model, anatomy=anatomy, lock=threading.RLock(), name="small", classes=("a", "b", "c"))


@pytest.mark.parametrize(
    ("layer", "kinds"),
    [
        ("plain", ["sum", "bias", "activation"]),
        ("grouped", ["sum", "norm"]),
        ("even", ["sum", "bias"]),
        ("alone", ["sum", "bias"]),
    ],
)
def test_every_step_of_every_channel_is_torchs_own_value(small: Any, layer: str, kinds: list[str]) -> None:
    recorded = record(small, torch.randn(1, 3, 32, 32), layer)
    count, rows, columns = recorded.output.shape
    for channel in range(count):
        for place in ((0, 0), (rows - 1, columns - 1), (rows // 2, 0)):
            found = cell(recorded, channel, *place)
            assert [step.kind for step in found.steps][: len(kinds)] == kinds
            size = float((found.patch * found.kernel).abs().sum())
            for step in found.steps:
                if step.torch_value is not None:
                    assert step.value == pytest.approx(step.torch_value, rel=1e-6, abs=1e-6 * max(size, 1))
            assert float(found.sums.sum()) == found.steps[0].value
    assert small.model.training, "the network is left as it was"


def test_the_margin_is_told_from_the_picture(small: Any) -> None:
    recorded = record(small, torch.randn(1, 3, 32, 32), "plain")
    assert cell(recorded, 0, 0, 0).margin.tolist() == [[True, True, True], [True, False, False], [True, False, False]]
    assert not cell(recorded, 0, 5, 5).margin.any()


def test_a_grouped_kernel_sees_the_channels_of_its_group(small: Any) -> None:
    recorded = record(small, torch.randn(1, 3, 32, 32), "grouped")
    assert [list(cell(recorded, channel, 0, 0).channels) for channel in (0, 3, 4, 7)] == [
        [0, 1],
        [0, 1],
        [2, 3],
        [2, 3],
    ]


def test_what_has_no_kernel_or_no_such_cell_is_refused(small: Any) -> None:
    x = torch.randn(1, 3, 32, 32)
    assert convolutions(small.anatomy) == ("plain", "grouped", "even", "alone")
    for name in ("norm", "head", "nothing"):
        with pytest.raises(InputError, match="lays no kernel"):
            record(small, x, name)
    recorded = record(small, x, "alone")
    with pytest.raises(InputError, match="no channel 5"):
        cell(recorded, 5, 0, 0)
    with pytest.raises(InputError, match="no row -1"):
        cell(recorded, 0, -1, 0)


@pytest.mark.parametrize("name", ["efficientnet_lite0", "resnet18", "vgg11", "densenet121", "googlenet"])
def test_real_networks_come_out_too(name: str) -> None:
    network = load_network(name, weights="none", image_size=64)
    x = torch.randn(1, 3, 64, 64)
    names = convolutions(network.anatomy)
    for layer in names[:: max(1, len(names) // 6)]:
        recorded = record(network, x, layer)
        found = cell(recorded, len(recorded.output) - 1, 0, 0)
        size = max(1.0, float((found.patch * found.kernel).abs().sum()))
        known = [step for step in found.steps if step.torch_value is not None]
        assert known
        for step in known:
            assert step.value == pytest.approx(step.torch_value, rel=1e-5, abs=1e-6 * size)
