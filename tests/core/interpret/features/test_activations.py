"""Feature maps come out whole, in one pass, from every layout."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from core.data.images import open_image, to_tensor
from core.errors import InputError
from core.interpret.features.activations import activations, channel_order, layer_stats, packed, spatial_layers
from core.interpret.features.source_convolution import maker_of
from core.interpret.layout import layers_of_kinds, map_layout, to_maps
from core.models.network import Network
from tests.core.interpret.conftest import wrap


def test_all_spatial_layers_in_one_pass(tiny: Callable[..., Network], image: Tensor) -> None:
    network, passes = tiny(), []
    handle = network.model.register_forward_pre_hook(lambda *_: passes.append(1))
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


def test_what_lies_behind_the_layers_asked_for_is_not_run(tiny: Callable[..., Network], image: Tensor) -> None:
    network, runs = tiny(), []
    handle = network.model.get_submodule("head").register_forward_hook(lambda *_: runs.append("head"))
    maps = activations(network, image, ["stem", "body"])
    handle.remove()
    assert runs == []
    assert set(maps) == {"stem", "body"}
    assert not any(module._forward_hooks for module in network.model.modules())


def test_a_layer_used_twice_gives_its_last_answer(image: Tensor) -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 3, 1, 1)
            self.head = nn.Linear(3, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.conv(self.conv(x)).mean((2, 3)))

    network = wrap(Twice())
    with torch.no_grad():
        conv = network.model.get_submodule("conv")
        expected = conv(conv(image))[0]
    assert torch.equal(activations(network, image, ["conv"])["conv"], expected)


def test_values_that_are_no_numbers_are_counted() -> None:
    maps = torch.ones(2, 2, 2)
    maps[1, 0, 0], maps[1, 1, 1] = float("nan"), float("inf")
    found = layer_stats(maps)
    assert found.broken == 2
    assert (found.minimum, found.maximum) == (0, 1)
    assert found.variance == pytest.approx(0.1875)


def test_channels_are_sorted_by_their_figures() -> None:
    maps = torch.tensor([[[0.0, 4.0]], [[3.0, 3.0]], [[-9.0, 9.0]], [[float("nan"), 1.0]]])
    assert channel_order(maps, "mean") == [1, 0, 3, 2]
    assert channel_order(maps, "maximum") == [2, 0, 1, 3]
    assert channel_order(maps, "variance") == [2, 0, 3, 1]
    with pytest.raises(InputError, match="cannot be sorted by colour"):
        channel_order(maps, "colour")


def test_arrays_can_be_taken_away() -> None:
    maps = {"a.0": torch.rand(2, 3, 4), "b": torch.rand(1, 2, 2).half()}
    with np.load(io.BytesIO(packed(maps))) as file:
        assert set(file.files) == {"a.0", "b"}
        assert file["b"].dtype == np.float32
        np.testing.assert_array_equal(file["a.0"], maps["a.0"].numpy())


@pytest.mark.parametrize(("size", "mode"), [((1, 1), "RGB"), ((3000, 40), "RGB"), ((50, 70), "L"), ((9, 9), "I;16")])
def test_any_picture_can_be_looked_at(tiny: Callable[..., Network], size: tuple[int, int], mode: str) -> None:
    file = io.BytesIO()
    Image.new(mode, size, 7).save(file, "PNG")
    network = tiny()
    maps = activations(network, to_tensor(open_image(file.getvalue()), network.preprocessing))
    assert all(bool(layer.isfinite().all()) for layer in maps.values())


def test_kinds_of_layers_in_order(tiny: Callable[..., Network]) -> None:
    anatomy = tiny().anatomy
    assert layers_of_kinds(anatomy, ["conv"]) == ("stem.0", "body.0")
    assert layers_of_kinds(anatomy, ["activation"]) == ("stem.2", "after")
    assert layers_of_kinds(anatomy, ["norm", "block"]) == ("stem.1", "stem", "body.1", "body")
    assert layers_of_kinds(tiny("tokens").anatomy, ["attention"]) == ("attention",)


@pytest.mark.parametrize(
    ("kind", "layer", "maker"),
    [
        ("NCHW", "stem.0", "stem.0"),
        ("NCHW", "stem.2", "stem.0"),
        ("NCHW", "after", "body.0"),
        ("NCHW", "body", "body.0"),
        ("NHWC", "act", None),
        ("tokens", "norm", None),
    ],
)
def test_the_kernel_behind_a_channel(kind: str, layer: str, maker: str | None, tiny, image: Tensor) -> None:
    assert maker_of(tiny(kind), image, layer) == maker


def test_a_sum_on_the_way_has_no_single_kernel(image: Tensor) -> None:
    class Added(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 3, 1, 1)
            self.norm = nn.BatchNorm2d(3)
            self.relu = nn.ReLU()
            self.head = nn.Linear(3, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.relu(self.norm(self.conv(x)) + x).mean((2, 3)))

    network = wrap(Added())
    assert maker_of(network, image, "norm") == "conv"
    assert maker_of(network, image, "relu") is None
