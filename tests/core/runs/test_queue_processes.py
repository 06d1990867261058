"""The queue over processes: one holds the device at a time, and what waited is still there after a restart."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from queued import experiment, names, until

from core.errors import InputError
from core.runs import Run, RunStore, launch, queue
from core.runs.files import read_json, write_json
from core.runs.jobs import JobStore
from core.runs.queue_entries import everything
from core.runs.status_parts import LaunchStamp
from core.specs import DataSpec, Experiment, ModelSpec, Phase, TrainingSpec

HOLDER = """
import sys, time
from pathlib import Path
from core.runs import Recorder, Run, queue
run = Run(Path(sys.argv[1]))
recorder = Recorder(run)
recorder.update(state="queued", doing="queued", queue_device="cpu")
queue.POLL_SECONDS = 0.02
with queue.hold_device(run, "cpu", lambda ahead: recorder.update(ahead=ahead)) as held:
    if held:
        recorder.update(state="running", doing="training", begun=time.time())
        (run.path / "held").touch()
        time.sleep(float(sys.argv[2]))
recorder.update(state="finished" if held else "stopped")
"""


@pytest.fixture
def hold(store: RunStore) -> Iterator[Callable[..., tuple[Run, subprocess.Popen[bytes]]]]:
    """Starts a process that waits for the device as a trainer does, and holds it."""
    started = []

    def start(name: str, owner: str = "", seconds: float = 60.0) -> tuple[Run, subprocess.Popen[bytes]]:
        run = store.create(experiment(name), owner=owner)
        process = subprocess.Popen([sys.executable, "-c", HOLDER, str(run.path), str(seconds)])
        started.append(process)
        until(lambda: run.status().ahead or (run.path / "held").exists())
        return run, process

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_a_killed_trainer_frees_its_place_for_the_next_owner(hold: Callable[..., Any]) -> None:
    first, trainer = hold("first", "ann")
    second, _ = hold("second", "ann")
    third, waiter = hold("third", "bob")
    fourth, _ = hold("fourth", "bob")
    assert (first.state, second.state, third.state) == ("running", "queued", "queued")
    assert fourth.status().ahead >= 1
    waiter.send_signal(signal.SIGKILL)
    waiter.wait()
    trainer.send_signal(signal.SIGKILL)
    trainer.wait()
    until(lambda: fourth.state == "running")
    assert (first.state, second.state, third.state) == ("interrupted", "queued", "interrupted")
    fourth.request_stop()
    second.request_stop()
    until(lambda: second.state == "stopped")


def test_one_holds_the_device_at_a_time(hold: Callable[..., Any]) -> None:
    runs = [hold(str(number), "ab"[number % 2], seconds=0.3)[0] for number in range(4)]
    until(lambda: all(run.state == "finished" for run in runs))
    spans = sorted((run.status().begun, run.status().heartbeat) for run in runs)
    assert all(end <= begin for (_, end), (begin, _) in itertools.pairwise(spans))


# ---------------------------------------------------------------- restarts


def reboot(run: Run) -> None:
    """Makes a status look as if the machine had been started again since."""
    status = read_json(run.path / "status.json")
    write_json(run.path / "status.json", {**status, "boot": "before", "spawned": {"boot": "before", "uptime": 1.0}})


def test_what_waited_is_started_again_once_and_keeps_its_place(
    store: RunStore, add: Callable[..., Run], spawned: list[Path]
) -> None:
    runs = {name: add(name) for name in ("one", "two", "three")}
    trained = add("trained", state="running")
    queue.move(runs["three"], "front")
    for run in (*runs.values(), trained):
        reboot(run)
    assert names(store) == []
    revived = queue.revive(store.root)
    assert [run.path for run in revived] == spawned
    assert sorted(run.name for run in revived) == ["one", "three", "two"]
    assert queue.revive(store.root) == []
    assert names(store) == ["three", "one", "two"]
    assert trained.state == "interrupted"


def test_what_was_asked_to_end_or_belongs_to_a_terminal_is_not_started(
    store: RunStore, add: Callable[..., Run], spawned: list[Path]
) -> None:
    stopped, paused, gone, terminal = add("stopped"), add("paused"), add("gone"), add("terminal", foreground=True)
    for run, kind in ((stopped, "stop"), (paused, "pause"), (gone, "discard")):
        run.request(kind)
    for run in (stopped, paused, gone, terminal):
        reboot(run)
    assert queue.revive(store.root) == []
    assert spawned == []
    assert (stopped.state, paused.state, terminal.state) == ("stopped", "paused", "interrupted")
    assert not gone.exists
    assert paused.can_resume  # it had learned nothing yet, and can begin


def test_rankings_are_started_again(store: RunStore, spawned: list[Path]) -> None:
    job = JobStore("rankings", store.root).create({}, spawned=LaunchStamp(1.0, "before"))
    assert queue.revive(store.root) == [job]
    assert spawned == [job.path]


def test_a_damaged_run_does_not_keep_the_others_from_starting(
    store: RunStore, add: Callable[..., Run], spawned: list[Path]
) -> None:
    damaged, whole = add("damaged"), add("whole")
    (damaged.path / "experiment.json").write_text("[")
    for run in (damaged, whole):
        reboot(run)
    assert queue.revive(store.root) == [damaged, whole]
    assert spawned == [damaged.path, whole.path]


def test_no_folder_is_nothing_to_start(tmp_path: Path) -> None:
    assert queue.revive(tmp_path / "nowhere") == []
    assert everything(tmp_path / "nowhere") == []


def test_a_process_that_cannot_be_started_again_leaves_the_run_as_it_was(
    store: RunStore, add: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = add("one")
    reboot(run)
    before = read_json(run.path / "status.json")

    def refuse(*_: object, **__: object) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(queue, "spawn", refuse)
    with pytest.raises(InputError, match="cannot be started: Resource"):
        queue.revive(store.root)
    assert read_json(run.path / "status.json") == before


REVIVER = """
import sys, time
from pathlib import Path
from core.runs import queue
def note(folder, *_, **__):
    with Path(sys.argv[2]).open("a") as file:
        file.write(folder.name + "\\n")
    time.sleep(0.05)
