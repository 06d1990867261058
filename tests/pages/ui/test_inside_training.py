"""The panels that look into a training: health, time scrubber, coach."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.runs import snapshots
from core.runs.snapshots import Pinned, PinnedImage, PinnedLayer, Snapshot
from core.runs.store import Run

STAGES = ("stage1", "stage2", "head")


def _panel(module: str, run_id: str) -> None:
    import importlib

    from core.runs.store import RunStore
    from pages.ui.kit.page_states import boundary

    run = RunStore().get(run_id)
    with boundary():
        importlib.import_module(f"pages.ui.runs.{module}").draw(run, run.status(), key="t")


@pytest.fixture
def open_panel() -> Callable[[str, Run], AppTest]:
    def opened(module: str, run: Run) -> AppTest:
        app = AppTest.from_function(_panel, args=(module, run.id), default_timeout=60).run()
        assert not app.exception
        return app

    return opened


def histogram(width: float) -> dict[str, Any]:
    return {"low": -width, "high": width, "counts": [1, 3, 6, 3, 1]}


def looked(run: Run, epochs: int = 4, **first: Any) -> None:
    """Writes what was seen inside; ``first`` changes the first stage."""
    rows = []
    for epoch in range(1, epochs + 1):
        entries = [
            {
                "stage": name,
                "learns": 1.0,
                "gradient": 0.5,
                "update": 2e-3,
                "distance": 0.01 * epoch,
                "units": 16,
                "dead": 2,
                "weights": histogram(0.1 * epoch),
                "activations": histogram(epoch),
            }
            for name in STAGES
        ]
        entries[0] |= first
        rows.append({"epoch": epoch, "step": 8 * epoch, "stages": entries})
    (run.path / "health.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def photographed(run: Run, epochs: tuple[int, ...] = (1, 2, 3)) -> None:
    chance = np.random.default_rng(0)
    (run.path / "classes.json").write_text('{"classes": ["cat", "dog"]}')
    pinned = Pinned(
        (PinnedImage("cat/1.png", "cat", "val"), PinnedImage("dog/<b>.png", "dog", "val")),
        (PinnedLayer("conv1", "stage1", (0, 2, 5)), PinnedLayer("layer4", "stage2", (1, 3))),
        "layer4",
        "conv1",
    )
    kernels = chance.normal(size=(4, 3, 3, 3)).astype(np.float16)
    pictures = chance.integers(0, 255, (2, 32, 32, 3), dtype=np.uint8)
    snapshots.pin(run.path, pinned, {"images": pictures, "kernels": kernels})
    for epoch in epochs:
        sure = 0.5 + 0.1 * epoch
        moment = Snapshot(
            epoch,
            np.array([[sure, 1 - sure], [sure, 1 - sure]], np.float32),
            chance.integers(0, 255, (2, 4, 4), dtype=np.uint8),
            np.ones(2, np.float32),
            (chance.integers(0, 255, (2, 3, 8, 8), dtype=np.uint8), np.zeros((2, 2, 4, 4), np.uint8)),
            ((0.0, 3.5), (0.0, 1.0)),
            None if epoch == 1 else kernels + np.float16(0.1),
        )
        snapshots.write(run.path, moment)


@pytest.mark.parametrize(
    ("module", "state", "said"),
    [
        ("stage_health", "finished", "was not looked into"),
        ("epoch_scrubber", "finished", "kept no snapshots"),
        ("coach_panel", "finished", "needs three epochs"),
    ],
)
def test_before_anything_was_seen(open_panel, make_run, words, module: str, state: str, said: str) -> None:
    run = make_run(state, epochs=0 if module == "coach_panel" else 3)
    assert said in words(open_panel(module, run))


def test_health_of_each_stage(open_panel, make_run, words) -> None:
    run = make_run()
    looked(run)
    app = open_panel("stage_health", run)
    text = words(app)
    assert "Stage 1" in text
    assert "The gradients reach Stage 1" in text
    assert "2 of 16" in text
    assert "4.0 %" in text or "4 %" in text  # the distance from the start
    assert "after epoch 4" in text
    app.select_slider[0].set_value(2).run()
    assert "after epoch 2" in words(app)
    assert "behind them as after epoch 1" in words(app)
    app.selectbox[0].set_value("stage1").run()
    assert "Weights of Stage 1 after epoch 2" in words(app)


def test_vanishing_gradients_are_called_so(open_panel, make_run, words) -> None:
    run = make_run()
    looked(run, gradient=1e-6)
    assert "vanish" in words(open_panel("stage_health", run))


def test_frozen_stages_are_said_to_be_frozen(open_panel, make_run, words) -> None:
    run = make_run()
    looked(run, learns=0.0, gradient=None, update=None, distance=0.0)
    text = words(open_panel("stage_health", run))
    assert "frozen" in text
    assert "it gets" in text  # of the two that learn


def test_a_chart_grows_without_new_axes(make_run) -> None:
    from pages.ui.runs import stage_health

    run = make_run()
    looked(run, epochs=9)
    rows = stage_health.rows_of(run)
    first, second = stage_health.chart(rows[:5], "gradient", 20), stage_health.chart(rows, "gradient", 20)
    assert first["datasets"] != second["datasets"]
    for spec in (first, second):
        del spec["datasets"]
    assert first == second


def test_the_scrubber_goes_back_in_time(open_panel, make_run, words) -> None:
    run = make_run()
    photographed(run)
    app = open_panel("epoch_scrubber", run)
    text = words(app)
    assert "cat 80 %" in text  # the third epoch, the newest
    assert "it is dog" in text
    assert "&lt;b&gt;" in text or "<b>.png" not in text
    assert "have moved by" in text
    app.select_slider[0].set_value(1).run()
    text = words(app)
    assert "cat 60 %" in text
    assert "those before training" in text
    assert "from 0 to 3.5" in text
    assert "Validation loss 1.1" in text
    app.selectbox[0].set_value(1).run()
    assert not app.exception
    assert "cat 60 %" in words(app)  # another image, the same moment


def test_the_scrubber_follows_the_newest_until_it_is_moved(open_panel, make_run, words) -> None:
    run = make_run()
    photographed(run, (1, 2))
    app = open_panel("epoch_scrubber", run)
    assert "cat 70 %" in words(app)
    photographed(run, (1, 2, 3))
    app.run()
    assert "cat 80 %" in words(app)
    app.select_slider[0].set_value(2).run()
    photographed(run, (1, 2, 3, 4))
    app.run()
    assert app.select_slider[0].value == 2
    assert "cat 70 %" in words(app)


def test_a_snapshot_that_cannot_be_read_is_said(open_panel, make_run, words) -> None:
    run = make_run()
    photographed(run)
    (run.path / "snapshots" / "epoch-000003.npz").write_bytes(b"torn")
    assert "cannot be read" in words(open_panel("epoch_scrubber", run))


def test_the_coach_says_why(open_panel, make_run, words) -> None:
    run = make_run(epochs=5)
    rows = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    for row, loss in zip(rows, [0.7, 0.3, 1.5, 0.4, 1.8], strict=True):
        row["train_loss"] = loss
    (run.path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    looked(run, dead=16, units=16)
    text = words(open_panel("coach_panel", run))
    assert "jumps instead of falling" in text
    assert "16 of 16" in text
    assert "Why?" in text


def test_a_healthy_run_gets_a_good_word(open_panel, make_run, words) -> None:
    run = make_run(epochs=4)
    looked(run)
    assert "Nothing to worry about" in words(open_panel("coach_panel", run))
