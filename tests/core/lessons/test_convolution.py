"""Convolution on numbers: torch's answers, the notes' examples, the sums term by term, and what does not fit."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some
from scipy.signal import convolve2d
from torch.nn import functional as F

from core.errors import InputError
from core.lessons.convolution import MODES, Convolved, Sliding, convolve
from core.lessons.kernels import KERNELS, PRESETS, names_of, stack
from core.lessons.numbers import read_grids, write_grids
from core.lessons.photograph import WAYS, answers

MOST = (4, 4, 16, 16)


def of(name: str) -> Convolved:
    preset = PRESETS[name]
    return convolve(read_grids(preset.picture, most=MOST)[0], read_grids(preset.kernels, most=MOST), preset.sliding)


def test_the_notes_examples_come_out() -> None:
    middle, end = [0, 30, -60, 30, 0], [0, 20, -70, 20, 0]
    assert of("line").output[0].tolist() == [end, middle, middle, middle, end]
    assert of("letter").output[0].tolist() == [
        [-1, -1, -1, -1, -1],
        [0, 0, 0, 0, 0],
        [0, -1, -2, -2, -1],
        [0, 1, 2, 2, 1],
        [0, 0, 0, 0, 0],
    ]
    assert of("small").output[0].tolist() == [[10, 3], [9, 18]]
    assert of("flipped").output[0].tolist() == [[8, 1], [7, 0]]
    assert of("mean").output[0].tolist() == [[152.5, 25], [25, 125]]


def test_flipped_is_what_scipy_calls_a_convolution() -> None:
    preset = PRESETS["flipped"]
    picture, kernel = (read_grids(text, most=MOST)[0, 0] for text in (preset.picture, preset.kernels))
    assert of("flipped").output[0].tolist() == convolve2d(picture.numpy(), kernel.numpy(), mode="valid").tolist()


@pytest.mark.parametrize("name", PRESETS)
def test_the_terms_of_every_cell_add_up_to_torchs_value(name: str) -> None:
    done = of(name)
    for kernel, rows in enumerate(done.output.tolist()):
        for row, line in enumerate(rows):
            for column, value in enumerate(line):
                terms = done.terms(kernel, row, column)
                assert len(terms) == done.kernels[0].numel()
                assert sum(term.product for term in terms) == pytest.approx(value, rel=1e-6, abs=1e-12)
                assert all(term.product == term.pixel * term.weight for term in terms)


@settings(max_examples=120, deadline=None)
@given(some.data())
def test_any_shape_answers_as_torchs_layer_does_or_is_refused(data: some.DataObject) -> None:
    draw = data.draw
    groups = draw(some.integers(1, 2))
    channels, count = groups * draw(some.integers(1, 2)), groups * draw(some.integers(1, 2))
    height, width = draw(some.integers(1, 9)), draw(some.integers(1, 9))
    kernel = (draw(some.integers(1, 5)), draw(some.integers(1, 5)))
    sliding = Sliding(
        draw(some.integers(1, 4)),
        draw(some.integers(0, 4)),
        draw(some.integers(1, 3)),
        groups,
        draw(some.sampled_from(tuple(MODES))),
        draw(some.booleans()),
    )
    torch.manual_seed(draw(some.integers(0, 999)))
    picture = torch.randn(channels, height, width, dtype=torch.float64)
    kernels = torch.randn(count, channels // groups, *kernel, dtype=torch.float64)
    layer = torch.nn.Conv2d(
        channels,
        count,
        kernel,
        sliding.stride,
        sliding.padding,
        sliding.dilation,
        groups,
        bias=False,
        padding_mode=sliding.mode,
        dtype=torch.float64,
    )
    layer.weight.data = kernels.flip(-2, -1) if sliding.flipped else kernels
    try:
        wanted = layer(picture[None])[0].detach()
    except RuntimeError:
        with pytest.raises(InputError):
            convolve(picture, kernels, sliding)
        return
    done = convolve(picture, kernels, sliding)
    assert torch.equal(done.output, wanted)
    place = [draw(some.integers(0, size - 1)) for size in wanted.shape]
    total = sum(term.product for term in done.terms(*place))
    assert total == pytest.approx(float(wanted[tuple(place)]), rel=1e-6, abs=1e-12)


@pytest.mark.parametrize(
    ("sliding", "says"),
    [
        (Sliding(stride=0), "stride is 0"),
        (Sliding(dilation=0), "dilation is 0"),
        (Sliding(padding=-1), "padding is -1"),
        (Sliding(groups=0), "groups is 0"),
        (Sliding(groups=2), "cannot be parted into 2 groups"),
        (Sliding(padding=3, mode="reflect"), "at most 2"),
        (Sliding(dilation=2), "fits nowhere"),
    ],
)
def test_what_cannot_slide_is_refused_in_a_sentence(sliding: Sliding, says: str) -> None:
    with pytest.raises(InputError, match=says):
        convolve(torch.ones(1, 3, 3), torch.ones(1, 1, 3, 3), sliding)


def test_a_picture_of_one_pixel_and_values_that_are_no_numbers() -> None:
    assert convolve(torch.tensor([[[3.0]]]), torch.tensor([[[[2.0]]]])).output.tolist() == [[[6.0]]]
    with pytest.raises(InputError, match="fits nowhere"):
        convolve(torch.ones(1, 1, 1), torch.ones(1, 1, 3, 3))
    with pytest.raises(InputError, match="no finite number"):
        convolve(torch.tensor([[[float("nan")]]]), torch.ones(1, 1, 1, 1))
    with pytest.raises(InputError, match="one slice a channel"):
        convolve(torch.ones(3, 4, 4), torch.ones(1, 1, 2, 2))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        (" \n ; ", "empty"),
        ("1 2\n3", "rows of 1, 2 numbers"),
        ("1, cat", "“cat”, which is no number"),
        ("nan", "between minus and plus"),
        ("1e99", "between minus and plus"),
        ("[1, 2", "no list of lists"),
        ("[[[[[1]]]]]", "no list of lists"),
        ("[[1, [2]]]", "no list of lists"),
        ("1 " * 17, "at most"),
        ("1 " * 5000, "characters"),
    ],
)
def test_text_that_is_no_grid_is_refused_in_a_sentence(text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        read_grids(text, most=MOST)


@pytest.mark.parametrize("text", ["1 2\n3 4", "1,2;3,4", "[[1, 2], [3, 4]]", "1, 2,\n3, 4,\n", "1 2 ; 3 4 ;"])
def test_a_grid_is_read_as_people_write_it(text: str) -> None:
    assert read_grids(text, most=MOST).tolist() == [[[[1, 2], [3, 4]]]]
    assert read_grids("1\N{MINUS SIGN}0" if "x" in text else "\N{MINUS SIGN}5", most=MOST).item() == -5


@given(some.lists(some.floats(-1e5, 1e5, width=32), min_size=12, max_size=12))
def test_what_a_link_carries_is_read_back_exactly(values: list[float]) -> None:
    grids = torch.tensor(values, dtype=torch.float64).reshape(2, 1, 3, 2)
    assert torch.equal(read_grids(write_grids(grids), most=MOST), grids)


def test_the_library_is_of_three_by_three_kernels_that_are_found_again() -> None:
    kernels = stack(list(KERNELS), 2)
    assert kernels.shape == (len(KERNELS), 2, 3, 3)
    assert names_of(kernels) == list(KERNELS)
    kernels[0, 0, 0, 0] = 7
    assert names_of(kernels) == []


@pytest.mark.parametrize("way", WAYS)
def test_a_photograph_is_answered_as_torch_does(way: str) -> None:
    pixels = torch.rand(3, 9, 8, dtype=torch.float64)
    (answer,) = answers(pixels, stack(["vertical"], 1), Sliding(padding=1, groups=2), way)
    kernel = stack(["vertical"], 1)
    grey = (pixels * torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64)[:, None, None]).sum(0, keepdim=True)
    wanted = {
        "grey": F.conv2d(grey[None], kernel)[0],
        "colours": F.conv2d(pixels[None], kernel.repeat(3, 1, 1, 1), groups=3)[0],
        "summed": F.conv2d(pixels[None], kernel.repeat(1, 3, 1, 1))[0],
    }[way]
    assert torch.allclose(answer.values, wanted, rtol=1e-9)
    assert answer.signed
    assert answer.image.size == (6, 7)
    (kept,) = answers(pixels, stack(["copy"], 1), Sliding(), "colours")
    assert not kept.signed
    assert kept.image.mode == "RGB"
