"""Filters over epochs: one scale for all of them, and which layers moved."""

from __future__ import annotations

import numpy as np
import pytest

from core.interpret.filters.movement import motion
from core.workflows.inspection.filter_history import FilterHistory, FilterMovement


def history() -> FilterHistory:
    start = np.zeros((3, 2, 1, 1), np.float16)
    start[:, 0] = 1.0
    later = {2: start.copy(), 5: start.copy()}
    later[2][0, 0], later[5][1, 1] = 3.0, -0.5
    return FilterHistory("conv", motion(start, later), start, later)


def test_filters_and_their_change_are_each_drawn_on_one_scale_for_all_epochs() -> None:
    values, limit = history().shown(5, change=False, count=2)
    assert values.shape == (2, 2, 1, 1)
    assert (values[1, 1], limit) == (-0.5, 3.0)
    values, limit = history().shown(5, change=True, count=2)
    assert (values[0, 0], values[1, 1], limit) == (0.0, -0.5, 2.0)
    values, limit = history().shown(2, change=True, count=3, channel=1)
    assert (values.shape, limit) == ((3, 1, 1, 1), 0.5)
    assert values.dtype == np.float32


def test_which_layers_stood_still_and_which_moved_furthest() -> None:
    found = FilterMovement(("a", "b", "c"), (1, 2), np.array([[0, 0], [0.5, 0.1], [0.1, 0.3]]))
    assert found.still == 1
    assert found.furthest == ("c", pytest.approx(0.3))
