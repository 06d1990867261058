"""Curves beside scikit-learn's areas, a threshold by hand, and a temperature that is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from core.evaluation.calibration import at_temperature, temperature
from core.evaluation.curves import POINTS, at_threshold, coverage, precision_recall, roc


def drawn(seed: int, images: int = 80) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    positive = random.random(images) < 0.4
    positive[:2] = True, False
    scores = np.clip(random.normal(0.4 + 0.25 * positive, 0.2), 0, 1)
    return positive, scores.round(1) if seed % 2 else scores


@given(st.integers(0, 10_000))
def test_the_area_under_the_curves_is_scikit_learns(seed: int) -> None:
    positive, scores = drawn(seed)
    curve = roc(positive, scores)
    assert metrics.auc(curve.x, curve.y) == pytest.approx(metrics.roc_auc_score(positive, scores))
    assert (curve.x[0], curve.y[0], curve.x[-1], curve.y[-1]) == (0, 0, 1, 1)
    found = precision_recall(positive, scores)
    assert (np.diff(found.x) >= 0).all()
    assert found.y[found.x == 1].max() >= positive.mean() - 1e-12


@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.3, 0.5, 0.75, 1.0]))
def test_a_threshold_counts_as_scikit_learn_does(seed: int, threshold: float) -> None:
    positive, scores = drawn(seed)
    found = at_threshold(positive, scores, threshold)
    named = scores >= threshold
    assert [[found.true_negatives, found.false_positives], [found.false_negatives, found.true_positives]] == (
        metrics.confusion_matrix(positive, named, labels=[False, True]).tolist()
    )
    assert found.recall == pytest.approx(metrics.recall_score(positive, named))
    assert found.accuracy == pytest.approx(metrics.accuracy_score(positive, named))
    if named.any():
        assert found.precision == pytest.approx(metrics.precision_score(positive, named))
    else:
        assert np.isnan(found.precision)


def test_what_abstains_is_answered_together_where_it_is_equally_sure() -> None:
    labels = np.array([0, 0, 1, 1])
    probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.6, 0.4], [0.2, 0.8]])
    curve = coverage(labels, probabilities)
    assert curve.x.tolist() == [0.25, 0.5, 1.0]
    assert curve.y.tolist() == [1.0, 1.0, 0.75]
    assert curve.thresholds.tolist() == [0.9, 0.8, 0.6]


def test_long_curves_are_thinned_and_keep_their_ends() -> None:
    positive, scores = drawn(2, 20_000)
    curve = roc(positive, scores)
    assert len(curve.x) <= POINTS
    assert (curve.x[0], curve.y[-1]) == (0, 1)
    assert metrics.auc(curve.x, curve.y) == pytest.approx(metrics.roc_auc_score(positive, scores), abs=0.002)


@pytest.mark.parametrize("sharpened", [0.5, 1.0, 3.0])
def test_the_temperature_that_sharpened_is_found_again(sharpened: float) -> None:
    random = np.random.default_rng(0)
    true = random.dirichlet(np.ones(4), 6000)
    labels = np.array([random.choice(4, p=row) for row in true])
    assert temperature(labels, at_temperature(true, 1 / sharpened)) == pytest.approx(sharpened, rel=0.06)


def test_a_temperature_changes_no_class_and_leaves_certainty_finite() -> None:
    probabilities = np.array([[1.0, 0.0], [0.3, 0.7]])
    cooled = at_temperature(probabilities, 2.5)
    assert np.isfinite(cooled).all()
    assert cooled.argmax(axis=1).tolist() == [0, 1]
    assert cooled.sum(axis=1) == pytest.approx([1, 1])
    assert 0.05 <= temperature(np.array([0, 1]), probabilities) <= 20
