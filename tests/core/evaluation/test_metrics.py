"""Figures about predictions, on cases small enough to check by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from core.data.sources import Item
from core.errors import InputError
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
