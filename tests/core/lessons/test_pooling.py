"""Pooling: the notes' figures, torch's, where the gradient goes, and what is measured."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some
from torch.nn import functional as F

from core.errors import InputError
from core.lessons.pooling import WAYS, measure, pool

NOTES = torch.tensor([[[100.0, 0, 0, 0], [500, 10, 100, 0], [0, 100, 250, 0], [0, 0, 0, 250]]])


def test_the_notes_figures_come_out() -> None:
    assert pool(NOTES, "max", 2).output[0].tolist() == [[500, 100], [100, 250]]
    assert pool(NOTES, "mean", 2).output[0].tolist() == [[152.5, 25], [25, 125]]
    kernel = torch.full((1, 1, 2, 2), 0.25)
    assert torch.equal(pool(NOTES, "mean", 2).output, F.conv2d(NOTES[None], kernel, stride=2)[0].double())


@settings(max_examples=60, deadline=None)
@given(
    some.integers(1, 3),
    some.integers(1, 7),
    some.integers(1, 7),
    some.integers(0, 4),
    some.sampled_from(("max", "mean")),
)
def test_pooling_is_torchs(channels: int, height: int, width: int, side: int, way: str) -> None:
    torch.manual_seed(height)
    maps = torch.randn(channels, height, width, dtype=torch.float64)
    if side > min(height, width):
        with pytest.raises(InputError, match="does not fit"):
            pool(maps, way, side)
        return
    window = (side or height, side or width)
    wanted = (F.max_pool2d if way == "max" else F.avg_pool2d)(maps[None], window)[0]
    found = pool(maps, way, side)
    assert torch.allclose(found.output, wanted, rtol=1e-12)
    assert float(found.share.sum()) == pytest.approx(wanted.numel())
    if way == "mean" and side == 0:
        assert torch.allclose(found.share, torch.full_like(maps, 1 / (height * width)))
    together = pool(maps, way, side, across=True).output
    assert torch.allclose(together[0], wanted.amax(0) if way == "max" else wanted.mean(0), rtol=1e-9)


def test_twelve_cells_become_one_across_colours() -> None:
    assert pool(torch.arange(12.0).reshape(3, 2, 2), "max", 2, across=True).output.tolist() == [[[11]]]


def test_a_mean_is_steadier_than_a_stride_and_has_no_weights() -> None:
    torch.manual_seed(0)
    found = {one.way: one for one in measure(torch.rand(3, 64, 64), repeats=1)}
    assert set(found) == set(WAYS)
    assert found["mean"].change < found["stride"].change
    assert [found[way].parameters for way in WAYS] == [0, 0, 16 * 16 * 9]
    assert all(one.change == 0 for one in measure(torch.rand(3, 16, 16), shift=0, repeats=1))
    with pytest.raises(InputError, match="cannot be moved"):
        measure(torch.rand(3, 1, 1))


def test_another_way_is_refused() -> None:
    with pytest.raises(InputError, match="no pooling"):
        pool(NOTES, "median", 2)
