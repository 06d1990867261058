"""Verbs that act on runs, and the queue as it is printed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.cli import main
from core.runs import Recorder, Run, RunStore, control, queue
from core.specs import DataSpec, Experiment, FreezePlan, ModelSpec, Phase, TrainingSpec
from core.workflows.trainer_process import worker

Call = Callable[..., tuple[int, dict[str, Any], str]]


def experiment(source: object = "shapes", epochs: int = 3, name: str = "") -> Experiment:
    training = TrainingSpec("custom", (Phase("all", "plan", epochs, lr=0.01),), 8, device="cpu", precision="fp32")
    return Experiment(DataSpec(str(source)), ModelSpec("mnist_cnn", "none"), training, FreezePlan("all"), name=name)


@pytest.fixture
def live() -> Run:
    """A run at work, as far as its status tells."""
    run = RunStore().create(experiment(name="live"), owner="ann")
    Recorder(run).update(state="running", doing="training", queue_device="cpu", eta_seconds=90.0)
    return run


@pytest.mark.parametrize(
    ("words", "kind", "value", "state"),
    [
        (("pause",), "pause", None, "pausing"),
        (("stop",), "stop", None, "stopping"),
        (("stop", "--discard"), "discard", None, "stopping"),
        (("change", "--rate", 0.5), "rate", 0.5, "running"),
        (("change", "--unfreeze", 2), "unfreeze", 2, "running"),
        (("change", "--extend", 3), "extend", 3, "running"),
    ],
)
def test_a_run_at_work_is_asked(
    call: Call, live: Run, words: tuple[object, ...], kind: str, value: float | None, state: str
) -> None:
    verb, *options = words
    status, record, _ = call(verb, live.id, *options)
    assert status == 0
    assert (record["run"], record["asked"], record["value"], record["state"]) == (live.id, kind, value, state)
    assert [row["kind"] for row in control.read(live.path)[0]] == [kind]


@pytest.mark.parametrize("words", [("--rate", "0"), ("--rate", "nan"), ("--extend", "0"), ("--unfreeze", "-1")])
def test_a_change_that_is_not_allowed_is_refused(call: Call, live: Run, words: tuple[str, ...]) -> None:
    status, record, error = call("change", live.id, *words)
    assert (status, record) == (2, {})
    assert words[0].removeprefix("--") in error
    assert control.read(live.path)[0] == []


@pytest.mark.parametrize("words", [("change",), ("change", "--rate", "1", "--extend", "1"), ("queue", "--move", "x")])
def test_half_a_wish_is_one_line_and_status_2(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    run = ("run",) if words[0] == "change" else ()
    with pytest.raises(SystemExit) as leaving:
        main([words[0], *run, *words[1:]])
    assert leaving.value.code == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_nobody_is_asked_where_nobody_works(call: Call, live: Run) -> None:
    Recorder(live).update(state="finished")
    for verb in ("pause", "stop"):
        status, _, error = call(verb, live.id)
        assert status == 2
        assert "is finished, so there is no process to ask" in error
    status, _, error = call("resume", live.id)
    assert status == 2
    assert "is finished and cannot go on" in error
    assert call("resume", "nobody")[0] == 2


def test_the_queue_is_shown_and_changed(call: Call, live: Run, capsys: pytest.CaptureFixture[str]) -> None:
    waiting = []
    for owner in ("ann", "bob"):
        run = RunStore().create(experiment(name=owner), owner=owner, estimate_seconds=3600.0)
        Recorder(run).update(queue_device="cpu")
        waiting.append(run)
    _, record, _ = call("queue")
    assert [(row["run"], row["owner"], row["position"]) for row in record["working"]] == [(live.id, "ann", 0)]
    assert record["working"][0]["ends_in"] == pytest.approx(90, abs=5)
    assert [(row["name"], row["position"], row["device"]) for row in record["waiting"]] == [
        ("bob", 1, "cpu"),
        ("ann", 2, "cpu"),
    ]
    _, record, _ = call("queue", "--move", waiting[0].id, "front")
    assert [row["name"] for row in record["waiting"]] == ["ann", "bob"]
    main(["queue"])
    printed = capsys.readouterr().out
    assert "1 min" in printed
    assert "1 h 1 min" in printed
    status, _, error = call("queue", "--move", live.id, "up")
    assert status == 2
    assert "does not wait" in error
    assert call("queue", "--move", waiting[0].id, "sideways")[0] == 2
    assert call("stop", waiting[0].id)[0] == 0
    assert [row["name"] for row in call("queue")[1]["waiting"]] == ["bob"]


def test_an_empty_queue_says_so(call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("queue", "--revive")[1] == {"working": [], "waiting": [], "revived": []}
    main(["queue"])
    assert "Nothing waits" in capsys.readouterr().out


def test_the_queue_starts_again_what_waited(call: Call, live: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Path] = []
    monkeypatch.setattr(queue, "spawn", lambda folder, *_, **__: started.append(folder))
    replace(live.recorded, state="queued", boot="before").write(live.path)
    assert call("queue", "--revive")[1]["revived"] == [live.id]
    assert started == [live.path]


@pytest.mark.slow
def test_resume_goes_on_in_the_foreground_and_ctrl_c_pauses(call: Call, image_folder: Callable[..., Path]) -> None:
    run = RunStore().create(experiment(image_folder(), epochs=60))
    worker.work(run, lambda record: run.request("pause") if record.get("epoch") == 2 else None)
    done = run.status().epochs_done
    words = [sys.executable, "-m", "core", "resume", run.id, "--json"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 120
    while len(run.metrics()[0]) < done + 3:
        assert time.monotonic() < end
        assert process.poll() is None, process.stderr and process.stderr.read()
        time.sleep(0.05)
    assert read_status(run)["foreground"] is True
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=60)
    assert process.returncode == 0, error
    assert json.loads(out.splitlines()[-1])["state"] == run.state == "paused"
    assert "pausing after this step" in error
    epochs = [row["epoch"] for row in run.metrics()[0]]
    assert epochs == list(range(1, len(epochs) + 1))
    assert run.can_resume
    assert call("resume", run.id, "--within", run.path.parent.parent)[0] == 0
    assert run.state == "finished"


def read_status(run: Run) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((run.path / "status.json").read_text())
    return record
