"""The queue: fair, the same for everyone, changed by people only, and still there after a restart."""

from __future__ import annotations

import itertools
import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from core.errors import InputError
from core.runs import Recorder, Run, RunStore, launch, queue
from core.runs.files import read_json, write_json
from core.runs.jobs import JobStore
from core.runs.queue_entries import Ticket, everything, order
from core.specs import DataSpec, Experiment, ModelSpec, Phase, TrainingSpec
from core.training.recipes import make_recipe


def experiment(name: str = "", device: str = "cpu", seed: int = 0) -> Experiment:
    recipe = make_recipe("linear-probe", epochs=2)
    training = TrainingSpec("linear-probe", recipe.phases, device=device, seed=seed)
    return Experiment(DataSpec("shapes"), ModelSpec("resnet18"), training, name=name)


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


def names(store: RunStore) -> list[str]:
    return [place.run.name for place in queue.waiting(store)]


# ---------------------------------------------------------------- the order, as arithmetic


def tickets(chance: random.Random, owners: str = "abcd") -> list[Ticket]:
    return [
        Ticket(chance.choice((0, 0, 0, 1, 2)), chance.choice(owners), chance.choice((1.0, 2.0, 3.0)), str(number))
        for number in range(chance.randrange(1, 14))
    ]


@pytest.mark.parametrize("seed", range(200))
def test_everyone_computes_the_same_order(seed: int) -> None:
    chance = random.Random(seed)
    standing = tickets(chance)
    served = {owner: chance.random() for owner in "abcd" if chance.random() < 0.7}
    found = order(standing, served)
    assert sorted(found) == sorted(standing)
    chance.shuffle(standing)
    assert order(standing, served) == found
    fronts = [ticket.front for ticket in found]
    assert fronts == sorted(fronts, reverse=True)


@pytest.mark.parametrize("seed", range(200))
def test_owners_take_turns_and_keep_their_own_order(seed: int) -> None:
    chance = random.Random(seed)
    standing = [Ticket(0, t.owner, t.queued, t.id) for t in tickets(chance)]
    found = order(standing, {})
    total, so_far = Counter(ticket.owner for ticket in found), Counter[str]()
    for ticket in found:
        so_far[ticket.owner] += 1
        waiting = [owner for owner in total if so_far[owner] < total[owner]]
        assert all(so_far[ticket.owner] - so_far[owner] <= 1 for owner in waiting)
    for owner in total:
        own = [(ticket.queued, ticket.id) for ticket in found if ticket.owner == owner]
        assert own == sorted(own)


@pytest.mark.parametrize("seed", range(50))
def test_nobody_starves_however_many_the_others_queue(seed: int) -> None:
    """With arrivals all the time, one who waits is served after at most one run of every other owner."""
    chance, clock = random.Random(seed), itertools.count()
    standing = [Ticket(0, owner, float(next(clock)), f"{owner}0") for owner in "abc" for _ in range(3)]
    standing = [Ticket(0, t.owner, t.queued, f"{t.owner}{number}") for number, t in enumerate(standing)]
    served: dict[str, float] = {}
    patience: Counter[str] = Counter()
    for _ in range(200):
        found = order(standing, served)
        winner = found[0]
        standing.remove(winner)
        for owner in {ticket.owner for ticket in standing} - {winner.owner}:
            patience[owner] += 1
            assert patience[owner] <= 3
        patience[winner.owner] = 0
        served[winner.owner] = float(next(clock))
        for _ in range(chance.randrange(3)):
            owner = chance.choice("aaaaaabcd")
            standing.append(Ticket(0, owner, float(next(clock)), f"{owner}-{next(clock)}"))
        if not standing:
            break


def test_who_was_served_longest_ago_is_next() -> None:
    standing = [Ticket(0, owner, moment, owner) for moment, owner in enumerate("abcd")]
    found = order(standing, {"a": float("inf"), "b": 20.0, "c": 10.0})
    assert [ticket.owner for ticket in found] == ["d", "c", "b", "a"]


@pytest.mark.parametrize("record", [None, 3, [], {}, {"front": "x", "owner": "", "queued": 1, "id": "a"}, {"front": 1}])
def test_what_is_no_ticket_is_none(record: Any) -> None:
    assert Ticket.read(record) is None


# ---------------------------------------------------------------- what the folders say


def test_places_devices_and_owners(store: RunStore, add: Callable[..., Run]) -> None:
    add("at work", "ann", "running")
    add("ann 1", "ann")
    add("ann 2", "ann")
    add("bob 1", "bob")
    add("elsewhere", "ann", device="cuda:0")
    add("ended", "bob", "finished")
    found = [(place.run.name, place.position, place.device, place.owner) for place in queue.waiting(store)]
    assert found == [
        ("bob 1", 1, "cpu", "bob"),
        ("ann 1", 2, "cpu", "ann"),
        ("ann 2", 3, "cpu", "ann"),
        ("elsewhere", 1, "cuda:0", "ann"),
    ]
    assert [(place.run.name, place.position) for place in queue.working(store)] == [("at work", 0)]


