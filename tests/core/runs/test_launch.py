"""Starting runs: a double click is one run, and what is known of it from the start."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from queued import experiment

from core.errors import InputError
from core.runs import Run, RunStore, launch, queue
from core.runs.files import read_json, write_json


def test_a_double_click_is_one_run(store: RunStore, spawned: list[Path]) -> None:
    first = launch.start(experiment("x"), store.root, owner="ann")
    assert launch.start(experiment("x"), store.root, owner="ann") == first
    others = [
        launch.start(experiment("x"), store.root, owner="bob"),
        launch.start(experiment("x", seed=1), store.root, owner="ann"),
    ]
    assert len({first, *others}) == len(spawned) == len(store.list()) == 3
    write_json(first.path / "status.json", {**read_json(first.path / "status.json"), "launched": time.time() - 3})
    assert launch.start(experiment("x"), store.root, owner="ann") != first


def test_many_clicks_at_once_are_one_run(store: RunStore, spawned: list[Path]) -> None:
    found: list[Run] = []
    clicks = [
        threading.Thread(target=lambda: found.append(launch.start(experiment(), store.root, owner="ann")))
        for _ in range(8)
    ]
    for click in clicks:
        click.start()
    for click in clicks:
        click.join()
    assert len(found) == 8
    assert len(set(found)) == len(spawned) == 1


def test_going_on_twice_at_once_starts_one_process(add: Callable[..., Run], spawned: list[Path]) -> None:
    run = add("x", state="paused", eta_seconds=0.0, message="old")
    (run.path / "resume.pt").touch()
    launch.resume(run)
    launch.resume(run)
    assert spawned == [run.path]
    assert run.state == "queued"
    assert (run.status().eta_seconds, run.status().message) == (None, "")
    assert not {"eta_seconds", "message"} & set(read_json(run.path / "status.json"))


def test_owner_device_and_estimate_are_known_from_the_start(store: RunStore, spawned: list[Path]) -> None:
    run = launch.start(experiment(), store.root, owner="ann", estimate_seconds=12.5)
    status = json.loads((run.path / "status.json").read_text())
    assert (status["owner"], status["queue_device"], status["estimate_seconds"]) == ("ann", "cpu", 12.5)
    assert [place.run for place in queue.waiting(store)] == [run]
    assert spawned == [run.path]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, spawned: list[Path]) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be made under"):
        launch.start(experiment(), tmp_path / "file")
    assert spawned == []
