"""Curves of several runs: their axes, smoothing, bands over seeds, and what is drawn of long ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from core.runs.journal import Journal
from core.runs.status import RunStatus
from core.workflows.comparing.curves import POINTS, Curve, band, curve, judged_before, smoothed


def written(folder: Path, values: list[float | None], seconds: float = 2.0) -> Journal:
    rows = [
        {"epoch": n, "val_accuracy": value, "seconds": seconds, "images_per_second": 50.0}
        for n, value in enumerate(values, start=1)
    ]
    folder.mkdir(exist_ok=True)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    book = Journal(folder)
    book.look()
    return book


@pytest.mark.parametrize(
    ("axis", "places"), [("epoch", [0, 1, 2]), ("step", [0, 7, 14]), ("images", [0, 100, 200]), ("seconds", [0, 2, 4])]
)
def test_a_curve_begins_before_training_on_every_axis(tmp_path: Path, axis: str, places: list[float]) -> None:
    found = curve(written(tmp_path, [0.5, 0.75]), RunStatus(steps=70, epochs=10), "val_accuracy", axis, before=0.125)
    assert found.x.tolist() == places
    assert found.y.tolist() == [0.125, 0.5, 0.75]


def test_what_was_judged_before_training_is_read_as_far_as_it_is_there(tmp_path: Path) -> None:
    assert judged_before(tmp_path) == {}
    (tmp_path / "before.json").write_text('{"val_accuracy": 0.5, "val_loss": null, "note": "x"}')
    assert judged_before(tmp_path) == {"val_accuracy": 0.5}
    (tmp_path / "before.json").write_text("[1")
    assert judged_before(tmp_path) == {}


def test_smoothing_starts_at_the_first_value_and_passes_over_gaps() -> None:
    values = np.array([4.0, np.nan, 4.0, 8.0])
    assert smoothed(values, 0.0) is values
    found = smoothed(values, 0.5)
    assert found[0] == pytest.approx(4.0)  # not pulled towards 0
    assert np.isnan(found[1])
    assert found[2] == pytest.approx(4.0)
    assert found[3] == pytest.approx((0.125 * 4 + 0.25 * 4 + 0.5 * 8) / 0.875)
    assert np.allclose(smoothed(np.full(50, 3.0), 0.9), 3.0)


def test_a_band_covers_the_epochs_that_all_seeds_have() -> None:
    long = Curve(np.arange(4.0), np.arange(4.0) * 10, np.array([0.0, 0.2, 0.4, 0.6]))
    short = Curve(np.arange(1.0, 3.0), np.array([12.0, 22.0]), np.array([0.4, 0.8]))
    found = band([long, short])
    assert found is not None
    assert found.epochs.tolist() == [1, 2]
    assert found.x.tolist() == [11, 21]
    assert found.mean == pytest.approx([0.3, 0.6])
    assert found.deviation == pytest.approx([np.std([0.2, 0.4], ddof=1), np.std([0.4, 0.8], ddof=1)])
    assert band([long]) is None
    assert band([long, Curve(np.array([9.0]), np.array([9.0]), np.array([0.5]))]) is None


def test_a_long_curve_keeps_its_peak() -> None:
    values = np.zeros(5000)
    values[2345], values[17] = 1.0, -1.0
    line = Curve(np.arange(5000.0), np.arange(5000.0), values)
    rows = line.drawn()
    assert len(rows) <= POINTS + 2
    assert {17, 2345} <= set(rows.tolist())
