"""Differences of means over repetitions, against SciPy, and how often chance alone is taken for one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from core.evaluation.differences import holm, mean_interval, welch


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
