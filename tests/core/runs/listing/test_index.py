"""The index of all runs: each file is read once for each of its states, and what is gone is forgotten."""

from __future__ import annotations

from typing import Any

import pytest
from queued import experiment

from core.errors import InputError
from core.runs.listing.annotations import annotate
from core.runs.listing.index import RunIndex
from core.runs.process import process_stamp
from core.runs.status import RunStatus
from core.runs.store import Run, RunStore


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    genuine = RunStatus.load.__func__  # type: ignore[attr-defined]
    monkeypatch.setattr(
        RunStatus, "load", classmethod(lambda cls, folder: (found.append(folder.name), genuine(cls, folder))[1])
    )
    return found


def test_files_are_read_once_for_each_state(reads: list[str]) -> None:
    store = RunStore()
    runs = [store.create(experiment(f"run {n}"), state="finished") for n in range(3)]
    index = RunIndex()
    reads.clear()
    assert {entry.name for entry in index.entries()} == {"run 0", "run 1", "run 2"}
    assert len(reads) == 3
    index.entries()
    assert len(reads) == 3
    RunStatus(state="failed", test_accuracy=0.5).write(runs[1].path)
    runs[2].rename("Better name")
    annotate(runs[2], add=["good"])
    found = {entry.run.id: entry for entry in index.entries()}
    assert len(reads) == 5
    assert found[runs[1].id].status.test_accuracy == 0.5
    assert (found[runs[2].id].name, found[runs[2].id].notes.tags) == ("Better name", ("good",))
    store.delete(runs[0])
    assert len(index.entries()) == 2


def test_whether_a_run_lives_is_looked_up_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    run: Run = RunStore().create(experiment(), **{"state": "running", **process_stamp()})
    index = RunIndex()
    assert index.entries()[0].status.state == "running"
    monkeypatch.setattr("core.runs.store.alive", lambda _: False)
    assert index.entries()[0].status.state == run.state == "interrupted"


def test_a_damaged_run_is_listed_with_what_is_wrong() -> None:
    run = RunStore().create(experiment("One"), state="finished")
    (run.path / "experiment.json").write_text("{")
    entry: Any = RunIndex().entries()[0]
    assert entry.experiment is None
    assert isinstance(entry.fault, InputError)
    assert entry.name == run.name
