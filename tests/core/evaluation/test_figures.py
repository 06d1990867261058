"""Figures beside scikit-learn's on random answers, by hand on the notes' matrices, and their intervals."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
from sklearn import metrics

from core.errors import InputError
from core.evaluation.calibration import calibration_error, reliability
from core.evaluation.figures import judge, judge_matrix, read_matrix
from core.evaluation.intervals import auc_score_interval, average_precision, influence_interval, roc_auc

NOTES = {
    ((203, 33), (41, 136)): (0.8184, 0.8143, 0.8160, 0.8208),
    ((1204, 202), (338, 737)): (0.7828, 0.7710, 0.7744, 0.782),
    ((1613, 320), (417, 958)): (0.7721, 0.7656, 0.7681, 0.777),
    ((209, 33), (50, 121)): (0.7963, 0.7856, 0.7895, 0.799),
    ((179, 63), (29, 142)): (0.7766, 0.7850, 0.7754, 0.7772),
    ((201, 41), (50, 121)): (0.7739, 0.7691, 0.7711, 0.7797),
}


def answers(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities of 1 to 60 images in 2 to 8 classes, some of which do not occur; some with ties."""
    random = np.random.default_rng(seed)
    images, classes = int(random.integers(1, 61)), int(random.integers(2, 9))
    labels = random.choice(random.permutation(classes)[: random.integers(1, classes + 1)], images)
    scores = random.gamma(0.7, size=(images, classes)) + 1e-3
    scores[np.arange(images), labels] += random.random(images) * 2
    if seed % 3 == 0:
        scores = np.ceil(scores * 4)
    return labels, scores / scores.sum(axis=1, keepdims=True)


