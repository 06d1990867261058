"""``status.json`` as a typed record: what it keeps, and what becomes of a file that somebody or something damaged."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from core.errors import InputError
from core.runs import Recorder, Run, RunStore, launch, queue
from core.runs.jobs import JobStore
from core.runs.process import process_stamp
from core.runs.status import ENDED, FILE, LIVE, RESUMABLE, JobStatus, RunStatus, Status
from core.runs.status_parts import LaunchStamp, TransferCounts
from core.specs import DataSpec, Experiment, ModelSpec, TrainingSpec
from core.training.recipes import make_recipe

KEYS = {
    kind: sorted(known.metadata.get("key", known.name) for known in fields(kind) if known.name != "faults")
    for kind in (RunStatus, JobStatus)
}
DAMAGE: dict[str, Any] = {
    "null": None,
    "text": "much",
    "half a character": "\ud800",
    "list": ["a", 1],
    "object": {"a": [1]},
    "flag": True,
    "huge": 10**400,
    "endless": float("inf"),
    "nan": float("nan"),
    "negative": -1,
    "part": 0.5,
}
FULL = RunStatus(
    state="finished",
    owner="ann",
    queue_devices=("cuda:0", "cuda:1"),
    foreground=True,
    launched=1e9,
    spawned=LaunchStamp(12.5, "boot"),
    pid=7,
    message="no cat",
    message_template="no {name}",
    message_values={"name": "cat", "n": 3, "share": 0.5},
    epochs=3,
    best_epoch=2,
    best_val_accuracy=0.75,
    early=("head",),
    moved={"stage1": 0.0, "head": None},
    transferred=TransferCounts(3, 2, 1, total=9),
    unreadable_images=2,
    requests_read=11,
)


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


@pytest.fixture
def add(store: RunStore) -> Callable[..., Run]:
    """Makes a run, in the state of one that this test's process waits with or trains."""

    def make(name: str, **status: Any) -> Run:
        recipe = make_recipe("linear-probe", epochs=2)
        training = TrainingSpec("linear-probe", recipe.phases, device="cpu")
        run = store.create(Experiment(DataSpec("shapes"), ModelSpec("resnet18"), training, name=name))
        Recorder(run).update(queue_device="cpu", **status)
        return run

    return make


def hold(run: Run, record: Any) -> None:
    """Writes what no process of ours would."""
    (run.path / FILE).write_text(json.dumps(record), encoding="utf-8")


# ---------------------------------------------------------------- the record


def test_what_is_written_is_read() -> None:
    record = json.loads(json.dumps(FULL.as_record()))
    assert RunStatus.read(record) == FULL
    assert (record["unreadable"], record["heard"], record["grafted"]["copied"]) == (2, 11, 3)
    assert RunStatus().as_record() == {"state": "queued"}


def test_a_number_that_json_lacks_is_not_known() -> None:
    record = json.dumps(JobStatus(loss=float("nan")).as_record() | RunStatus(moved={"a": float("inf")}).as_record())
    assert "NaN" not in record
    assert "Infinity" not in record
    assert JobStatus.read(json.loads(record)) == JobStatus()


def test_a_name_that_is_no_field_is_not_written(add: Callable[..., Run]) -> None:
    with pytest.raises(TypeError, match="events"):
        Recorder(add("one")).update(events=3)


def test_keys_of_no_field_are_passed_over() -> None:
    stamp = {"boot": None, "uptime": 3, "colour": "red"}
    assert RunStatus.read({"spawned": stamp}) == RunStatus(spawned=LaunchStamp(3.0))
    assert RunStatus.read({"state": "paused", "colour": "red"}) == RunStatus(state="paused")


def test_what_a_failure_says_can_be_translated() -> None:
    assert str(FULL.failure) == "no cat"
    assert FULL.failure is not None
    assert FULL.failure.template == "no {name}"
    assert RunStatus().failure is None
    for template in ("no {other}", "no {0}", "no {name.x}", "no {name:d}", "{", "{n[0]}"):
        assert str(replace(FULL, message_template=template).failure) == "no cat"


