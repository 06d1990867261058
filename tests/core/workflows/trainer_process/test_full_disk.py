"""A disk that is full at any write of a run: said in words everywhere, and the run goes on once there is room."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from core.cli import main
from core.errors import StorageError, storage_error
from core.runs import Run, RunStore, launch, recorder
from core.runs.files import read_json
from core.runs.jobs import JobStore
from core.specs import DataSpec, Experiment, FreezePlan, ModelSpec, Phase, TrainingSpec
from core.training.checkpoints import checkpoint
from core.workflows.jobs import job_process
from core.workflows.trainer_process import observers, worker

FILES = [
    "environment.json",
    "split.csv",
    "data.json",
    "metrics.jsonl",
    "steps.jsonl",
    "health.jsonl",
    "pinned.npz",
    "epoch-000001.npz",
    "learning.json",
    "best.safetensors",
    ".next.safetensors",
    "resume.safetensors",
    "predictions.parquet",
    "status.json",
]


def experiment(source: Path) -> Experiment:
    return Experiment(
        DataSpec(str(source)),
        ModelSpec("mnist_cnn", "none"),
        TrainingSpec("custom", (Phase("head", "head", 2, lr=0.01),), 8, 3, "cpu", "fp32"),
        freeze=FreezePlan("all"),
    )


class Disk:
    """A disk that is full from the write of a file on, but for the room that is given back to it.

    Args:
        folder: Where it holds files.
        file: The file, by its name.
        code: What the system says then.
    """

    def __init__(self, folder: Path, file: str, code: int = errno.ENOSPC) -> None:
        self.folder, self.file, self.code = folder, file, code
        self.full, self.reserve_helps = False, True

    def check(self, path: Path) -> None:
        if not path.is_relative_to(self.folder):
            return
        self.full = self.full or path.name == self.file
        if self.full and not (self.reserve_helps and not (self.folder / ".reserve").exists()):
            raise OSError(self.code, os.strerror(self.code))  # as of a write, which names no file

    def installed(self, monkeypatch: pytest.MonkeyPatch) -> Disk:
        replace, append = os.replace, recorder.append_line

        def replacing(source: Path, target: Path) -> None:
            self.check(Path(target))
            replace(source, target)

        def appending(path: Path, record: dict[str, object]) -> None:
            self.check(path)
            append(path, record)

        monkeypatch.setattr(os, "replace", replacing)
        for module in (recorder, observers):
            monkeypatch.setattr(module, "append_line", appending)
        return self


@pytest.fixture
def run(tmp_path: Path, image_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(checkpoint, "WRITE_EVERY", 0.0)
    monkeypatch.setattr(checkpoint, "PATIENCE_SECONDS", 0.0)
    return RunStore(tmp_path / "runs").create(experiment(image_folder(images=10)))


@pytest.mark.parametrize("file", FILES)
def test_the_run_is_interrupted_with_a_sentence_and_goes_on(
    run: Run, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    with monkeypatch.context() as patch:
        Disk(run.path, file).installed(patch)
        with pytest.raises(StorageError, match="The disk is full"):
            worker.work(run)
    status = run.recorded
    assert (status.state, run.state) == ("interrupted", "interrupted")
    assert str(status.failure).startswith("The disk is full.")
    assert "The disk is full." in run.log()
    assert [path.name for path in run.path.rglob(".*") if path.name != ".trainer.lock"] == []
    launch.resume_here(run)
    assert run.recorded.failure is None
    assert worker.work(run).state == "finished"
    assert [row["epoch"] for row in run.metrics()[0]] == [1, 2]


def test_the_status_is_written_even_where_no_second_file_fits(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        Disk(run.path, "metrics.jsonl").installed(patch).reserve_helps = False
        with pytest.raises(StorageError):
            worker.work(run)
    assert run.recorded.state == "interrupted"
    assert "disk is full" in run.recorded.message
    assert run.recorded.faults == ()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "x"), "disk is full"),
        (OSError(errno.EDQUOT, "x"), "disk is full"),
        (OSError(errno.EFBIG, "x"), "limits allow"),
        (PermissionError(errno.EACCES, "x", "/runs/one"), "/runs/one may not be read or written"),
        (OSError(errno.EROFS, "x", "/runs/one"), "/runs/one may not"),
    ],
)
def test_what_the_system_says_becomes_a_sentence(error: OSError, said: str) -> None:
    assert said in str(storage_error(error))


@pytest.mark.parametrize("error", [OSError(errno.EIO, "x"), PermissionError(errno.EPERM, "x"), ValueError("x")])
def test_errors_of_another_kind_have_no_such_sentence(error: Exception) -> None:
    assert storage_error(error) is None


def test_a_job_says_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = JobStore("rankings", tmp_path / "runs").create({"experiment": {}})

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(job_process, "_carry_out", full)
    with pytest.raises(StorageError):
        job_process.work(job)
    assert job.recorded.state == "failed"
    assert "disk is full" in job.recorded.message


def test_a_run_that_cannot_be_queued_again_says_why(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "hold_device", full_queue)
    with pytest.raises(StorageError):
        worker.work(run)
    Disk(run.path, "status.json").installed(monkeypatch).reserve_helps = False
    with pytest.raises(ValueError, match="cannot be written: No space left"):
        launch.resume_here(run)
    with pytest.raises(ValueError, match="cannot be written: No space left"):
        launch.resume(run)


def full_queue(*_: object) -> object:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_any_other_verb_says_it_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("core.cli.commands.anatomy.anatomy", full_queue)
    assert main(["anatomy", "resnet18"]) == 1
    assert capsys.readouterr().err.startswith("error: The disk is full.")


@pytest.mark.slow
def test_a_trainer_whose_files_may_not_grow_says_so_in_the_foreground(
    tmp_path: Path, image_folder: Callable[..., Path]
) -> None:
    words = ["train", "--data", str(image_folder(images=10)), "--backbone", "squeezenet1_1", "--weights", "none"]
    words += ["--image-size", "64", "--epochs", "1", "--device", "cpu", "--quiet", "--runs-dir", str(tmp_path / "runs")]
    answer = subprocess.run(
        [sys.executable, "-m", "core", *words],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000)),
    )
    assert answer.returncode == 1
    assert "error: A file became larger than" in answer.stderr
    assert "Traceback" not in answer.stderr
    (run,) = RunStore(tmp_path / "runs").list()
    assert run.state == "interrupted"
    assert "larger than" in read_json(run.path / "status.json")["message"]
    launch.resume_here(run)
    assert worker.work(run).state == "finished"
