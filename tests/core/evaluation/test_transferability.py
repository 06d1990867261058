"""Transferability scores against direct formulas, brute force and what they must not depend on."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import multivariate_normal
from sklearn.covariance import LedoitWolf
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsClassifier

from core.errors import InputError
from core.evaluation.transferability import Frozen, assess, leep


def blobs(images: int = 60, width: int = 8, classes: int = 3, apart: float = 2.0, seed: int = 0):
    """Returns features of Gaussian classes, and their labels."""
    draw = np.random.default_rng(seed)
    labels = np.arange(images) % classes
    centres = draw.normal(size=(classes, width)) * apart
    return centres[labels] + draw.normal(size=(images, width)) + 1.0, labels


def direct_evidence(features: np.ndarray, target: np.ndarray) -> float:
    """Maximises ``log N(y; 0, F F'/alpha + I/beta)`` over both precisions without any of the tricks."""

    def minus(logs: np.ndarray) -> float:
        alpha, beta = np.exp(np.clip(logs, -30, 30))
        covariance = features @ features.T / alpha + np.eye(len(target)) / beta
        return -float(multivariate_normal(np.zeros(len(target)), covariance).logpdf(target))

    starts = [(a, b) for a in (-3.0, 0.0, 3.0, 6.0) for b in (0.0, 2.0)]
    return max(-float(minimize(minus, start, method="Nelder-Mead").fun) for start in starts)


@pytest.mark.parametrize(("images", "width"), [(40, 5), (25, 30)])
def test_log_me_is_the_maximum_of_the_evidence(images: int, width: int) -> None:
    features, labels = blobs(images, width, classes=2, apart=0.6)
    wanted = np.mean([direct_evidence(features, (labels == k).astype(float)) for k in (0, 1)]) / images
    assert Frozen(features, labels).log_me() == pytest.approx(wanted, abs=1e-4)


def test_h_score_is_the_trace_of_the_papers_formula() -> None:
    features, labels = blobs()
    means = np.stack([features[labels == k].mean(axis=0) for k in labels])
    wanted = np.trace(np.linalg.pinv(np.cov(features.T)) @ np.cov(means.T))
    assert Frozen(features, labels).h_score() == pytest.approx(wanted)


@pytest.mark.parametrize(("images", "width"), [(60, 8), (20, 35)])
def test_regularised_h_score_shrinks_as_ledoit_and_wolf_do(images: int, width: int) -> None:
    features, labels = blobs(images, width, apart=1.0)
    known = LedoitWolf().fit(features)
    frozen = Frozen(features, labels)
    assert frozen.shrinkage() == pytest.approx(known.shrinkage_)
    means = np.stack([features[labels == k].mean(axis=0) for k in labels])
    between = np.cov(means.T, bias=True)
    wanted = (1 - known.shrinkage_) * np.trace(np.linalg.inv(known.covariance_) @ between)
    assert frozen.regularised_h_score() == pytest.approx(wanted)


def test_leep_by_hand() -> None:
    """Four images, two source classes: P(y|z) = (0.9 + 0.8, 0.2 + 0.3) and so on, each sum divided by its column's."""
    source = np.array([[0.9, 0.1], [0.8, 0.2], [0.2, 0.8], [0.3, 0.7]])
    given = {(0, 0): 1.7 / 2.2, (1, 0): 0.5 / 2.2, (0, 1): 0.3 / 1.8, (1, 1): 1.5 / 1.8}
    wanted = np.mean(
        [math.log(given[y, 0] * row[0] + given[y, 1] * row[1]) for y, row in zip((0, 0, 1, 1), source, strict=True)]
    )
    assert leep(source, np.array([0, 0, 1, 1])) == pytest.approx(wanted)


def test_leep_lies_between_minus_the_entropy_and_nothing() -> None:
    labels = np.arange(30) % 3
    assert leep(np.eye(3)[labels], labels) == pytest.approx(0.0)
    assert leep(np.full((30, 5), 0.2), labels) == pytest.approx(-math.log(3))


def test_neighbours_are_counted_without_the_image_itself() -> None:
    features, labels = blobs(apart=0.7)
    right = 0
    for i in range(len(labels)):
        others = np.arange(len(labels)) != i
        vote = KNeighborsClassifier(5, metric="cosine", weights=lambda d: 2.0 - d).fit(features[others], labels[others])
        right += int(vote.predict(features[i : i + 1])[0] == labels[i])
    assert 0.4 < right / len(labels) < 1.0
    assert Frozen(features, labels).knn_accuracy() == pytest.approx(right / len(labels))


@pytest.mark.parametrize(("images", "width"), [(45, 6), (24, 40)])
def test_the_probe_is_judged_by_leaving_each_image_out(images: int, width: int) -> None:
    features, labels = blobs(images, width, apart=0.5)
    frozen = Frozen(features, labels)
    power = np.linalg.svd(features - features.mean(axis=0), compute_uv=False) ** 2
    ridge = 0.3 * power[power > 1e-9].mean()
    targets = np.eye(3)[labels]
    answers = []
    for i in range(images):
        others = np.arange(images) != i
        # the penalty holds for the sum over the same centred features: Ridge centres without image i, as the probe does
        answers.append(Ridge(alpha=ridge).fit(features[others], targets[others]).predict(features[i : i + 1])[0])
    wanted = (np.stack(answers).argmax(axis=1) == labels).mean()
    assert 0.3 < wanted < 1.0
    assert frozen.probe_accuracy((0.3,)) == pytest.approx(wanted)


def test_shuffled_labels_score_less_everywhere() -> None:
    features, labels = blobs(120, 10, apart=1.5)
    shuffled = np.random.default_rng(1).permutation(labels)
    source = np.exp(features[:, :4]) / np.exp(features[:, :4]).sum(axis=1, keepdims=True)
    true, false = assess(features, labels, source), assess(features, shuffled, source)
    for name in ("log_me", "regularised_h_score", "h_score", "leep", "knn_accuracy", "probe_accuracy"):
        assert getattr(true, name) > getattr(false, name), name
    assert false.probe_accuracy < 0.6


def test_scale_rotation_and_order_do_not_matter() -> None:
    features, labels = blobs(50, 7)
    turn, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(7, 7)))
    order = np.random.default_rng(3).permutation(50)
    plain = assess(features, labels)
    for other in (
        assess(1000.0 * features @ turn, labels),
        assess(features[order], labels[order]),
        assess(features, 7 - 3 * labels),
    ):
        for name in ("log_me", "regularised_h_score", "h_score", "knn_accuracy", "probe_accuracy"):
            assert getattr(other, name) == pytest.approx(getattr(plain, name), abs=1e-5), name


