"""Figures about predictions, on cases small enough to check by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

from core.data.sources import Item
from core.errors import InputError
from core.evaluation.intervals import wilson_interval
from core.evaluation.metrics import score
from core.evaluation.predictions import read_predictions, write_predictions

LABELS = [0, 0, 0, 1, 1]
PROBABILITIES = np.array([[0.9, 0.1, 0], [0.8, 0.2, 0], [0.3, 0.7, 0], [0.4, 0.6, 0], [0.1, 0.2, 0.7]], np.float32)
CLASSES = ("cat", "dog", "owl")


def test_figures_by_hand() -> None:
    scores = score(LABELS, PROBABILITIES, CLASSES)
    assert scores.accuracy == pytest.approx(3 / 5)
    assert scores.baseline == pytest.approx(3 / 5)
    assert scores.balanced_accuracy == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert scores.confusion.tolist() == [[2, 1, 0], [0, 1, 1], [0, 0, 0]]
    cat, dog, owl = scores.per_class
    assert (cat.precision, cat.recall, cat.support) == (1.0, pytest.approx(2 / 3), 3)
    assert (dog.precision, dog.recall) == (0.5, 0.5)
    assert (owl.precision, owl.recall, owl.f1, owl.support) == (0.0, 0.0, 0.0, 0)
    assert json.loads(json.dumps(scores.as_record()))["images"] == 5


def test_nothing_to_judge_is_said() -> None:
    with pytest.raises(InputError, match="no images to evaluate"):
        score([], np.zeros((0, 3)), CLASSES)


def test_predictions_survive_the_file_and_sort_their_mistakes(tmp_path: Path) -> None:
    items = [Item(f"سگ {n}.jpg", label, "test" if n else "val") for n, label in enumerate(LABELS)]
    path = tmp_path / "predictions.parquet"
    write_predictions(path, items, PROBABILITIES, CLASSES)
    found = read_predictions(path, CLASSES)
    assert found is not None
    assert found.keys[1] == "سگ 1.jpg"
    np.testing.assert_array_equal(found.probabilities, PROBABILITIES)
    assert found.mistakes() == [2, 4]
    assert found.only("test").labels.tolist() == [0, 0, 1, 1]
    assert read_predictions(tmp_path / "none", CLASSES) is None


def test_what_is_taken_for_what_by_hand() -> None:
    scores = score(LABELS, PROBABILITIES, CLASSES)
    assert scores.right == 3
    assert scores.confused() == [(0, 1, 1), (1, 2, 1)]
    assert scores.confusion_shares.tolist() == [
        [pytest.approx(2 / 3), pytest.approx(1 / 3), 0],
        [0, 0.5, 0.5],
        [0, 0, 0],
    ]
    twice = score([0, 1, 1], np.array([[0.4, 0.6], [0.6, 0.4], [0.6, 0.4]], np.float32), CLASSES[:2])
    assert twice.confused() == [(1, 0, 2), (0, 1, 1)], "the most frequent first"
    assert score([0], np.array([[1.0, 0.0]], np.float32), CLASSES[:2]).confused() == []


def test_the_interval_is_wilsons() -> None:
    assert wilson_interval(98, 100) == pytest.approx((0.9300, 0.9945), abs=1e-4)
    assert wilson_interval(10, 10)[1] == pytest.approx(1.0)
    assert score(LABELS, PROBABILITIES, CLASSES).interval == wilson_interval(3, 5)


@pytest.mark.parametrize(("right", "images"), [(0, 1), (1, 1), (0, 40), (7, 9), (500, 1000), (99_999, 100_000)])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.999])
def test_the_interval_is_scipys(right: int, images: int, confidence: float) -> None:
    other = binomtest(right, images).proportion_ci(confidence, method="wilson")
    assert wilson_interval(right, images, confidence) == pytest.approx((other.low, other.high), abs=1e-12)
