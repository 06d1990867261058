"""The bench of the lesson on convolution: what it shows is torch's, and the address brings it back."""

from __future__ import annotations

import re

import pytest
import torch

from core.lessons.kernels import PRESETS
from core.lessons.numbers import read_grids
from pages.learn.convolution import bench, state

MOST = (4, 4, 16, 16)


@pytest.mark.parametrize("name", PRESETS)
def test_what_the_browser_draws_is_torchs(name: str) -> None:
    from core.lessons.convolution import convolve

    preset = PRESETS[name]
    picture, kernels = read_grids(preset.picture, most=MOST)[0], read_grids(preset.kernels, most=MOST)
    held = state.Bench(picture, kernels, preset.sliding)
    drawn = bench.data(held, convolve(picture, kernels, preset.sliding))
    sliding = preset.sliding
    wanted = torch.nn.functional.conv2d(
        picture[None],
        kernels.flip(-2, -1) if sliding.flipped else kernels,
        stride=sliding.stride,
        padding=sliding.padding,
        dilation=sliding.dilation,
        groups=sliding.groups,
    )[0]
    assert torch.allclose(torch.tensor(drawn["output"], dtype=torch.float64), wanted, rtol=1e-6)
    for kernel, first in enumerate(drawn["first"]):
        weights = torch.tensor(drawn["laid"][kernel])
        under = torch.tensor(drawn["padded"])[first : first + len(weights)]
        span = [slice(0, sliding.dilation * (side - 1) + 1, sliding.dilation) for side in weights.shape[1:]]
        assert float((under[:, span[0], span[1]] * weights).sum()) == pytest.approx(drawn["output"][kernel][0][0])


def test_an_example_is_chosen_and_its_numbers_change_with_stride(open_page, words, params) -> None:
    app = open_page("learn", lesson="convolution", step="play")
    assert "5 × 5 under" in words(app)
    app.selectbox(key="bl-learn-try").set_value("mean").run()
    assert not app.exception
    assert "4 × 4 under 1 × 2 × 2, padding 0, stride 2" in words(app)
    app.number_input(key="bl-learn-stride").set_value(1).run()
    assert "the answer is 1 × 3 × 3" in words(app)
    assert params(app)["learn-stride"] == "1"
    again = open_page("learn", **params(app))
    assert "the answer is 1 × 3 × 3" in words(again)


def test_several_kernels_of_the_library_make_several_maps(open_page, words, params) -> None:
    app = open_page("learn", lesson="convolution", step="play")
    app.multiselect(key="bl-learn-library").set_value(["vertical", "blur"]).run()
    assert not app.exception
    assert "2 × 3 × 3" in words(app)
    assert "/" in params(app)["k"]
    assert len(re.findall("Map [12]", words(app))) >= 2


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"x": "1,2;3"}, "rows of 1, 2 numbers"),
        ({"x": "cat"}, "is no number"),
        ({"k": "nan"}, "between minus and plus"),
        ({"x": "1", "k": "1,1,1;1,1,1;1,1,1", "learn-padding": "0"}, "fits nowhere"),
        ({"learn-stride": "0"}, "stride 1"),
        ({"learn-groups": "3"}, "cannot be parted into 3 groups"),
        ({"learn-mode": "reflect", "learn-padding": "6"}, "at most 4"),
        ({"cell": "99.99", "map": "7"}, "5 × 5 under"),
    ],
)
def test_a_link_with_nonsense_is_answered_in_a_sentence(query: dict[str, str], says: str, open_page, words) -> None:
    app = open_page("learn", lesson="convolution", step="play", **query)
    assert not app.exception
    assert says in words(app)
    assert "Something went wrong" not in words(app)