# ---------------------------------------------------------------- a damaged one


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("kind", KEYS)
def test_a_value_that_cannot_be_read_is_the_default_and_said(kind: type[Status], damage: str) -> None:
    whole = {"state": "finished", "owner": "ann", "seconds": 0.5}
    for key in KEYS[kind]:
        found = kind.read(whole | {key: DAMAGE[damage]})
        json.dumps(found.as_record())
        said = [fault.values["key"] for fault in found.faults]
        assert said in ([], [key])
        assert key == "state" or found.state == "finished"
        assert not said or len(str(found.faults[0])) < 120
        if said or DAMAGE[damage] is None:
            clean = kind.read({name: value for name, value in whole.items() if name != key})
            assert replace(found, faults=()) == replace(clean, state="unreadable" if key == "state" else clean.state)
        assert bool(said) == (not fits(kind, key, damage)), key


def fits(kind: type[Status], key: str, damage: str) -> bool:
    """Whether a value can stand in a field of this type after all."""
    known = next(known for known in fields(kind) if known.metadata.get("key", known.name) == key)
    kinds = {"text": ("str",), "flag": ("bool",), "part": ("float",)}
    return (damage == "null" and key != "state") or str(known.type).removesuffix(" | None") in kinds.get(damage, ())


@pytest.mark.parametrize("state", ["hibernating", "", "unreadable", "discarded", None, 3, [], {}])
def test_an_unknown_state_is_unreadable(state: Any) -> None:
    found = RunStatus.read({"state": state, "epochs": 3})
    assert (found.state, found.epochs, len(found.faults)) == ("unreadable", 3, 1)


