"""One map in figures: zeros do not answer, what is no number is counted and left out."""

from __future__ import annotations

import numpy as np
import pytest

from core.interpret.features.channel_values import channel_values


def test_figures_and_bins_by_hand() -> None:
    found = channel_values(np.array([[0.0, 0.0, 0.0], [1.0, 2.0, 3.2]], np.float32), bins=4)
    assert found is not None
    assert (found.low, found.high) == (0.0, pytest.approx(3.2))
    assert found.mean == pytest.approx(6.2 / 6)
    assert (found.off, found.broken) == (0.5, 0)
    assert found.width == pytest.approx(0.8)
    assert found.middles.tolist() == pytest.approx([-0.4, 0.4, 1.2, 2.0, 2.8])
    assert found.counts.tolist() == [3, 0, 1, 1, 1], "zeros lie left of zero, a value on an edge left of it"


def test_what_is_no_number_is_left_out() -> None:
    found = channel_values(np.array([[np.nan, np.inf], [-1.0, 3.0]], np.float32))
    assert found is not None
    assert (found.low, found.high, found.mean, found.deviation, found.off, found.broken) == (-1, 3, 1, 2, 0.5, 2)
    assert found.counts.sum() == 2
    assert channel_values(np.full((2, 2), np.nan, np.float32)) is None


def test_a_map_of_one_value() -> None:
    found = channel_values(np.full((3, 3), 2.0, np.float32))
    assert found is not None
    assert (found.width, found.counts.tolist(), found.middles.tolist()) == (1.0, [9], [1.5])
