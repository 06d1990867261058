"""Curves: few points however long the run, the ones that matter among them, and a chart that stays while it grows."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from core.runs.journal import Journal
from core.runs.status import RunStatus
from pages.ui.kit import growing_chart
from pages.ui.runs import learning_curves


def table(spec: dict[str, Any], name: str) -> Any:
    return pa.ipc.open_stream(io.BytesIO(spec["datasets"][name])).read_all().to_pandas()


def write(folder: Path, epochs: int, *, begin: int = 1, phases: int = 2) -> None:
    chance = np.random.default_rng(0).normal(0, 0.02, 20_000)
    with (folder / "metrics.jsonl").open("a") as file:
        for epoch in range(begin, epochs + 1):
            accuracy = float(np.clip(0.9 - 0.6 * np.exp(-epoch / 50) + chance[epoch], 0, 1))
            row = {
                "epoch": epoch,
                "phase": f"p{epoch * phases // 20_000}",
                "phase_index": epoch * phases // 20_000,
                "train_loss": 2 / epoch,
                "val_loss": 2.2 / epoch,
                "train_accuracy": accuracy,
                "val_accuracy": accuracy - 0.05,
                "lr": 1e-3,
            }
            file.write(json.dumps(row) + "\n")


def test_ten_thousand_epochs_reach_the_browser_as_a_thousand_points_with_their_extremes(tmp_path: Path) -> None:
    write(tmp_path, 10_000, phases=8)
    book = Journal(tmp_path)
    book.look()
    line = book.epochs.column("val_accuracy")
    best = int(line.argmax()) + 1
    spec = learning_curves.chart(book, "accuracy", RunStatus(epochs=10_000, best_epoch=best))
    drawn = table(spec, "epochs")
    assert drawn[["train", "val"]].size <= 1000
    assert sum(map(len, spec["datasets"].values())) < 20_000
    assert {1, 10_000, best, int(line.argmin()) + 1} <= set(drawn["epoch"])
    starts = [epoch for epoch, _name in book.phases]
    assert len(starts) == 5
    assert set(starts) | {epoch - 1 for epoch in starts[1:]} <= set(drawn["epoch"])
    assert table(spec, "phases")["epoch"].tolist() == [epoch - 0.5 for epoch in starts]
    (pinned,) = table(spec, "best").to_dict("records")
    assert pinned["epoch"] == best
    assert pinned["value"] == pytest.approx(line.max(), abs=1e-6)


def test_a_chart_keeps_its_form_while_a_run_grows(tmp_path: Path) -> None:
    book = Journal(tmp_path)
    forms = set()
    for end in range(3000, 3020):
        write(tmp_path, end, begin=end if end > 3000 else 1)
        book.look()
        for measure in ("accuracy", "loss", "lr", "gap"):
            spec = learning_curves.chart(book, measure, RunStatus(epochs=10_000))
            spec.pop("datasets")
            forms.add(json.dumps(spec))
    assert len(forms) == 4, "a changed form makes the browser draw the chart from nothing"


def test_what_is_sent_does_not_grow_with_the_run(tmp_path: Path) -> None:
    book, sizes = Journal(tmp_path), []
    for begin, end in ((1, 2000), (2001, 10_000)):
        write(tmp_path, end, begin=begin)
        book.look()
        spec = learning_curves.chart(book, "loss", RunStatus(epochs=10_000))
        sizes.append(sum(map(len, spec["datasets"].values())))
    assert sizes[1] < 2 * sizes[0]


def test_every_measure_can_be_drawn_from_the_first_moment_on(tmp_path: Path) -> None:
    book = Journal(tmp_path)
    for written in (False, True):
        if written:
            write(tmp_path, 2)
        book.look()
        for measure in learning_curves.MEASURES:
            spec = learning_curves.chart(book, measure, RunStatus(epochs=5, steps=10), steps=True)
            json.dumps({key: value for key, value in spec.items() if key != "datasets"})
            assert len(table(spec, "epochs")) == (2 if written else 0)
            assert learning_curves.sentence(book, measure)


def test_the_step_curve_lies_on_the_scale_of_epochs(tmp_path: Path) -> None:
    rows = [{"step": step, "loss": 1.0, "lr": 0.1} for step in range(5, 5001, 5)]
    (tmp_path / "steps.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    book = Journal(tmp_path)
    book.look()
    drawn = table(learning_curves.chart(book, "loss", RunStatus(epochs=100, steps=5000), steps=True), "steps")
    assert drawn["epoch"].max() == pytest.approx(100)
    assert len(drawn) <= learning_curves.STEPS + 2


def test_changes_are_marked_and_names_are_text(tmp_path: Path) -> None:
    write(tmp_path, 3)
    book = Journal(tmp_path)
    book.look()
    spec = learning_curves.chart(book, "accuracy", RunStatus(epochs=5), marks=[learning_curves.Mark(1.5, "it's × 0.3")])
    assert table(spec, "marks").to_dict("records") == [{"epoch": 1.5, "text": "it's × 0.3"}]
    assert growing_chart.quoted("l'entraînement \\") == "'l\\'entraînement \\\\'"


@pytest.mark.parametrize(
    ("done", "epochs", "end"),
    [(0, 0, 1), (3, 20, 20), (3, 60, 60), (3, 10_000, 20), (90, 10_000, 150), (2600, 10_000, 10_000), (12, 10, 12)],
)
def test_the_axis_shows_the_whole_way_or_a_round_number_ahead(done: int, epochs: int, end: int) -> None:
    assert growing_chart.reach(done, epochs) == end


@pytest.mark.parametrize("height", [236, 290])
@pytest.mark.parametrize("lowest", [0.1, 0.55, 0.85, 0.92, 0.96, 0.99])
def test_the_axis_of_a_share_shows_every_mark_up_to_100_percent(lowest: float, height: int) -> None:
    floor = learning_curves.share_floor({"val": np.array([lowest, 1.0])})
    axis = learning_curves._y_axis(learning_curves.MEASURES["accuracy"], [lowest, 1.0], floor, height)["axis"]
    assert (axis["values"][0], axis["values"][-1]) == (floor, 1.0)
    assert axis["tickCount"] >= len(axis["values"]), "of more, Vega leaves out every other"
    assert height / len(axis["values"]) > 40, "room for each"
    digits = int(axis["format"][1])
    assert all(value == pytest.approx(round(value, 2 + digits)) for value in axis["values"])
