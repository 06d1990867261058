"""What the tests of run folders and their queue share."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from queued import experiment

from core.runs import Recorder, Run, RunStore, launch, queue


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


@pytest.fixture
def add(store: RunStore) -> Callable[..., Run]:
    """Makes a run whose process is this test's, so that it counts as alive; each was launched a second later."""
    moment = itertools.count(1_000_000)

    def make(name: str, owner: str = "", state: str = "queued", device: str = "cpu", **status: Any) -> Run:
        run = store.create(experiment(name), owner=owner, launched=next(moment))
        doing = "queued" if state == "queued" else "training"
        Recorder(run).update(state=state, doing=doing, queue_device=device, **status)
        return run

    return make


@pytest.fixture
def spawned(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Takes note of processes instead of starting them."""
    folders: list[Path] = []

    def note(folder: Path, *_: object, **__: object) -> None:
        folders.append(folder)

    monkeypatch.setattr(queue, "spawn", note)
    monkeypatch.setattr(launch, "spawn", note)
    return folders
