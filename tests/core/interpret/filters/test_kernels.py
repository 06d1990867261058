"""Kernels are drawn where they are, on a scale around zero."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from core.errors import InputError
from core.interpret.drawing.colormaps import lookup
from core.interpret.filters.kernels import conv_layers, kernel_tiles, kernels
from core.models.network import Network


def test_convolutions_are_listed(tiny: Callable[..., Network]) -> None:
    first, second = conv_layers(tiny())
    assert (first.name, first.shape, first.stride, first.groups, first.rgb) == ("stem.0", (6, 3, 3, 3), (2, 2), 1, True)
    assert (second.name, second.shape, second.rgb) == ("body.0", (8, 6, 3, 3), False)


def test_kernels_are_a_copy(tiny: Callable[..., Network]) -> None:
    network = tiny()
    weights = kernels(network, "stem.0")
    original = network.model.get_submodule("stem.0").weight
    assert torch.equal(weights, original.detach())
    weights.zero_()
    assert original.abs().sum() > 0


def test_first_layer_in_its_own_colours() -> None:
    conv = nn.Conv2d(3, 3, 2, bias=False)
    with torch.no_grad():
        conv.weight.zero_()
        conv.weight[0, 0, 0, 0] = 2.0  # red at the upper left
        conv.weight[1, 2, 1, 1] = -1.0  # less blue at the lower right
    sheet = kernel_tiles(nn.Sequential(conv), "0", columns=2, tile_px=4, gutter=1)
    pixels = np.asarray(sheet.image)
    assert (sheet.rgb, sheet.rows, sheet.columns, sheet.tile) == (True, 2, 2, (4, 4))
    assert (sheet.minimum, sheet.maximum, sheet.limit) == (-1.0, 2.0, 2.0)
    assert pixels.shape == (9, 9, 4)
    assert tuple(pixels[0, 0]) == (255, 128, 128, 255)
    assert tuple(pixels[1, 1]) == (255, 128, 128, 255), "one weight is 2 x 2 pixels"
    assert tuple(pixels[3, 3]) == (128, 128, 128, 255)
    assert tuple(pixels[3, 8]) == (128, 128, 64, 255)
    assert tuple(pixels[5, 0]) == (128, 128, 128, 255)
    assert (pixels[4, :, 3] == 0).all()
    assert (pixels[5:, 5:, 3] == 0).all(), "no fourth filter"


def test_deeper_kernels_channel_by_channel(tiny: Callable[..., Network]) -> None:
    network = tiny()
    weights = kernels(network, "body.0").numpy()
    sheet = kernel_tiles(network, "body.0", outputs=[5, 1], inputs=[2, 0, 3], tile_px=3, gutter=1)
    assert (sheet.rows, sheet.columns, sheet.rgb, sheet.shape) == (2, 3, False, (8, 6, 3, 3))
    assert (sheet.outputs, sheet.inputs) == ((5, 1), (2, 0, 3))
    pixels = np.asarray(sheet.image)[:, :, :3]
    limit = np.abs(weights[np.ix_([5, 1], [2, 0, 3])]).max()
    assert sheet.limit == pytest.approx(limit)
    index = np.rint(weights[1, 0] / limit * 127.5 + 127.5).astype(int)
    assert (pixels[4:7, 4:7] == lookup("blue-red")[index]).all()


def test_one_input_fills_rows(tiny: Callable[..., Network]) -> None:
    depthwise = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 40, 3, groups=4))
    sheet = kernel_tiles(depthwise, "1", columns=8)
    assert (sheet.rows, sheet.columns, sheet.inputs) == (4, 8, (0,))
    assert kernel_tiles(tiny(), "stem.0", inputs=[1], columns=3).rgb is False


def test_all_zero_kernels_are_grey() -> None:
    conv = nn.Conv2d(3, 2, 3)
    nn.init.zeros_(conv.weight)
    sheet = kernel_tiles(nn.Sequential(conv), "0", gutter=0)
    assert sheet.limit == 0
    assert (np.asarray(sheet.image)[:, :, :3] == 128).all()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"layer": "head"}, r"'head'.*stem\.0, body\.0"),
        ({"layer": "nowhere"}, "'nowhere'"),
        ({"layer": "body.0", "outputs": [8]}, "no filter 8.*0 to 7"),
        ({"layer": "body.0", "inputs": [-1]}, "no input channel -1.*0 to 5"),
        ({"layer": "body.0", "outputs": []}, "No filter is chosen"),
        ({"layer": "body.0", "tile_px": 0}, "1 or more"),
        ({"layer": "body.0", "colormap": "jet"}, "no colour map jet"),
    ],
)
def test_what_cannot_be_drawn(tiny: Callable[..., Network], given: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        kernel_tiles(tiny(), **given)


def test_weights_that_are_no_numbers_are_drawn_as_zeros_and_counted() -> None:
    layer = nn.Conv2d(4, 2, 3)
    with torch.no_grad():
        layer.weight[0, 0, 0, 0] = float("nan")
    drawn = kernel_tiles(nn.Sequential(layer), "0", tile_px=1, gutter=0)
    assert drawn.broken == 1
    assert np.isfinite([drawn.limit, drawn.minimum, drawn.maximum]).all()
    red, _green, blue, _alpha = np.asarray(drawn.image)[0, 0]
    assert abs(int(red) - int(blue)) < 12, "near white, the colour of zero"
