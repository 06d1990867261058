"""Depth against width: counts are torch's, budgets are met, the broad network is ahead at first."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InputError
from core.lessons.trained import width


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 9), st.integers(1, 40))
def test_parameters_are_those_of_the_network(depth: int, units: int) -> None:
    made = width.network(depth, units, 0)
    assert width.parameters(depth, units) == sum(value.numel() for value in made.parameters())


@settings(deadline=None, max_examples=25)
@given(st.sampled_from(width.DEPTHS), st.integers(1500, 12_000))
def test_no_other_width_comes_closer_to_the_budget(depth: int, budget: int) -> None:
    chosen = width.width_of(depth, budget)
    for other in (chosen - 1, chosen + 1):
        assert abs(width.parameters(depth, chosen) - budget) <= abs(width.parameters(depth, other) - budget)


def test_the_broad_network_is_ahead_and_epochs_are_counted_from_its_curve() -> None:
    broad, deep = width.race(3000, depths=(1, 5), seeds=(0,), epochs=12)
    assert broad.end > deep.end + 0.2
    (epochs,) = broad.epochs_to(0.7)
    assert epochs is not None
    assert broad.courses[0][epochs] >= 0.7 > broad.courses[0][epochs - 1]
    assert deep.epochs_to(0.99) == [None]


def test_a_budget_that_does_not_do_is_refused() -> None:
    with pytest.raises(InputError, match="20 parameters do not do for 3 hidden layers"):
        width.width_of(3, 20)
