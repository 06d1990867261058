"""Differences of means over repetitions, against SciPy, and how often chance alone is taken for one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from core.evaluation.differences import detectable, deviation, holm, mean_interval, needed, welch


def test_welch_is_scipys() -> None:
    lot = np.random.default_rng(0)
    for _ in range(50):
        a, b = (lot.normal(0.8, 0.02, lot.integers(2, 9)).tolist() for _ in range(2))
        found, known = welch(a, b), stats.ttest_ind(b, a, equal_var=False)
        assert found.p_value == pytest.approx(known.pvalue)
        assert found.interval == pytest.approx(tuple(known.confidence_interval(0.95)))


def test_without_spread_there_is_no_test_unless_the_steps_are_known() -> None:
    assert welch([0.9, 0.9], [0.9, 0.9]).p_value == 1
    assert welch([0.9, 0.9], [1.0, 1.0]).p_value == 0
    assert welch([0.9] * 3, [0.91] * 3, step=0.01).p_value == pytest.approx(2 * stats.t(4).sf(6**0.5))
    assert welch([0.9] * 3, [1.0] * 3, step=0.01).p_value < 0.001


def test_the_interval_of_a_mean_is_students() -> None:
    values = [0.8, 0.85, 0.9]
    known = stats.t(2, loc=np.mean(values), scale=stats.sem(values)).interval(0.95)
    assert mean_interval(values) == pytest.approx(known)
    assert mean_interval([0.8]) is None


def test_holm_is_worked_out_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx((0.03, 0.06, 0.06))
    assert holm([]) == ()
    assert holm([0.9, 0.8]) == (1.0, 1.0)


@pytest.mark.parametrize("level", [0.05, 0.05 / 36])
def test_so_many_seeds_find_a_difference_four_times_in_five(level: float) -> None:
    count = needed(0.02, 0.015, level)
    assert count is not None
    assert detectable(0.015, count, level) <= 0.02 < detectable(0.015, count - 1, level)
    lot = np.random.default_rng(0)
    first, second = lot.normal(0.80, 0.015, (2000, count)), lot.normal(0.82, 0.015, (2000, count))
    assert 0.77 < (stats.ttest_ind(first, second, axis=1, equal_var=False).pvalue < level).mean() < 0.87
    assert needed(1e-4, 0.015, level) is None


def test_the_spread_of_settings_is_pooled() -> None:
    assert deviation([[0.8, 0.9], [0.7, 0.7]], 0.0) == pytest.approx((0.005 / 2) ** 0.5)
    assert deviation([[0.8, 0.8]], 0.02) == pytest.approx(0.01)
