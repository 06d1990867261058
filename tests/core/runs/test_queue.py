"""The queue: fair, the same for everyone, changed by people only, and still there after a restart."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from queued import experiment, names

from core.errors import InputError
from core.runs import Recorder, Run, RunStore, launch, queue
from core.runs.files import read_json, write_json
from core.runs.jobs import JobStore
from core.runs.status import RunStatus


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
    starting, running = RunStatus(state="starting"), RunStatus(state="running")
    assert queue.remaining(replace(starting, estimate_seconds=90.0)) == 90
    assert queue.remaining(replace(running, estimate_seconds=90.0, begun=now - 30)) == pytest.approx(60, abs=1)
    assert queue.remaining(replace(running, estimate_seconds=9.0, begun=now - 30)) == 0
    assert queue.remaining(replace(running, eta_seconds=50.0, heartbeat=now - 20)) == pytest.approx(30, abs=1)
    assert queue.remaining(replace(running, eta_seconds=50.0, heartbeat=now + 999)) == 50
    assert queue.remaining(RunStatus(state="queued", eta_seconds=50.0)) is None


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