def test_better_separated_classes_score_more() -> None:
    scores = [assess(*blobs(90, 6, apart=apart)) for apart in (0.2, 0.8, 3.0)]
    for name in ("log_me", "regularised_h_score", "h_score", "knn_accuracy", "probe_accuracy"):
        values = [getattr(score, name) for score in scores]
        assert values == sorted(values), name
        assert values[0] < values[2]


def test_fewer_images_than_features_leave_the_h_score_unsaid() -> None:
    features, labels = blobs(20, 64)
    assert Frozen(features, labels).h_score() == pytest.approx(2.0)  # classes less one, whatever the features
    found = assess(features, labels)
    assert found.h_score is None
    assert 0 < found.regularised_h_score < 2


@pytest.mark.parametrize("features", [np.zeros((12, 4)), np.ones((12, 4)), np.zeros((12, 4)) + np.arange(4)])
def test_constant_features_tell_nothing(features: np.ndarray) -> None:
    found = assess(features, np.arange(12) % 3)
    assert found.regularised_h_score == pytest.approx(0.0)
    assert found.h_score == pytest.approx(0.0)
    assert found.probe_accuracy < 0.5
    assert math.isfinite(found.log_me)
    assert found.log_me < assess(*blobs(12, 4, apart=3.0)).log_me


def test_features_that_are_the_labels_score_finitely_and_best() -> None:
    labels = np.arange(30) % 3
    found = assess(np.eye(3)[labels], labels, np.eye(3)[labels])
    assert math.isfinite(found.log_me)
    assert found.log_me > assess(*blobs(30, 3, apart=5.0)).log_me
    assert found.h_score == pytest.approx(2.0)
    assert found.knn_accuracy == found.probe_accuracy == 1.0


def test_duplicate_rows_and_columns_do_no_harm() -> None:
    features, labels = blobs(30, 5)
    doubled = assess(np.repeat(features, 2, axis=0), np.repeat(labels, 2))
    assert all(math.isfinite(value) for value in doubled.as_record().values() if value is not None)
    assert Frozen(np.tile(features, (1, 2)), labels).h_score() == pytest.approx(Frozen(features, labels).h_score())


def test_a_class_with_one_image_and_many_neighbours() -> None:
    found = assess(np.array([[0.0, 1.0], [0.1, 1.0], [1.0, 0.0]]), np.array([0, 0, 1]))
    assert found.baseline == pytest.approx(2 / 3)
    assert found.knn_accuracy == pytest.approx(2 / 3)


def test_maps_are_flattened() -> None:
    features, labels = blobs(20, 8)
    assert assess(features.reshape(20, 2, 2, 2), labels) == assess(features, labels)


@pytest.mark.parametrize(
    ("features", "labels", "said"),
    [
        (np.ones((5, 2)), np.zeros(5), "of classes: 1"),
        (np.ones((2, 2)), np.arange(2), "at least 3 images"),
        (np.ones((5, 2)), np.arange(4), "shape"),
        (np.full((4, 2), np.nan), np.arange(4) % 2, "finite"),
        (np.ones((4, 0)), np.arange(4) % 2, "finite"),
    ],
)
def test_what_cannot_be_scored_is_said(features: np.ndarray, labels: np.ndarray, said: str) -> None:
    with pytest.raises(InputError, match=said):
        assess(features, labels)


@pytest.mark.parametrize("source", [np.full((4, 2), np.inf), -np.ones((4, 2)), np.ones(4)])
def test_leep_needs_probabilities(source: np.ndarray) -> None:
    with pytest.raises(InputError, match="probabilities"):
        leep(source, np.arange(4) % 2)