def sklearns(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """The same figures as scikit-learn counts them; macro means over the classes that occur."""
    named, every = probabilities.argmax(axis=1), np.arange(probabilities.shape[1])
    found = {"accuracy": metrics.accuracy_score(labels, named)}
    found["error_rate"] = metrics.zero_one_loss(labels, named)
    for kind in ("macro", "weighted"):
        found |= zip(
            (f"{kind}_precision", f"{kind}_recall", f"{kind}_f1"),
            metrics.precision_recall_fscore_support(
                labels, named, labels=np.unique(labels), average=kind, zero_division=0
            ),
            strict=False,
        )
    found["balanced_accuracy"] = metrics.balanced_accuracy_score(labels, named)
    found["mcc"] = metrics.matthews_corrcoef(labels, named)
    found["kappa"] = metrics.cohen_kappa_score(labels, named)
    found["log_loss"] = metrics.log_loss(labels, probabilities, labels=every)
    distances = ((probabilities - np.eye(len(every))[labels]) ** 2).sum(axis=1)
    found["brier"] = distances.mean() / (2 if len(every) == 2 else 1)
    if len(every) == 2:
        found["brier"] = metrics.brier_score_loss(labels, probabilities[:, 1], labels=every, pos_label=1)
    present = [label for label in np.unique(labels) if (labels == label).sum() < len(labels)]
    areas = [metrics.roc_auc_score(labels == label, probabilities[:, label]) for label in present]
    found["roc_auc"] = np.mean(areas) if areas else np.nan
    precise = [metrics.average_precision_score(labels == label, probabilities[:, label]) for label in present]
    found["average_precision"] = np.mean(precise) if precise else np.nan
    truth = np.eye(len(every))[labels]
    found["roc_auc_micro"] = metrics.roc_auc_score(truth.ravel(), probabilities.ravel()) if areas else np.nan
    return {name: float(value) for name, value in found.items() if name != "support"}


@pytest.mark.parametrize("seed", range(200))
def test_figures_are_scikit_learns(seed: int) -> None:
    labels, probabilities = answers(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = sklearns(labels, probabilities)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = judge(labels, probabilities)
    for name, value in expected.items():
        assert found.values[name] == pytest.approx(value, abs=1e-9, nan_ok=True), name
    if seed % 3 and probabilities.shape[1] > 3:
        top = metrics.top_k_accuracy_score(labels, probabilities, k=3, labels=np.arange(probabilities.shape[1]))
        assert found.values["top3_accuracy"] == pytest.approx(top)
    for name, (low, high) in found.intervals.items():
        assert low <= found.values[name] <= high, name
    json.dumps(found.as_record(), allow_nan=False)
    json.dumps([found.class_record(label) for label in range(len(found.per_class))], allow_nan=False)


@pytest.mark.parametrize(("matrix", "expected"), NOTES.items())
def test_matrices_of_the_notes(matrix: tuple[tuple[int, ...], ...], expected: tuple[float, ...]) -> None:
    found = judge_matrix(read_matrix([list(row) for row in matrix])).values
    names = ("macro_precision", "macro_recall", "macro_f1")
    assert [found[name] for name in names] == pytest.approx(expected[:3], abs=5.1e-5)
    assert found["accuracy"] == pytest.approx(expected[3], abs=5e-4), "some of the notes' have three digits"
    assert np.isnan(found["roc_auc"])


def test_intervals_of_the_notes() -> None:
    found = judge_matrix(np.array([[203, 33], [41, 136]]))
    assert found.intervals["accuracy"] == pytest.approx((0.781, 0.855), abs=1e-3)
    assert found.per_class[1]["f1"] == pytest.approx(0.7861, abs=1e-4)
    assert "roc_auc" not in found.intervals


def test_a_matrix_gives_what_the_answers_gave() -> None:
    labels, probabilities = answers(7)
    matrix = metrics.confusion_matrix(labels, probabilities.argmax(axis=1), labels=range(probabilities.shape[1]))
    by_matrix, by_answers = judge_matrix(matrix), judge(labels, probabilities)
    for name, ends in by_matrix.intervals.items():
        assert by_matrix.values[name] == pytest.approx(by_answers.values[name])
        assert ends == by_answers.intervals[name]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ([], "empty"),
        ("[[1]]", "no rows"),
        ([1, 2], "no rows"),
        ([[1, 2], [3]], "not square.*row 2 has 1"),
        ([[1, 2, 3], [4, 5, 6]], "not square"),
        ([[1, -2], [3, 4]], "holds -2"),
        ([[1, "x"], [3, 4]], "holds x"),
        ([[1, 0.5], [3, 4]], "holds 0.5"),
        ([[1, True], [3, 4]], "holds True"),
        ([[1, 10**30], [3, 4]], "holds 1000"),
        ([[0, 0], [0, 0]], "no image"),
        ([[1] * 1001] * 1001, "1001 classes"),
    ],
)
def test_what_is_no_matrix_is_refused(data: object, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        read_matrix(data)


def test_intervals_stay_open_where_all_is_right() -> None:
    labels = np.repeat([0, 1], 20)
    found = judge(labels, np.where(np.eye(2)[labels] == 1, 0.9, 0.1))
    for name in ("accuracy", "macro_f1", "mcc", "kappa", "roc_auc", "average_precision"):
        low, high = found.intervals[name]
        assert 0.5 < low < 1 == high, name


def test_one_image_and_one_class_have_no_figure_made_up() -> None:
    found = judge([1], np.array([[0.2, 0.8]]))
    assert np.isnan(found.values["roc_auc"])
    assert np.isnan(found.values["kappa"])
    assert np.isnan(found.per_class[0]["recall"])
    assert found.values["accuracy"] == 1
    with pytest.raises(InputError, match="no images"):
        judge([], np.zeros((0, 2)))


def test_areas_have_delongs_variance() -> None:
    """By the definition: placements of every pair, and their sample variances."""
    random = np.random.default_rng(3)
    positive = random.random(80) < 0.4
    scores = np.round(random.normal(size=80) + positive, 1)
    pairs = scores[positive][:, None] - scores[~positive][None]
    wins = (pairs > 0) + 0.5 * (pairs == 0)
    variance = wins.mean(1).var(ddof=1) / positive.sum() + wins.mean(0).var(ddof=1) / (~positive).sum()
    area, influence = roc_auc(positive, scores)
    assert area == pytest.approx(wins.mean())
    assert (influence**2).sum() == pytest.approx(variance)


@pytest.mark.parametrize("figure", [roc_auc, average_precision])
def test_influence_is_the_change_with_an_images_weight(figure: object) -> None:
    """An image that stands there twice moves the figure by its influence, in first order."""
    random = np.random.default_rng(5)
    positive = random.random(4000) < 0.3
    scores = random.normal(size=4000) + positive
    value, influence = figure(positive, scores)
    for image in (*np.flatnonzero(positive)[:5], *np.flatnonzero(~positive)[:5]):
        again = figure(np.append(positive, positive[image]), np.append(scores, scores[image]))[0]
        assert again - value == pytest.approx(influence[image], rel=0.02, abs=2e-7)
    assert influence.sum() == pytest.approx(0, abs=1e-9)


def test_area_score_interval_by_its_equation() -> None:
    low, high = auc_score_interval(1.0, 20, 30)
    assert 0.85 < low < 1 == high
    low, high = auc_score_interval(0.8, 20, 30)
    assert low < 0.8 < high


def test_groups_widen_the_interval() -> None:
    """Fifty patients with ten equal slices each are fifty images, not five hundred."""
    random = np.random.default_rng(0)
    labels, right = random.integers(0, 2, 50), random.random(50) < 0.8
    chosen = np.where(right, labels, 1 - labels)
    confidence = random.uniform(0.6, 0.99, 50)
    rows = np.where(np.eye(2)[chosen] == 1, confidence[:, None], 1 - confidence[:, None])
    once, ten = judge(labels, rows), judge(np.repeat(labels, 10), np.repeat(rows, 10, axis=0), np.repeat(range(50), 10))
    apart = judge(np.repeat(labels, 10), np.repeat(rows, 10, axis=0))
    assert ten.groups == 50

    def width(found: object, name: str) -> float:
        low, high = found.intervals[name]
        return high - low

    for name in ("accuracy", "macro_f1", "mcc", "roc_auc", "log_loss", "brier", "ece"):
        assert width(ten, name) > 2 * width(apart, name), name
        assert width(ten, name) == pytest.approx(width(once, name), rel=0.35), name


def test_reliability_by_hand() -> None:
    confidence = np.array([0.6, 0.6, 0.9, 0.9])
    right = np.array([True, False, True, True])
    assert reliability(confidence, right, 2) == ((2, pytest.approx(0.6), 0.5), (2, pytest.approx(0.9), 1.0))
    assert calibration_error(confidence, right, 2) == pytest.approx((0.1 + 0.1) / 2)
    order = [1, 3, 0, 2]
    assert calibration_error(confidence[order], right[order], 3) == pytest.approx(
        calibration_error(confidence, right, 3)
    ), "the order of the images means nothing"


def test_a_mean_of_equal_values_is_certain() -> None:
    assert influence_interval(0.3, np.zeros(50), "log") == (0.3, 0.3)
