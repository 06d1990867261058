"""The verb that trains a study as one object."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.runs import launch
from core.runs.jobs import Job
from core.runs.store import RunStore
from core.specs import DataSpec
from core.specs.study import Study
from core.workflows.jobs import job_process
from core.workflows.studies import members
from core.workflows.studies.fields import with_settings
from core.workflows.studies.ready import READY

Call = Callable[..., tuple[int, dict[str, Any], str]]
SMALL = ("--backbone", "mnist_cnn", "--preset", "scratch", "--epochs", 1, "--device", "cpu", "--precision", "fp32")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Does a study in this process when its own would be started."""
    monkeypatch.setattr(launch, "spawn", lambda folder, _words, _roots, **_more: job_process.work(Job(folder)))


def test_a_grid_is_trained_told_and_gone_on_with(call: Call, image_folder: Callable[..., Path]) -> None:
    data = image_folder(images=8)
    status, record, said = call("study", "--data", data, *SMALL, "--grid", "lr=0.001,0.01", "--seeds", "0,1")
    assert status == 0
    assert (record["state"], record["runs"], record["finished"]) == ("finished", 4, 4)
    assert f"study {record['study']}: 4 runs" in said
    assert [row["values"] for row in record["rows"]] == [
        {"training.phases.lr": "0.001"},
        {"training.phases.lr": "0.01"},
    ]
    for row in record["rows"]:
        accuracies = [RunStore().open(run).recorded.val_accuracy for run in row["runs"]]
        assert row["measured"] == accuracies
        assert row["mean"] == pytest.approx(sum(accuracies) / 2)
    assert "fewer than 3 finished seeds" in record["sentences"][0]
    assert call("study", "--status", record["study"])[:2] == (0, record)
    _, listed, _ = call("study", "--list")
    assert [row["study"] for row in listed["studies"]] == [record["study"]]
    RunStore().delete(RunStore().open(record["rows"][0]["runs"][0]))
    status, told, _ = call("study", "--status", record["study"])
    assert (status, told["finished"]) == (1, 3)
    status, again, _ = call("study", "--resume", record["study"])
    assert (status, again["finished"]) == (0, 4)
    assert again["rows"][1] == record["rows"][1]


def test_a_study_from_a_file_whose_member_fails(
    call: Call, image_folder: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = image_folder(images=8)
    call("study", "--data", data, *SMALL, "--grid", "lr=0.001,0.01", "--name", "rates")
    (job,) = [members.find(row["study"]) for row in call("study", "--list")[1]["studies"]]
    record = json.loads(members.study_of(job).to_json())
    record["factors"] = [{"field": "data.source", "values": [str(data), str(data / "gone")]}]
    file = tmp_path / "study.json"
    file.write_text(json.dumps(record))
    status, found, _ = call("study", file, "--seeds", "3")
    assert (status, found["state"], found["finished"]) == (1, "finished", 1)
    (failed,) = found["failed"]
    assert "gone" in failed["reason"]
    assert failed["run"]
    assert Study.from_json(file.read_text()).name == "rates"
    from core.cli import main

    assert main(["study", "--status", found["study"]]) == 1
    printed = capsys.readouterr().out
    assert "1 of 2 runs finished" in printed
    assert f"--resume {found['study']}" in printed


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "study needs a file, --grid"),
        (("--grid", "lr"), "--grid is lr. Write a field and its values"),
        (("--grid", "lr=0.1"), "fewer than two values"),
        (("--grid", "lr=0.1,0.1"), "0.1 stands twice"),
        (("--grid", "wow=1,2"), "it has no wow"),
        (("--grid", "lr=0.1,fast"), "lr is fast"),
        (("--range", "lr=1"), "--range is lr=1. Write a field and two ends"),
        (("--range", "lr=0:1:log"), "Begin above 0"),
        (("--range", "lr=0.1:1", "--sampling", "grid"), "a grid needs values"),
        (("--range", "lr=0.1:1", "--pruner", "median"), "belongs to the design optuna"),
        (("--ready", "rates"), "--ready rates says what is trained, so --data cannot stand beside it"),
        (("--grid", "lr=0.1,0.2", "--seeds", "0,0"), "stands twice in 0, 0"),
        (("--grid", "batch_size=" + ",".join(map(str, range(1, 60))), "--seeds", "0,1,2,3,4,5"), "has 354 runs"),
    ],
)
def test_words_that_make_no_study_are_refused(
    call: Call, image_folder: Callable[..., Path], words: tuple[str, ...], sentence: str
) -> None:
    status, _, said = call("study", "--data", image_folder(images=4), *SMALL, *words)
    assert status == 2
    assert sentence in said


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--status", "nothing"), "no study nothing here"),
        (("--resume", "../x"), "no study ../x here"),
        (("--status", "nothing", "--lr", "3"), "--lr cannot stand beside"),
        (("--status", "nothing", "--grid", "lr=1,2"), "--grid cannot stand beside"),
        (("--status", "nothing", "--measure", "luck"), "measure is luck. Choose one of: test_accuracy"),
        (("gone.json",), "gone.json cannot be read"),
        (("gone.json", "--grid", "lr=1,2"), "--grid cannot stand beside"),
    ],
)
def test_words_that_name_no_study_are_refused(call: Call, words: tuple[str, ...], sentence: str) -> None:
    status, _, said = call("study", *words)
    assert status == 2
    assert sentence in said


def test_a_file_that_is_no_study_is_refused(call: Call, tmp_path: Path) -> None:
    file = tmp_path / "study.json"
    for text in (b"{", b"\xff\xfe\x00", b"[]", b'{"experiment": {}, "factors": []}'):
        file.write_bytes(text)
        status, _, said = call("study", file)
        assert status == 2
        assert said.startswith("error: ")


def test_a_table_of_the_notes_is_trained_by_its_name(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    status, _, said = call("study", "--ready", "nothing")
    assert status == 2
    assert "Choose one of: cats-dogs" in said
    ready = READY["frozen-stages"]
    seen: list[str] = []
    small = Study(with_settings(ready.study().experiment, [("recipe", "linear-probe")]), (), seeds=(0, 1))

    def make(data: DataSpec) -> Study:
        seen.append(data.source)
        one = replace(small.experiment, data=DataSpec("digits", images_per_class=4))
        model = replace(one.model, backbone="mnist_cnn", weights="none")
        return replace(small, experiment=replace(one, model=model))

    monkeypatch.setattr("core.workflows.studies.ready.READY", {"frozen-stages": replace(ready, make=make)})
    status, record, _ = call("study", "--ready", "frozen-stages", "--data", "shapes", "--seeds", "5,6")
    assert (status, record["finished"]) == (0, 2)
    assert seen == ["shapes"]
