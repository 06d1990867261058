"""Uneven classes: the baseline, the recalls, and that each cure finds more of the rare class."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from core.errors import InputError
from core.lessons.imbalance import CURES, always_common, judge, points


@pytest.mark.parametrize("share", [0.02, 0.05, 0.1])
def test_each_cure_finds_more_of_the_rare_class_and_costs_accuracy(share: float) -> None:
    plain = judge(share)
    assert plain.accuracy >= always_common(share).accuracy - 0.01
    for cure in CURES[1:]:
        cured = judge(share, cure)
        assert cured.recalls[1] > plain.recalls[1] + 0.1
        assert cured.balanced > plain.balanced
        assert cured.accuracy < plain.accuracy


def test_the_figures_are_scikit_learns() -> None:
    found = judge(0.1, "weights")
    counts = np.rint(found.matrix * 40_000).astype(int)
    true = np.repeat([0, 0, 1, 1], counts.ravel())
    said = np.repeat([0, 1, 0, 1], counts.ravel())
    assert found.balanced == pytest.approx(balanced_accuracy_score(true, said), abs=1e-3)
    assert found.accuracy == pytest.approx(np.mean(true == said), abs=1e-3)
    assert found.seen == (360, 40)
    assert judge(0.1, "oversampling").seen == (360, 360)
    assert judge(0.1, "undersampling").seen == (40, 40)


def test_always_naming_the_common_class_is_right_as_often_as_it_is_common() -> None:
    always = always_common(0.05)
    assert always.accuracy == pytest.approx(0.95)
    assert always.recalls == (1, 0)
    assert np.isnan(always.precision)


def test_half_and_half_needs_no_cure() -> None:
    assert judge(0.5).balanced == pytest.approx(judge(0.5, "weights").balanced, abs=0.01)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.6, -1])
def test_a_share_that_cannot_be_is_refused(share: float) -> None:
    with pytest.raises(InputError, match="at least 2"):
        points(share, 400, 2, 0)


def test_another_cure_is_refused() -> None:
    with pytest.raises(InputError, match="no cure"):
        judge(0.1, "prayer")
