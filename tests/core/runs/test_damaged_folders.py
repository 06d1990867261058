"""One damaged folder beside others: whatever stands in its files, it is listed, and nobody else notices."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from core.cli import main
from core.errors import InputError
from core.runs import Run, RunStore, launch, queue, snapshots
from core.runs.job_kinds import JOB_KINDS
from core.runs.jobs import JobStore
from core.runs.journal import Journal
from core.runs.recorder import Recorder
from core.specs import DataSpec, Experiment, ModelSpec, TrainingSpec
from core.training.checkpoints.epoch_weights import EpochWeights, kept_epochs
from core.training.recipes import make_recipe
from core.workflows.images import listed_again

FILES = (
    "status.json",
    "experiment.json",
    "metrics.jsonl",
    "steps.jsonl",
    "control.jsonl",
    "queue.json",
    "label.txt",
    "log.txt",
    "classes.json",
    "split.csv",
    "data.json",
    "resume.pt",
    "resume.safetensors",
    "best.safetensors",
    "snapshots/pinned.json",
    "snapshots/wished.json",
    "weights/learning.json",
)
LINES = (
    b"",
    b"null",
    b"[]",
    b"{}",
    b"\xff\xfe\x00",
    b'{"a":' * 2000,
    b"[" * 50_000,
    b'{"epoch": "x", "step": null}\n{"epoch": [1], "step": {}}\n',
    b'{"epoch": 1e999, "step": 1e999}\n{"epoch": -5, "step": -1}\n{"epoch": true}\n',
    b'{"epoch": 1, "step": 1, "train_loss": "x", "val_loss": [], "lr": ' + b"9" * 400 + b"}\n",
    b'{"epoch": ' + b"9" * 5000 + b"}\n",
    b'{"kind": ["stop"], "value": 1}\n{"kind": "rate", "value": 1e999}\n',
    b'{"classes": 3, "keys": 3, "names": 3, "left_out": 3, "of": [], "heard": null, "state": "running"}',
    b'{"classes": [3], "keys": [null], "names": [[1]], "left_out": [[1]], "ticket": {"front": 1e999}, "heard": []}',
    b"key,label,split\na\n",
    b'key,label,split\n"a\x00b',
)


def as_folder(path: Path) -> None:
    path.mkdir()


def as_loop(path: Path) -> None:
    path.symlink_to(path)


def as_dangling_link(path: Path) -> None:
    path.symlink_to("nowhere")


DAMAGES: tuple[Callable[[Path], object], ...] = (
    as_folder,
    as_loop,
    as_dangling_link,
    *(lambda path, content=content: path.write_bytes(content) for content in LINES),
)


@pytest.fixture(autouse=True)
def _no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (queue, launch):
        monkeypatch.setattr(module, "spawn", lambda *_, **__: None)


@pytest.fixture
def task() -> Experiment:
    recipe = make_recipe("linear-probe", epochs=2, weights="none")
    return Experiment(DataSpec("shapes"), ModelSpec("mnist_cnn", "none"), TrainingSpec("linear-probe", recipe.phases))


def looked_at(store: RunStore, run: Run) -> None:
    """Does all that a listing, a queue or a page does with a run before it trusts it."""
    for known in store.list():
        assert known.name
        assert isinstance(known.state, str)
        assert isinstance(known.status().faults, tuple)
        assert all(isinstance(name, str) for name in known.classes())
        assert all({"key", "label", "split"} <= row.keys() for row in known.split_rows())
        for row in (*known.metrics()[0], *known.steps()[0]):
            assert all(name == "phase" or not isinstance(value, str | list | dict) for name, value in row.items())
        _ = known.has_weights, known.can_resume, known.halting, known.log()
    queue.waiting(store)
    queue.working(store)
    queue.revive(store.root)
    journal = Journal(run.path)
    journal.look()
    journal.recent("seconds")
    snapshots.epochs(run.path)
    snapshots.pinned_of(run.path)
    snapshots.requested_keys(run.path)
    kept_epochs(run.path)
    EpochWeights(run.path, None, 0)  # type: ignore[arg-type]
    refused(lambda: run.experiment)
    refused(lambda: listed_again(run))


def refused(read: Callable[[], object]) -> None:
    """Reads what may be refused in words."""
    with suppress(InputError):
        read()


@pytest.mark.parametrize("file", FILES)
def test_a_damaged_file_disturbs_no_listing(
    tmp_path: Path, task: Experiment, capsys: pytest.CaptureFixture[str], file: str
) -> None:
    store = RunStore(tmp_path / "runs")
    good = store.create(task)
    for damage in DAMAGES:
        bad = store.create(task)
        path = bad.path / file
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        damage(path)
        looked_at(store, bad)
        assert good in store.list()
        assert main(["runs", "--json", "--runs-dir", str(store.root)]) == 0
        assert good.id in capsys.readouterr().out
        shutil.rmtree(bad.path)


@pytest.mark.parametrize("file", ["metrics.jsonl", "steps.jsonl", "health.jsonl"])
def test_a_run_goes_on_beside_damaged_rows(tmp_path: Path, task: Experiment, file: str) -> None:
    run = RunStore(tmp_path / "runs").create(task)
    for content in LINES:
        (run.path / file).write_bytes(content + b'\n{"epoch": 1, "step": 1, "seconds": 2}\n')
        Recorder(run).rewind(1, 1)
        assert all(row["epoch"] == 1 for row in run.metrics()[0])


@pytest.mark.parametrize("kind", JOB_KINDS)
@pytest.mark.parametrize("file", ["status.json", "request.json", "result.json", "control"])
def test_a_damaged_job_disturbs_no_other(tmp_path: Path, kind: str, file: str) -> None:
    store = JobStore(kind, tmp_path / "runs")
    good = store.create({"backbone": "resnet18"})
    for damage in DAMAGES:
        bad = store.create({"backbone": "resnet18"})
        (bad.path / file).unlink(missing_ok=True)
        damage(bad.path / file)
        assert good in store.list()
        for job in store.list():
            assert job.state
            assert isinstance(job.request, dict)
            refused(job.read_request)
            refused(job.read_result)
        list(store.matching({"backbone": "resnet18"}))
        queue.waiting(RunStore(tmp_path / "runs"))
        shutil.rmtree(bad.path)


def test_what_is_no_run_is_passed_over(tmp_path: Path, task: Experiment) -> None:
    store = RunStore(tmp_path / "runs")
    good = store.create(task)
    (store.root / "notes.txt").write_text("mine")
    (store.root / "empty").mkdir()
    (store.root / "loop").symlink_to(store.root / "loop")
    (store.root / "gone").symlink_to(tmp_path / "nowhere")
    (store.root / "folder").mkdir()
    (store.root / "folder" / "experiment.json").mkdir()
    (store.root / "na\udce9ve").mkdir()
    (store.root / "na\udce9ve" / "experiment.json").write_text(json.dumps({}))
    looked_at(store, good)
    assert {run.id for run in store.list()} == {good.id, "na\udce9ve"}
