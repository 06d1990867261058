"""Sizes and parameters: the formulas are torch's, the notes' counts come out, and what does not fit is refused."""

from __future__ import annotations

import math
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some

from core.errors import InputError
from core.lessons.families import FAMILIES, count, explain_resnet18
from core.lessons.sizes import CHAINS, follow, output_side, paint, read_chain, transposed_side


def total(name: str) -> int:
    _title, shape, text = CHAINS[name]
    return sum(layer.parameters for layer in follow(shape, read_chain(text)))


def test_the_notes_counts_come_out() -> None:
    stride = follow(CHAINS["stride"][1], read_chain(CHAINS["stride"][2]))
    assert [layer.shape for layer in stride] == [(32, 14, 14), (32, 7, 7), (1568,), (5,)]
    assert stride[-1].parameters == 7845
    assert total("pointwise") == 165
    assert total("mnist") == 30_840
    assert total("emnist") == 16_490
    assert total("cats") == 3_453_121
    assert total("autoencoder") == 557
    sides = [layer.shape[1] for layer in follow(CHAINS["autoencoder"][1], read_chain(CHAINS["autoencoder"][2]))]
    assert sides == [28, 14, 14, 7, 15, 31]
    assert [layer.parameters for layer in follow((1, 224, 224), read_chain("conv 64 3 1 1"))] == [640]
    assert [layer.parameters for layer in follow((3, 224, 224), read_chain("conv 64 3 1 1; conv 64 3 1 1"))] == [
        1792,
        36_928,
    ]
    assert follow((512, 7, 7), read_chain("flatten; linear 4096"))[-1].parameters == 102_764_544


@pytest.mark.parametrize("name", CHAINS)
def test_each_formula_ends_in_torchs_figure(name: str) -> None:
    _title, shape, text = CHAINS[name]
    for layer in follow(shape, read_chain(text)):
        if layer.size_formula:
            size = int(re.findall(r"=(\d+)$", layer.size_formula)[0])
            assert size == (layer.shape[0] if layer.kind == "flatten" else layer.shape[1])
        if layer.parameters:
            assert int(layer.parameter_formula.rsplit("=", 1)[1].replace(",", "")) == layer.parameters
        else:
            assert not layer.parameter_formula


@settings(max_examples=80, deadline=None)
@given(some.integers(1, 40), some.integers(1, 7), some.integers(1, 4), some.integers(0, 3), some.integers(1, 3))
def test_any_window_has_the_size_of_the_formula(h: int, k: int, s: int, p: int, d: int) -> None:
    side = output_side(h, k, s, p, d)
    if side < 1:
        with pytest.raises(InputError, match="does not fit"):
            follow((1, h, h), read_chain(f"conv 2 {k} {s} {p} {d}"))
    else:
        assert follow((1, h, h), read_chain(f"conv 2 {k} {s} {p} {d}"))[0].shape == (2, side, side)
    back = transposed_side(h, k, s, p)
    if back >= 1:
        assert follow((1, h, h), read_chain(f"transposed 2 {k} {s} {p}"))[0].shape == (2, back, back)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("conv", "needs these numbers"),
        ("conv 3 3 1 1 1 1", "needs these numbers"),
        ("conv 3 0", "kernel is 0"),
        ("conv 3 3 0", "stride is 0"),
        ("conv cat 3", "channels is cat"),
        ("conv 3 99999", "kernel is 99999"),
        ("pool 2", "is no layer"),
        ("linear 5", "Put flatten before"),
        ("flatten; conv 3 3", "after flatten"),
        ("conv 3 5; conv 3 5", "does not fit"),
        ("flatten;" * 21, "at most 20"),
        ("transposed 1 4000 4000; transposed 1 4000 4000", "too large"),
    ],
)
def test_a_chain_that_cannot_be_is_refused(text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        follow((1, 8, 8), read_chain(text))


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("vgg-head", [102_764_544, 16_781_312, 4_097_000]),
        ("apples", [49_164]),
        ("brains", [1_058_530]),
        ("brains-2", [4_212_386]),
        ("dense", [20, 48, 36]),
    ],
)
def test_more_of_the_notes_counts_come_out(name: str, counts: list[int]) -> None:
    _title, shape, text = CHAINS[name]
    found = [layer.parameters for layer in follow(shape, read_chain(text)) if layer.parameters]
    assert found == counts or [sum(found)] == counts


def test_the_shapes_of_weights_are_torchs_and_the_notes() -> None:
    _title, shape, text = CHAINS["dense"]
    assert [layer.weight for layer in follow(shape, read_chain(text))] == [(), (5, 3), (8, 5), (4, 8)]
    assert follow((3, 9, 9), read_chain("conv 8 3; norm; transposed 2 5"))[2].weight == (8, 2, 5, 5)
    assert math.prod(CHAINS["photo"][1]) == 25_125_000


def test_resnet18_is_explained_to_the_last_parameter() -> None:
    found = explain_resnet18()
    assert (found.noted, found.biases, found.norms, found.shortcuts, found.total) == (
        11_511_784,
        3_904,
        9_600,
        172_032,
        11_689_512,
    )


def test_the_families_have_the_papers_figures() -> None:
    found = {name: count(name) for names in FAMILIES.values() for name in names}
    assert found["vgg16"].parameters == 138_357_544
    assert found["vgg16"].stages == {224: 2, 112: 2, 56: 3, 28: 3, 14: 3}
    vgg = [round(found[name].parameters / 1e6) for name in FAMILIES["VGG"]]
    assert vgg == [133, 133, 133, 134, 138, 144]  # table 2 of the paper: A, A-LRN, B, C, D, E
    assert found["vgg16-1x1"].parameters == 138_357_544 - (256**2 + 2 * 512**2) * 8  # nine weights a pair become one
    assert found["vgg16-1x1"].stages == found["vgg16"].stages
    assert found["vgg11-lrn"].stages == found["vgg11"].stages
    assert found["resnet18"].parameters == 11_689_512
    published = [round(found[name].macs_as_published / 1e9, 1) for name in FAMILIES["ResNet"]]
    assert published == [1.8, 3.7, 3.9, 7.6, 11.3] or published == [1.8, 3.7, 3.8, 7.6, 11.3]
    assert round(found["resnet50"].macs / 1e9, 2) == 4.09


@pytest.mark.parametrize(
    ("cells", "kernel", "stride", "padding"), [(5, 3, 2, 0), (4, 4, 2, 1), (3, 2, 3, 0), (1, 5, 1, 2)]
)
def test_a_transposed_convolution_paints_where_torch_does(cells: int, kernel: int, stride: int, padding: int) -> None:
    painted = paint(cells, kernel, stride, padding)
    layer = torch.nn.ConvTranspose1d(1, 1, kernel, stride, padding, bias=False)
    with torch.no_grad():
        layer.weight.fill_(1.0)
        for cell, (start, end) in enumerate(painted.windows):
            one = torch.zeros(1, 1, cells)
            one[0, 0, cell] = 1.0
            alone = layer(one)[0, 0].nonzero()[:, 0]
            kept = [place - padding for place in range(start, end) if 0 <= place - padding < len(painted.counts)]
            assert alone.tolist() == kept
        assert [int(value) for value in layer(torch.ones(1, 1, cells))[0, 0]] == list(painted.counts)
    assert len(painted.counts) == painted.length - 2 * painted.cut == (cells - 1) * stride - 2 * padding + kernel


def test_a_transposed_convolution_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="leaves nothing"):
        paint(1, 2, 1, 1)