def test_the_start_is_estimated_as_far_as_all_ahead_tell(store: RunStore, add: Callable[..., Run]) -> None:
    add("at work", state="running", eta_seconds=60.0)
    add("1", estimate_seconds=100.0, spent_seconds=40.0)
    add("2")
    third = add("3")
    seconds = [place.starts_in for place in queue.waiting(store)]
    assert seconds[0] == pytest.approx(60, abs=2)
    assert seconds[1] == pytest.approx(120, abs=2)
    assert seconds[2] is None
    waits = queue.place(third)
    assert waits is not None
    assert (waits.position, waits.starts_in) == (3, None)


def test_a_run_that_does_not_train_yet_is_expected_to_take_what_was_estimated() -> None:
    now = time.time()
    assert queue.remaining({"state": "starting", "estimate_seconds": 90.0}) == 90
    assert queue.remaining({"state": "running", "estimate_seconds": 90.0, "begun": now - 30}) == pytest.approx(
        60, abs=1
    )
    assert queue.remaining({"state": "running", "estimate_seconds": 9.0, "begun": now - 30}) == 0
    assert queue.remaining({"state": "running", "eta_seconds": 50.0, "heartbeat": now - 20}) == pytest.approx(30, abs=1)
    assert queue.remaining({"state": "running", "eta_seconds": 50.0, "heartbeat": now + 999}) == 50
    assert queue.remaining({"state": "queued", "eta_seconds": 50.0}) is None


def test_one_asked_to_end_and_one_that_died_leave_the_line(store: RunStore, add: Callable[..., Run]) -> None:
    asked, dead, last = add("asked"), add("dead"), add("last")
    asked.request_stop()
    write_json(dead.path / "status.json", {**read_json(dead.path / "status.json"), "ticks": 1})
    assert dead.state == "interrupted"
    assert names(store) == ["last"]
    assert queue.place(asked) is None
    assert queue.place(last) is not None


def test_a_run_queued_anew_stands_behind_those_that_waited(store: RunStore, add: Callable[..., Run]) -> None:
    first = add("first", state="paused")
    add("second")
    (first.path / "resume.pt").touch()
    launch.resume_here(first)
    assert names(store) == ["second", "first"]
    assert read_json(first.path / "status.json")["foreground"] is True


def test_a_process_that_has_not_named_its_device_is_waited_for(store: RunStore, add: Callable[..., Run]) -> None:
    silent = store.create(experiment("silent", device="auto"))
    late = add("late", launched=time.time() + 5)
    seen: list[int] = []

    def look(ahead: int) -> None:
        seen.append(ahead)
        Recorder(silent).update(queue_device="cuda:0")

    with queue.hold_device(late, "cpu", look) as held:
        assert held
    assert seen == [1]