queue.spawn = note
Path(sys.argv[3]).touch()
while not Path(sys.argv[4]).exists():
    time.sleep(0.001)
queue.revive(sys.argv[1])
"""


def test_two_servers_that_start_together_start_each_run_once(
    store: RunStore, add: Callable[..., Run], tmp_path: Path
) -> None:
    runs = [add(str(number)) for number in range(5)]
    for run in runs:
        reboot(run)
    notes, go = tmp_path / "notes", tmp_path / "go"
    ready = [tmp_path / f"ready-{number}" for number in range(2)]
    servers = [
        subprocess.Popen([sys.executable, "-c", REVIVER, str(store.root), str(notes), str(flag), str(go)])
        for flag in ready
    ]
    until(lambda: all(flag.exists() for flag in ready))
    go.touch()
    assert [server.wait(60) for server in servers] == [0, 0]
    assert sorted(notes.read_text().split()) == sorted(run.id for run in runs)


@pytest.mark.slow
def test_a_waiting_trainer_that_was_killed_trains_after_all(
    store: RunStore, hold: Callable[..., Any], image_folder: Callable[..., Path]
) -> None:
    first, _ = hold("first", "ann")
    phases = (Phase("all", "plan", 2, lr=0.01),)
    training = TrainingSpec("custom", phases, 8, device="cpu", precision="fp32")
    spec = Experiment(DataSpec(str(image_folder())), ModelSpec("mnist_cnn", "none"), training)
    run = launch.start(spec, store.root, owner="ann", estimate_seconds=5.0)
    until(lambda: run.status().pid is not None)
    assert queue.revive(store.root) == []
    psutil.Process(run.status().pid).kill()
    until(lambda: run.state == "interrupted")
    assert queue.waiting(store) == []
    assert queue.revive(store.root) == [run]
    assert queue.revive(store.root) == []
    until(lambda: run.status().pid is not None)
    waits = queue.place(run)
    assert waits is not None
    assert (waits.position, waits.device, waits.owner) == (1, "cpu", "ann")
    psutil.Process(first.status().pid).kill()
    until(lambda: run.state == "finished", 120)
    assert [row["epoch"] for row in run.metrics()[0]] == [1, 2]


# ---------------------------------------------------------------- double clicks
