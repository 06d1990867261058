"""Run folders: made, read while written, renamed, deleted, packed."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.errors import InputError, RunMissing
from core.runs import Recorder, Run, RunStore
from core.runs.files import append_line, read_lines, write_atomic
from core.specs import DataSpec, Experiment, ModelSpec, TrainingSpec
from core.training.recipes import make_recipe


def experiment(name: str = "") -> Experiment:
    recipe = make_recipe("linear-probe", epochs=2)
    return Experiment(DataSpec("shapes"), ModelSpec("resnet18"), TrainingSpec("linear-probe", recipe.phases), name=name)


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


@pytest.fixture
def run(store: RunStore) -> Run:
    return store.create(experiment())


def dead_process() -> dict[str, float]:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    return {"pid": child.pid, "create_time": time.time()}


def set_status(run: Run, **status: object) -> None:
    (run.path / "status.json").write_text(json.dumps(status))


def test_a_new_run_is_queued_and_keeps_its_experiment(run: Run) -> None:
    assert run.state == "queued"
    assert run.experiment == experiment()


def test_names_may_be_in_any_script_and_never_leave_the_folder(store: RunStore) -> None:
    run = store.create(experiment("../../گربه و سگ"))
    assert run.path.parent == store.root
    assert run.name == "../../گربه و سگ"
    assert "گربه" in run.id


def test_newest_run_comes_first(store: RunStore) -> None:
    older = store.create(experiment("one"))
    time.sleep(1.1)
    newer = store.create(experiment("two"))
    assert [r.id for r in store.list()] == [newer.id, older.id]


def test_a_run_whose_process_is_gone_is_interrupted(run: Run) -> None:
    set_status(run, state="running", **dead_process())
    assert run.state == "interrupted"


def test_a_pid_used_again_by_another_process_does_not_revive_a_run(run: Run) -> None:
    set_status(run, state="running", pid=os.getpid(), create_time=12345.0)
    assert run.state == "interrupted"


def test_a_run_of_this_process_is_running(run: Run) -> None:
    Recorder(run).update(state="running")
    assert run.state == "running"


def test_a_process_that_never_appeared_counts_as_interrupted(run: Run) -> None:
    set_status(run, state="queued", pid=None, launched=time.time() - 3600)
    assert run.state == "interrupted"


def test_stop_request_shows_until_the_process_ends(run: Run) -> None:
    Recorder(run).update(state="running")
    run.request_stop()
    assert run.state == "stopping"
    Recorder(run).update(state="stopped")
    assert run.state == "stopped"


def test_a_torn_last_line_is_left_for_later(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    append_line(path, {"epoch": 1})
    with path.open("ab") as file:
        file.write(b'{"epoch": 2, "lo')
    records, offset = read_lines(path)
    assert records == [{"epoch": 1}]
    append_line(path, {"epoch": 3})
    assert read_lines(path, offset)[0] == [{"epoch": 3}]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (b'{"a": 1}\n{"a": 2}\n', [{"a": 1}, {"a": 2}]),
        (b'{"a": 1}\n\n[3]\n"b"\n{"a": 2}\n', [{"a": 1}, {"a": 2}]),
        (b'{"a": 1\n"b": 2}\n{"a": 2}\n', [{"a": 2}]),  # two halves of lines are no record
        (b'{"a": 1}\n{"b": "\xff"}\n{"a": 2}\n', [{"a": 1}, {"a": 2}]),
        (b'{"a": 1}, {"a": 5}\n{"a": 2}\n', [{"a": 2}]),
        (b"[" * 100_000 + b'\n{"a": 2}\n', [{"a": 2}]),
        (b"", []),
    ],
)
def test_damaged_lines_are_passed_over(tmp_path: Path, text: bytes, wanted: list[dict[str, int]]) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(text)
    assert read_lines(path) == (wanted, len(text))


def test_numbers_that_json_lacks_are_null(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    append_line(path, {"val_loss": float("nan"), "lr": float("inf"), "epoch": 1})
    assert path.read_text() == '{"val_loss": null, "lr": null, "epoch": 1}\n'


def test_a_replaced_file_is_whole_or_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f"
    write_atomic(path, "old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir() if entry.is_file()] == ["f"]


def test_a_damaged_status_is_not_fatal(run: Run) -> None:
    (run.path / "status.json").write_text("{")
    assert run.state == "unreadable"
    assert "not valid JSON" in str(run.status().faults[0])
    assert run.can_resume


def test_rename_keeps_the_address(store: RunStore, run: Run) -> None:
    run.rename("  cats   and dogs ")
    assert store.open(run.id).name == "cats and dogs"
    with pytest.raises(InputError, match="1 to 120"):
        run.rename(" ")


def test_a_live_run_cannot_be_deleted(store: RunStore, run: Run) -> None:
    Recorder(run).update(state="running")
    with pytest.raises(InputError, match="Stop it first"):
        store.delete(run)
    assert run.exists


def test_a_deleted_run_says_so_wherever_it_is_asked(store: RunStore, run: Run) -> None:
    Recorder(run).update(state="finished")
    store.delete(run)
    assert store.list() == []
    for ask in (run.status, lambda: run.experiment, lambda: run.rename("x"), lambda: store.get(run.id)):
        with pytest.raises(RunMissing, match="does not exist any more"):
            ask()
    assert run.metrics() == ([], 0)


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize("name", ["..", "../x", ".locks", "", "/etc"])
def test_a_page_cannot_name_a_run_outside_the_folder(store: RunStore, name: str) -> None:
    (store.root.parent / "experiment.json").write_text("{}")
    with pytest.raises(RunMissing):
        store.get(name)


def test_open_takes_an_id_or_a_path(store: RunStore, run: Run) -> None:
    assert store.open(run.id) == run
    assert RunStore("elsewhere").open(run.path) == run
    with pytest.raises(RunMissing, match="There is no run nothing under"):
        store.open("nothing")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be made under"):
        RunStore(tmp_path / "file").create(experiment())


def test_step_curve_is_thinned(run: Run) -> None:
    recorder = Recorder(run)
    for step in range(1, 10_001):
        if step % 100 == 0:
            recorder.step(step, 10_000, {"loss": 1.0})
    points, _ = run.steps()
    assert len(points) == 100


def test_points_told_at_odd_steps_are_kept_as_far_apart_as_wished(run: Run) -> None:
    recorder = Recorder(run)
    for step in range(7, 100_000, 33):  # one in 50 steps is wanted; few of these divide by 50
        recorder.step(step, 100_000, {"loss": 1.0})
    steps = [point["step"] for point in run.steps()[0]]
    assert len(steps) == 1515
    assert {late - early for early, late in itertools.pairwise(steps)} == {66}
