"""Turning a channel gives what a hook that scales it gives, from whatever was kept; nothing is left behind."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from core.errors import InputError
from core.interpret.features.channel_ablation import ChannelScaler
from core.interpret.layout import channel_axis, require_map_layer
from core.models.network import Network, bare
from tests.core.interpret.conftest import CLASSES, wrap


def hooked(network: Network, x: Tensor, layer: str, channel: int, factor: float) -> np.ndarray:
    """The oracle: a whole pass with a hook on the layer's last call."""
    axis = channel_axis(require_map_layer(layer, network.anatomy))
    calls, last = [0], max(1, network.anatomy.layer(layer).calls)

    def scale(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor | None:
        calls[0] += 1
        if calls[0] != last:
            return None
        first = (output[0] if isinstance(output, tuple) else output).clone()
        first.select(axis, channel).mul_(factor)
        return (first, *output[1:]) if isinstance(output, tuple) else first

    handle = network.model.get_submodule(layer).register_forward_hook(scale)
    with torch.no_grad():
        found = network.model.eval()(x)[0].softmax(0).numpy()
    handle.remove()
    return found


@pytest.mark.parametrize(
    ("kind", "layer"),
    [
        ("NCHW", "stem.0"),
        ("NCHW", "stem"),
        ("NCHW", "body.0"),
        ("NCHW", "after"),
        ("NHWC", "mix"),
        ("NHWC", "patches"),
        ("tokens", "norm"),
        ("tokens", "attention"),
        ("tokens", "patches"),
    ],
)
@pytest.mark.parametrize("factor", [0.0, 0.5, 3.0])
def test_turning_equals_a_hook(kind: str, layer: str, factor: float, tiny: Callable[..., Network], image) -> None:
    network = tiny(kind)
    dial = ChannelScaler(network, image, layer)
    assert dial.replays
    np.testing.assert_allclose(dial.scale({1: factor}), hooked(network, image, layer, 1, factor), atol=1e-6)
    np.testing.assert_allclose(dial.scale({}), dial.scale({1: 1.0}), atol=1e-7)


def test_what_lies_before_the_layer_is_not_computed_again(tiny: Callable[..., Network], image: Tensor) -> None:
    network, runs = tiny(), []
    dial = ChannelScaler(network, image, "body")
    handle = network.model.get_submodule("stem.0").register_forward_hook(lambda *_: runs.append("stem"))
    behind = network.model.get_submodule("head").register_forward_hook(lambda *_: runs.append("head"))
    dial.scale({0: 0.0})
    handle.remove()
    behind.remove()
    assert runs == ["head"]


def test_several_channels_at_once(tiny: Callable[..., Network], image: Tensor) -> None:
    network = tiny()
    dial = ChannelScaler(network, image, "after")
    silent = dial.scale(dict.fromkeys(range(8), 0.0))
    with torch.no_grad():
        bias = network.model.get_submodule("head").bias.softmax(0).numpy()
    np.testing.assert_allclose(silent, bias, atol=1e-6)


def test_a_network_that_changes_its_input_for_others_to_see_is_run_whole(image: Tensor) -> None:
    class Sneaky(nn.Module):
        """Its ReLU's result is read through the tensor that was changed in place."""

        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(3, 6, 3, 2, 1)
            self.relu = nn.ReLU(inplace=True)
            self.second = nn.Conv2d(6, 6, 3, 2, 1)
            self.head = nn.Linear(6, len(CLASSES))

        def forward(self, x: Tensor) -> Tensor:
            x = self.first(x)
            self.relu(x)
            return self.head(self.second(x).mean((2, 3)))

    torch.manual_seed(5)
    network = wrap(Sneaky())
    dial = ChannelScaler(network, image, "second")
    assert dial.scale({2: 0.0}) == pytest.approx(hooked(network, image, "second", 2, 0.0), abs=1e-6)


def test_a_sequence_that_others_reach_into_is_run_whole(image: Tensor) -> None:
    class Reaching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU(), nn.Conv2d(6, 6, 3, 2, 1), nn.ReLU())
            self.head = nn.Linear(12, len(CLASSES))

        def forward(self, x: Tensor) -> Tensor:
            early = self.parts[0](x)
            late = self.parts[3](self.parts[2](self.parts[1](early)))
            return self.head(torch.cat([early.mean((2, 3)), late.mean((2, 3))], 1))

    torch.manual_seed(5)
    network = wrap(Reaching())
    dial = ChannelScaler(network, image, "parts.3")
    assert not dial.replays
    assert dial.scale({2: 0.0}) == pytest.approx(hooked(network, image, "parts.3", 2, 0.0), abs=1e-6)


@pytest.mark.parametrize("layer", ["layer1.0.relu", "layer2.0", "layer2.1.conv2"])
def test_a_residual_network_with_reused_relus(layer: str) -> None:
    network = bare("resnet18", "none", 64)
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    dial = ChannelScaler(network, x, layer)
    assert dial.replays
    np.testing.assert_allclose(dial.scale({3: 0.0}), hooked(network, x, layer, 3, 0.0), atol=1e-6)


def test_nothing_is_left_behind(tiny: Callable[..., Network], image: Tensor) -> None:
    network = tiny()
    network.model.train()
    dial = ChannelScaler(network, image, "body")
    dial.scale({0: 2.0})
    broken = network.model.get_submodule("head")
    handle = broken.register_forward_pre_hook(lambda *_: (_ for _ in ()).throw(RuntimeError("no")))
    with pytest.raises(RuntimeError):
        dial.scale({0: 2.0})
    handle.remove()
    assert all(module.training for module in network.model.modules())
    assert not any("forward" in vars(module) for module in network.model.modules())
    assert not any(module._forward_hooks for module in network.model.modules())


def test_channels_and_layers_that_cannot_be(tiny: Callable[..., Network], image: Tensor) -> None:
    with pytest.raises(InputError, match=r"no channel 8 in body\. Choose from 0 to 7"):
        ChannelScaler(tiny(), image, "body").scale({8: 0.0})
    with pytest.raises(InputError, match="head gives no map"):
        ChannelScaler(tiny(), image, "head")
    with pytest.raises(InputError, match="One normalised image"):
        ChannelScaler(tiny(), image[0], "body")
