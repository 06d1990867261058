"""Feature maps come out whole, in one pass, from every layout."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from core.errors import InputError
from core.interpret.activations import activations, layer_stats, spatial_layers
from core.interpret.layout import map_layout, to_maps
from core.models.network import Network
from tests.core.interpret.conftest import wrap


def test_all_spatial_layers_in_one_pass(tiny: Callable[..., Network], image: Tensor) -> None:
    network, passes = tiny(), []
    handle = network.model.register_forward_hook(lambda *_: passes.append(1))
    maps = activations(network, image)
    handle.remove()
    assert len(passes) == 1
    assert tuple(maps) == spatial_layers(network.anatomy)
    assert {"stem", "stem.0", "body", "after"} <= set(maps)
    assert not {"pool", "head", "drop"} & set(maps)
    for name, layer in maps.items():
        assert tuple(layer.shape) == network.anatomy.layer(name).output_shape


def test_values_are_those_of_the_layer(tiny: Callable[..., Network], image: Tensor) -> None:
    network = tiny()
    maps = activations(network, image, ["body", "stem"])
    assert list(maps) == ["body", "stem"]
    with torch.no_grad():
        stem = network.model.get_submodule("stem")(image)
        assert torch.equal(maps["stem"], stem[0])
        assert torch.equal(maps["body"], network.model.get_submodule("body")(stem)[0])
    assert not maps["body"].requires_grad


def test_channels_last_and_tokens_are_folded(tiny: Callable[..., Network], image: Tensor) -> None:
    network = tiny("NHWC")
    maps = activations(network, image)
    assert maps["mix"].shape == (14, 8, 8)
    with torch.no_grad():
        assert torch.equal(network.model(image)[0], network.model.get_submodule("head")(maps["act"].mean((1, 2))))
    network = tiny("tokens")
    maps = activations(network, image)
    assert maps["norm"].shape == (12, 4, 4)
    with torch.no_grad():
        patches = network.model.get_submodule("norm")(maps["patches"].permute(1, 2, 0)).permute(2, 0, 1)
    assert torch.allclose(maps["norm"], patches, atol=1e-6), "the class token is left out and the order is kept"


def test_a_draw_between_layouts_goes_by_the_layer() -> None:
    class Cube(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 1)
            self.mix = nn.Linear(8, 8)
            self.head = nn.Linear(8, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.mix(self.conv(x).permute(0, 2, 3, 1)).mean((1, 2)))

    anatomy = wrap(Cube(), size=8).anatomy
    assert map_layout(anatomy.layer("conv"), anatomy) == "NCHW"
    assert map_layout(anatomy.layer("mix"), anatomy) == "NHWC"


def test_tokens_fold_row_by_row() -> None:
    tokens = torch.arange(10.0).reshape(1, 10, 1)
    assert torch.equal(to_maps(tokens, "tokens")[0], torch.arange(1.0, 10).reshape(3, 3))


@pytest.mark.parametrize(("layer", "words"), [("nowhere", "no layer 'nowhere'"), ("head", "head gives no map")])
def test_layers_that_cannot_be(tiny: Callable[..., Network], image: Tensor, layer: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        activations(tiny(), image, [layer])


def test_a_layer_in_figures() -> None:
    maps = torch.zeros(4, 2, 2)
    maps[0] = torch.tensor([[1.0, 2], [3, -4]])
    maps[1, 0, 0] = 2
    found = layer_stats(maps)
    assert (found.channels, found.height, found.width) == (4, 2, 2)
    assert found.sparsity == pytest.approx(12 / 16)
    assert found.silent == 2
    assert (found.minimum, found.maximum) == (-4, 3)
    assert found.mean == pytest.approx(4 / 16)
