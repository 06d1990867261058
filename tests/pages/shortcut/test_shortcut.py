"""The shortcut lab's page: a preview, a start, progress, and what a finished lab shows."""

from __future__ import annotations

import json
import shutil
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.data.marks import Mark
from core.runs import launch
from core.workflows.shortcut import experiment, judge
from core.workflows.shortcut.experiment import ARMS, Plan
from core.workflows.shortcut.judge import Example, Outcome, ShortcutResult


def button(app: Any, label: str) -> Any:
    return next(item for item in app.button if item.label == label)


@pytest.fixture
def spawned(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Notes which processes would be started."""
    words: list[tuple[str, ...]] = []
    monkeypatch.setattr(launch, "spawn", lambda _folder, spoken, _roots, **_more: words.append(tuple(spoken)))
    return words


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few pictures a class."""
    real = experiment.Plan.__post_init__

    def fewer(self: Plan) -> None:
        object.__setattr__(self, "images_per_class", 10)
        real(self)

    monkeypatch.setattr(experiment.Plan, "__post_init__", fewer)


@pytest.mark.usefixtures("small")
def test_from_the_preview_to_three_runs_and_back(open_page, words, spawned) -> None:
    app = open_page("shortcut")
    assert not app.exception
    assert "1 · Plant a mark" in words(app)
    assert "with mark" in words(app)
    assert spawned == []
    button(app, "Plant the mark and train").click().run()
    assert not app.exception
    assert [spoken[0] for spoken in spawned] == ["train"] * 3
    said = words(app)
    assert "Small network, with marks" in said
    assert "Pretrained network, with marks" in said
    app.run()
    assert len(spawned) == 3  # nothing is started twice
    again = open_page("shortcut", **dict(app.query_params))
    assert "Small network, with marks" in words(again), "a reload and a sent link show the same"
    assert len(spawned) == 3
    button(app, "Cancel").click().run()
    assert not app.exception
    assert "Plant the mark and train" in [item.label for item in app.button]


@pytest.mark.usefixtures("small", "spawned")
def test_a_run_that_failed_or_is_gone_is_said_and_can_be_started_again(open_page, words, spawned) -> None:
    app = open_page("shortcut")
    button(app, "Plant the mark and train").click().run()
    for number, run in enumerate(experiment.RunStore().list()):
        state = {"state": "failed", "message": "The disk is full."} if number == 0 else {"state": "finished"}
        (run.path / "status.json").write_text(json.dumps({**state, "pid": None}))
        (run.path / "best.safetensors").write_bytes(b"")
    app.run()
    assert not app.exception
    assert "did not finish" in words(app)
    button(app, "Start again").click().run()
    assert not app.exception
    assert len(spawned) == 4
    lost, other = (run for run in experiment.RunStore().list() if run.state == "finished")
    shutil.rmtree(lost.path)
    app.run()
    assert not app.exception
    assert "A run of this lab is gone" in words(app)
    assert len(spawned) == 4  # nobody asked for another one
    button(app, "Start again").click().run()
    assert len(spawned) == 5
    for run in experiment.RunStore().list():
        (run.path / "status.json").write_text(json.dumps({"state": "finished", "pid": None}))
        (run.path / "best.safetensors").write_bytes(b"")
    (other.path / "best.safetensors").unlink()
    app.run()
    assert not app.exception
    assert "Its weights are gone" in words(app)


def found() -> ShortcutResult:
    good = dict.fromkeys(("marked", "plain", "moved"), 0.9)
    bad = {"marked": 0.95, "plain": 0.5, "moved": 0.1}
    outcomes = {
        "with-mark": Outcome(bad, {"marked": 1.0, "plain": 0.1}, {"marked": 0.1, "plain": 0.1, "moved": 0.9}, 0.4),
        "without-mark": Outcome(good, {"marked": 0.9, "plain": 0.9}, dict.fromkeys(good, 0.1), 0.07),
        "pretrained": Outcome(good, {"marked": 0.9, "plain": 0.9}, dict.fromkeys(good, 0.1), 0.07),
    }
    picture, heat = Image.new("RGB", (32, 32)), np.eye(32, dtype=np.float32)
    both = {"marked": 0.9, "plain": 0.1}
    example = Example("k", dict.fromkeys(both, picture), dict.fromkeys(both, heat), both, dict.fromkeys(both, "circle"))
    return ShortcutResult("circle", outcomes, 60, 0.5, 0.08, (example,))


@pytest.mark.usefixtures("small", "spawned")
def test_a_finished_lab_shows_the_fall_and_says_it(open_page, words, monkeypatch) -> None:
    monkeypatch.setattr(judge, "judge", lambda *_args, **_more: found())
    app = open_page("shortcut")
    button(app, "Plant the mark and train").click().run()
    for run in experiment.RunStore().list():
        (run.path / "best.safetensors").write_bytes(b"")
        (run.path / "status.json").write_text(json.dumps({"state": "finished", "pid": None, "test_accuracy": 0.95}))
    app.run()
    assert not app.exception
    said = words(app)
    assert "4 · Take the mark away" in said
    assert "The network took the shortcut" in said
    assert "95 % with the mark in place, 50 % with it removed, 10 % with it on the other classes" in said
    assert "The heatmap gives it away" in said
    assert len(ARMS) == 3
    button(app, "Try another mark").click().run()
    assert "Plant the mark and train" in [item.label for item in app.button]


def test_data_that_are_gone_are_said(open_page, words) -> None:
    from core.specs import DataSpec

    app = open_page("shortcut", session={"bl.data": DataSpec("gone"), "bl-shortcut-source": "gone"})
    assert not app.exception
    assert "These pictures cannot be used" in words(app)
    assert Mark().size > 0