def test_several_devices_are_held_together(
    store: RunStore, add: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    both = add("both", device="cuda:0", queue_devices=["cuda:0", "cuda:1"])
    one = add("one", device="cuda:1")
    other = add("other", device="cuda:2")
    seen: list[tuple[str, int]] = []

    def leave(run: Run) -> Callable[[int], None]:
        def note(ahead: int) -> None:
            seen.append((run.name, ahead))
            run.request_stop()

        return note

    with queue.hold_device(one, "cuda:1", leave(one)) as held:
        assert not held
    with queue.hold_device(both, ("cuda:0", "cuda:1"), leave(both)) as held:
        assert held
        Recorder(both).update(state="running", doing="training")
        with queue.hold_device(other, "cuda:2", leave(other)) as also:
            assert also
        late = add("late", device="cuda:1")
        with queue.hold_device(late, "cuda:1", leave(late)) as also:
            assert not also
        for device in ("cuda:0", "cuda:1"):
            assert (store.root / ".locks" / f"{device.replace(':', '-')}.lock").exists()
    assert seen == [("one", 1), ("late", 1)]
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setattr(queue, "queue_device", lambda _: "cuda:0")
    assert queue.queue_devices("auto") == ("cuda:0", "cuda:1")


# ---------------------------------------------------------------- changed by people


def test_moves(store: RunStore, add: Callable[..., Run]) -> None:
    runs = {name: add(name, name[0]) for name in ("a1", "a2", "b1", "c1")}
    assert names(store) == ["a1", "b1", "c1", "a2"]
    queue.move(runs["a2"], "up")
    assert names(store) == ["a1", "b1", "a2", "c1"]
    queue.move(runs["a1"], "down")
    assert names(store) == ["b1", "a1", "a2", "c1"]
    queue.move(runs["c1"], "front")
    assert names(store) == ["c1", "b1", "a1", "a2"]
    queue.move(runs["a2"], "front")
    assert names(store) == ["a2", "c1", "b1", "a1"]
    for name, where in (("a2", "up"), ("a1", "down")):
        queue.move(runs[name], where)
    assert names(store) == ["a2", "c1", "b1", "a1"]
    queue.move(runs["a2"], "down")
    assert names(store) == ["c1", "a2", "b1", "a1"]
    runs["c1"].request_stop()
    assert names(store) == ["a2", "b1", "a1"]
    add("d1", "d")
    assert names(store)[0] == "a2"


@pytest.mark.parametrize("seed", range(30))
def test_a_move_changes_two_places_and_no_other(seed: int, store: RunStore, add: Callable[..., Run]) -> None:
    chance = random.Random(seed)
    runs = {str(number): add(str(number), chance.choice("abc")) for number in range(6)}
    for _ in range(5):
        before = names(store)
        index = chance.randrange(6)
        where = chance.choice(("up", "down"))
        queue.move(runs[before[index]], where)
        other = index + (-1 if where == "up" else 1)
        if 0 <= other < 6:
            before[index], before[other] = before[other], before[index]
        assert names(store) == before


def test_a_ticket_is_good_for_one_wait(store: RunStore, add: Callable[..., Run]) -> None:
    first, second = add("first"), add("second")
    queue.move(second, "front")
    assert names(store) == ["second", "first"]
    Recorder(second).update(state="paused")
    (second.path / "resume.pt").touch()
    launch.resume_here(second)
    assert names(store) == ["first", "second"]
    assert first.exists


@pytest.mark.parametrize("text", ["", "[", '{"of": 1000000, "ticket": {"front": "high"}}', "[" * 100_000])
def test_a_damaged_wish_is_passed_over(store: RunStore, add: Callable[..., Run], text: str) -> None:
    first = add("first")
    add("second")
    (first.path / "queue.json").write_text(text)
    assert names(store) == ["first", "second"]


def test_two_with_one_ticket_both_stand_in_line(store: RunStore, add: Callable[..., Run]) -> None:
    """As a crash in the middle of a move leaves them."""
    first, second = add("first"), add("second")
    queue.move(second, "up")
    (first.path / "queue.json").unlink()
    assert sorted(names(store)) == ["first", "second"]
    assert names(store) == names(store)


def test_what_cannot_be_moved(add: Callable[..., Run]) -> None:
    working, waiting = add("working", state="running"), add("waiting")
    with pytest.raises(InputError, match="does not wait"):
        queue.move(working, "up")
    with pytest.raises(InputError, match="up, down, front"):
        queue.move(waiting, "sideways")
    assert not (working.path / "queue.json").exists()


def test_rankings_stand_in_line(store: RunStore, add: Callable[..., Run]) -> None:
    add("run", "ann")
    job = JobStore("rankings", store.root).create({}, owner="bob", launched=5.0)
    Recorder(job).update(queue_device="cpu")
    assert [place.owner for place in queue.waiting(store)] == ["bob", "ann"]
    queue.move(job, "down")
    assert [place.owner for place in queue.waiting(store)] == ["ann", "bob"]


# ---------------------------------------------------------------- processes

HOLDER = """
import sys, time
from pathlib import Path
from core.runs import Recorder, Run, queue
run = Run(Path(sys.argv[1]))
recorder = Recorder(run)
recorder.update(state="queued", doing="queued", queue_device="cpu")
queue.POLL = 0.02
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
        until(lambda: run.status().get("ahead") is not None or (run.path / "held").exists())
        return run, process

    yield start
    for process in started:
        process.kill()
        process.wait()


def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def test_a_killed_trainer_frees_its_place_for_the_next_owner(hold: Callable[..., Any]) -> None:
    first, trainer = hold("first", "ann")
    second, _ = hold("second", "ann")
    third, waiter = hold("third", "bob")
    fourth, _ = hold("fourth", "bob")
    assert (first.state, second.state, third.state) == ("running", "queued", "queued")
    assert fourth.status()["ahead"] >= 1
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
    spans = sorted((run.status()["begun"], run.status()["heartbeat"]) for run in runs)
    assert all(end <= begin for (_, end), (begin, _) in itertools.pairwise(spans))


# ---------------------------------------------------------------- restarts


@pytest.fixture
def spawned(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Takes note of processes instead of starting them."""
    folders: list[Path] = []

    def note(folder: Path, *_: object, **__: object) -> None:
        folders.append(folder)

    monkeypatch.setattr(queue, "spawn", note)
    monkeypatch.setattr(launch, "spawn", note)
    return folders


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
    job = JobStore("rankings", store.root).create({}, spawned={"boot": "before", "uptime": 1.0})
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
    until(lambda: run.status()["pid"] is not None)
    assert queue.revive(store.root) == []
    psutil.Process(run.status()["pid"]).kill()
    until(lambda: run.state == "interrupted")
    assert queue.waiting(store) == []
    assert queue.revive(store.root) == [run]
    assert queue.revive(store.root) == []
    until(lambda: run.status()["pid"] is not None)
    waits = queue.place(run)
    assert waits is not None
    assert (waits.position, waits.device, waits.owner) == (1, "cpu", "ann")
    psutil.Process(first.status()["pid"]).kill()
    until(lambda: run.state == "finished", 120)
    assert [row["epoch"] for row in run.metrics()[0]] == [1, 2]


# ---------------------------------------------------------------- double clicks


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
    assert not {"eta_seconds", "message"} & set(run.status())


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
