"""Paired tests over groups: equal to McNemar's with one picture a group, and right in the long run with more."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from core.evaluation.paired import grouped_differences, grouped_interval, grouped_p


@pytest.mark.parametrize(("only_first", "only_second"), [(0, 0), (1, 0), (3, 9), (10, 10), (2, 20)])
def test_with_one_picture_a_group_it_is_mcnemars_exact_test(only_first: int, only_second: int) -> None:
    differences = np.array([-1] * only_first + [1] * only_second + [0] * 40)
    moved = only_first + only_second
    exact = stats.binomtest(only_second, moved).pvalue if moved else 1.0
    assert grouped_p(differences) == pytest.approx(exact)


def test_differences_are_summed_by_group() -> None:
    found = grouped_differences(np.array([1, 0, 1, 0]), np.array([0, 1, 1, 1]), np.array([0, 0, 1, 1]))
    assert found.tolist() == [0, 1]


def test_one_group_says_nothing() -> None:
    assert grouped_p(np.array([12])) == 1.0
    low, high = grouped_interval(np.array([12]), np.array([20]))
    assert low < 0 < high


def test_groups_that_move_as_one_count_once() -> None:
    """Twelve pictures of one patient that change together are no twelve pieces of evidence."""
    together = np.array([12, *[0] * 30])
    assert grouped_p(together) == 1.0
    assert stats.binomtest(12, 12).pvalue < 0.001


@pytest.mark.parametrize("groups", [15, 60])
def test_false_alarms_and_coverage_hold_over_groups(groups: int) -> None:
    """Two networks of equal worth whose answers go with the group: 1,000 studies."""
    random, size, alarms, covered = np.random.default_rng(3), 8, 0, 0
    for _ in range(1000):
        ease = random.beta(2, 1, (2, groups))  # of each network in each group
        right = random.random((2, groups, size)) < ease[:, :, None]
        number = np.repeat(np.arange(groups), size)
        found = grouped_differences(*right.reshape(2, -1).astype(int), number)
        alarms += grouped_p(found) < 0.05
        low, high = grouped_interval(found, np.full(groups, size))
        covered += low <= 0 <= high
    assert alarms <= 70
    assert 0.93 <= covered / 1000 <= 0.99