DAMAGED = {
    "empty": b"",
    "torn": b'{"state": "run',
    "list": b"[]",
    "null": b"null",
    "number": b"3",
    "bytes": b"\xff\xfe{}",
    "deep": b"[" * 100_000,
    "digits": b'{"step": ' + b"9" * 5000 + b"}",
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_is_unreadable_with_the_reason_and_can_go_on(add: Callable[..., Run], content: bytes) -> None:
    run = add("one", state="running")
    (run.path / FILE).write_bytes(content)
    status = run.status()
    assert (status.state, len(status.faults)) == ("unreadable", 1)
    assert FILE in str(status.faults[0])
    assert run.can_resume  # it had learned nothing yet, and can begin
    launch.resume_here(run)
    assert (run.recorded.state, run.recorded.faults) == ("queued", ())


def test_a_file_that_cannot_be_opened_is_unreadable_and_an_absent_one_interrupted(add: Callable[..., Run]) -> None:
    run = add("one")
    (run.path / FILE).unlink()
    assert run.state == "interrupted"
    (run.path / FILE).mkdir()
    assert run.state == "unreadable"
    assert "directory" in str(run.status().faults[0])


def test_each_state_is_live_or_ended() -> None:
    assert not set(LIVE) & set(ENDED)
    assert set(RESUMABLE) <= set(ENDED)


# ---------------------------------------------------------------- beside others


def others_are_served(store: RunStore, first: Run, second: Run) -> None:
    """Checks that two runs that wait are listed and queued, whatever stands beside them."""
    assert {first, second} <= set(store.list())
    assert all(isinstance(run.state, str) and run.name for run in store.list())
    assert [place.run for place in queue.waiting(store) if place.run in (first, second)] == [first, second]
    assert queue.place(second) is not None
    ahead: list[int] = []
    with queue.hold_device(first, "cpu", ahead.append) as held:
        assert held
    assert ahead == []


@pytest.mark.parametrize("state", ["finished", "running", "paused"])
def test_no_damaged_value_keeps_others_from_their_turn(
    store: RunStore, add: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    """Each key with each damage; in one that waits, a damaged value may cost it its own place, and nobody else's."""
    monkeypatch.setattr(queue, "spawn", lambda *_, **__: None)
    bad, first, second = add("bad"), add("first"), add("second")
    bad.path.rename(bad.path.with_name("0" + bad.id))  # the oldest
    bad = store.get("0" + bad.id)
    whole = {"state": state, **process_stamp(), "launched": time.time() - 60, "doing": "training"}
    for key in KEYS[RunStatus]:
        for damage in DAMAGE.values():
            hold(bad, whole | {key: damage})
            assert bad.state in (*LIVE, *ENDED)
            assert [place.run for place in queue.waiting(store)] == [first, second]
    others_are_served(store, first, second)


def test_a_waiting_run_with_a_damaged_place_is_still_in_line(store: RunStore, add: Callable[..., Run]) -> None:
    bad, first = add("bad"), add("first")
    for key in ("launched", "owner", "queue_device", "queue_devices", "estimate_seconds", "ahead", "spawned"):
        for damage in DAMAGE.values():
            hold(bad, bad.recorded.as_record() | {"state": "queued", **process_stamp(), key: damage})
            (bad.path / "queue.json").write_text(json.dumps({"of": damage, "ticket": {"queued": damage}}))
            assert first in [place.run for place in queue.waiting(store)]
            assert queue.working(store) == []


def locked(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    """Takes away the right to look into a run's folder, for the superuser too."""

    def refusing(known: Callable[..., Any]) -> Callable[..., Any]:
        def refuse(path: Path, *rest: Any, **more: Any) -> Any:
            if run.path in path.parents:
                raise PermissionError(13, "Permission denied", str(path))
            return known(path, *rest, **more)

        return refuse

    for name in ("stat", "open"):  # all other readers of a path call these
        monkeypatch.setattr(Path, name, refusing(getattr(Path, name)))


def test_a_folder_without_permission_is_listed_as_unreadable_and_nobody_else_notices(
    store: RunStore, add: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, first, second = add("bad"), add("first"), add("second")
    job = JobStore("rankings", store.root).create({}, spawned=LaunchStamp(1.0, "before"))
    locked(monkeypatch, bad)
    assert bad in store.list()
    assert store.get(bad.id) == store.open(bad.id) == bad
    status = bad.status()
    assert (status.state, bad.state) == ("unreadable", "unreadable")
    assert "Permission denied" in str(status.faults[0])
    assert not bad.has_weights
    assert not bad.can_resume
    assert (bad.metrics(), bad.classes(), bad.split_rows(), bad.log()) == (([], 0), (), [], "")
    assert bad.id.endswith(bad.name)
    with pytest.raises(InputError, match="cannot be read: Permission denied"):
        _ = bad.experiment
    others_are_served(store, first, second)
    started: list[Path] = []
    monkeypatch.setattr(queue, "spawn", lambda folder, *_, **__: started.append(folder))
    assert queue.revive(store.root) == [job]
    monkeypatch.setattr(launch, "spawn", lambda folder, *_, **__: started.append(folder))
    assert launch.start(first.experiment, store.root) not in (bad, first)


def test_one_that_cannot_be_woken_keeps_none_of_the_others_waiting(
    store: RunStore, add: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [add(name, boot="before") for name in ("bad", "one", "two")]
    started: list[Path] = []
    write = RunStatus.write

    def refuse(status: RunStatus, folder: Path) -> None:
        if folder == runs[0].path:
            raise PermissionError(13, os.strerror(13), str(folder))
        write(status, folder)

    monkeypatch.setattr(RunStatus, "write", refuse)
    monkeypatch.setattr(queue, "spawn", lambda folder, *_, **__: started.append(folder))
    with pytest.raises(InputError, match="The run bad cannot be written: Permission denied"):
        queue.revive(store.root)
    assert started == [run.path for run in runs[1:]]


def test_names_that_cannot_be_read_are_the_folders(add: Callable[..., Run]) -> None:
    run = add("one")
    (run.path / "label.txt").write_bytes(b"\xff\xfe")
    assert run.name == "one"
    (run.path / "experiment.json").write_text('{"name": ["a"]}')
    assert run.id.endswith(run.name)
