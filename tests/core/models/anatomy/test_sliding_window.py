"""A window's size, places and output, held against what torch gives; shapes of outputs whatever their layout."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
import torch
from torch import nn

from core.models.anatomy.records import Layer
from core.models.anatomy.sliding_window import Window, window_of


def layer(**more: object) -> Layer:
    given = {"input_shape": (3, 9, 9), "output_shape": (4, 7, 7), "layout": "NCHW", **more}
    return Layer("a", "Conv2d", parameters=0, stage="stage1", leaf=True, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(("kernel", "stride", "padding", "dilation"), product((1, 3), (1, 2, 3), (0, 1), (1, 2)))
def test_rounded_down_as_convolutions_do(kernel: int, stride: int, padding: int, dilation: int) -> None:
    size = 11
    result = nn.Conv2d(1, 1, kernel, stride, padding, dilation)(torch.zeros(1, 1, size, size)).shape[-1]
    window = Window(size, result, kernel, stride, padding, dilation)
    assert window.reach == dilation * (kernel - 1) + 1
    assert window.rounding == "floor"


def test_rounded_up_as_a_pool_may_or_by_no_rule() -> None:
    result = nn.MaxPool2d(3, 2, ceil_mode=True)(torch.zeros(1, 1, 10, 10)).shape[-1]
    assert Window(10, result, 3, 2, 0).rounding == "ceil"
    assert Window(10, 10, 3, 2, 0).rounding == ""


def test_a_convolution_that_pads_by_itself_rounds_down_all_the_same() -> None:
    sides = {"kernel": (3, 3), "stride": (2, 2), "padding": (0, 0), "dilation": (1, 1)}
    found = window_of(layer(**sides, input_shape=(3, 224, 224), output_shape=(8, 112, 112)))
    assert found == Window(224, 112, 3, 2, 0, 1, extra=1)
    assert found.rounding == "floor"
    assert found.filled == r"\left\lfloor\frac{224+1-3}{2}\right\rfloor+1"
    by_hand = nn.Conv2d(1, 1, 3, 2)(torch.zeros(1, 1, 225, 225)).shape[-1]
    assert by_hand == 112
    shapes = {"input_shape": (3, 10, 10), "output_shape": (3, 5, 5)}
    pool = replace(layer(**sides, **shapes), kind="MaxPool2d")
    assert window_of(pool) == Window(10, 5, 3, 2, 0)


def test_the_window_of_a_layer() -> None:
    sides = {"kernel": (3, 5), "stride": (1, 1), "padding": (0, 0), "dilation": (1, 1)}
    assert window_of(layer(**sides)) == Window(9, 7, 3, 1, 0, 1)
    turned = layer(**sides, input_shape=(9, 8, 3), output_shape=(7, 6, 4), layout="NHWC")
    assert window_of(turned) == Window(9, 7, 3, 1, 0, 1)
    assert window_of(layer()) is None
    assert window_of(layer(**sides, output_shape=(4,))) is None
    assert window_of(layer(**sides | {"dilation": None})) is None


def test_shapes_of_outputs() -> None:
    assert (layer().map_shape, layer().channels) == ((4, 7, 7), 4)
    turned = layer(output_shape=(7, 6, 4), layout="NHWC")
    assert (turned.map_shape, turned.channels) == ((4, 7, 6), 4)
    tokens = layer(output_shape=(197, 768), layout="tokens")
    assert (tokens.map_shape, tokens.channels) == (None, 768)
    assert layer(output_shape=(10,), layout=None).channels == 10
