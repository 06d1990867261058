"""A trainer killed by the system at any write of its run: the run goes on, or begins again where nothing was saved."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from core.disk_cache import remove_leftovers
from core.runs import Run, RunStore, launch, process, snapshots
from core.runs.files import read_lines
from core.runs.status import RunStatus
from core.runs.store import WRITTEN_BY_OTHERS
from core.specs import DataSpec, Experiment, FreezePlan, ModelSpec, Phase, TrainingSpec
from core.training.checkpoints import checkpoint
from core.workflows.trainer_process import observers, worker

MOMENTS = [
    ("environment.json", "before", 1),
    ("classes.json", "after", 1),
    ("split.csv", "before", 1),
    ("data.json", "after", 1),
    ("experiment.json", "before", 1),
    ("status.json", "before", 1),
    ("status.json", "before", 4),
    ("learning.json", "before", 1),
    ("learning.json", "before", 2),
    ("before.json", "before", 1),
    ("metrics.jsonl", "before", 1),
    ("metrics.jsonl", "after", 1),
    ("health.jsonl", "after", 1),
    ("pinned.npz", "before", 1),
    ("pinned.json", "before", 1),
    ("epoch-000001.npz", "before", 1),
    ("epoch-000001.npz", "after", 1),
    ("best.safetensors", "before", 1),
    ("best.safetensors", "after", 1),
    (".next.safetensors", "before", 1),
    (".next.safetensors", "after", 1),
    ("resume.safetensors", "before", 1),
    ("resume.safetensors", "after", 1),
    ("last.safetensors", "before", 1),
    ("last.safetensors", "after", 1),
    ("metrics.jsonl", "after", 2),
    ("best.safetensors", "after", 2),
    ("resume.safetensors", "before", 2),
    ("resume.safetensors", "after", 2),
    ("last.safetensors", "before", 2),
    ("predictions.parquet", "before", 1),
    ("predictions.parquet", "after", 1),
]
"""Which file is written, whether the process dies before or after, and the how manieth time."""


def experiment(source: Path) -> Experiment:
    phases = (Phase("head", "head", 1, lr=0.01), Phase("all", "plan", 2, "sgd", lr=0.01))
    return Experiment(
        DataSpec(str(source)),
        ModelSpec("mnist_cnn", "none"),
        TrainingSpec("custom", phases, 8, 3, "cpu", "auto"),
        freeze=FreezePlan("all"),
    )


def train_until(path: Path, file: str, when: str, count: int) -> None:
    """Trains a run, and ends this process as the system would, at one of its writes."""
    checkpoint.WRITE_EVERY = checkpoint.PATIENCE_SECONDS = 0.0
    seen: list[str] = []

    def dying(write: Callable[..., object], target: Callable[..., object]) -> Callable[..., object]:
        def wrapped(*words: object, **more: object) -> object:
            here = Path(str(target(*words))).name == file and Path(str(target(*words))).is_relative_to(path)
            if here:
                seen.append(file)
            if here and len(seen) == count and when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            found = write(*words, **more)
            if here and len(seen) == count and when == "after":
                os.kill(os.getpid(), signal.SIGKILL)
            return found

        return wrapped

    os.replace = dying(os.replace, lambda _, target: target)  # type: ignore[assignment]
    from core.runs import recorder

    for module in (recorder, observers):
        module.append_line = dying(module.append_line, lambda target, _: target)  # type: ignore[attr-defined]
    worker.work(Run(path))


def outcome(run: Run) -> dict[str, object]:
    """Returns what does not depend on the clock: weights, and the records of epochs."""
    found: dict[str, object] = {
        f"{name} {key}": value.tobytes()
        for name in ("last", "best")
        for key, value in load_file(run.path / f"{name}.safetensors").items()
    }
    keys = {"metrics": ("epoch", "train_loss", "val_loss", "improved"), "health": ("epoch",), "steps": ("step", "loss")}
    for name, columns in keys.items():
        found[name] = [[row[key] for key in columns] for row in read_lines(run.path / f"{name}.jsonl")[0]]
    return found | {"best epoch": run.status().best_epoch, "test": run.status().val_accuracy}


def leftovers(folder: Path) -> list[str]:
    hidden = [path.name for path in folder.rglob(".*") if path.is_file()]
    return [name for name in hidden if name != ".trainer.lock"]


@pytest.fixture(scope="module")
def whole() -> dict[str, object]:
    """Keeps what a run that was never killed comes to, once one is trained."""
    return {}


@pytest.mark.slow
@pytest.mark.parametrize(("file", "when", "count"), MOMENTS)
def test_a_run_killed_at_a_write_goes_on(
    tmp_path: Path,
    image_folder: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    whole: dict[str, object],
    processes: ForkServerContext,
    file: str,
    when: str,
    count: int,
) -> None:
    monkeypatch.setattr(checkpoint, "WRITE_EVERY", 0.0)
    monkeypatch.setattr(checkpoint, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(process, "START_GRACE", 0.0)
    source, store = image_folder(images=10), RunStore(tmp_path / "runs")
    if not whole:
        unharmed = store.create(experiment(source))
        worker.work(unharmed)
        whole |= outcome(unharmed)
    run = store.create(experiment(source))
    child = processes.Process(target=train_until, args=(run.path, file, when, count))
    child.start()
    child.join(120)
    assert child.exitcode == -signal.SIGKILL
    assert run.state == "interrupted"
    assert run.can_resume
    launch.resume_here(run)
    if not run.has_state:
        assert (run.recorded.epochs_done, run.recorded.best_epoch) == (0, None)
    assert worker.work(run).state == "finished"
    assert outcome(run) == whole
    assert 1 in snapshots.epochs(run.path)
    assert leftovers(run.path) == []
    assert not (run.path / "resume.safetensors").exists()


def test_what_a_killed_process_left_goes_with_the_run(tmp_path: Path, image_folder: Callable[..., Path]) -> None:
    store = RunStore(tmp_path / "runs")
    run, other = store.create(experiment(image_folder())), store.create(experiment(tmp_path))
    for folder in (run.path, other.path):
        status = RunStatus(state="interrupted")
        status.write(folder)
    half = store.root / f".deleted-{other.id}-0000"  # a process that was killed while it deleted this one
    other.path.rename(half)
    (run.path / f".best.safetensors.{'0' * 32}").write_bytes(b"half")
    store.delete(run)
    assert list(store.root.iterdir()) == []


def test_names_that_people_give_meanwhile_are_not_swept_away(tmp_path: Path) -> None:
    kept = [tmp_path / name for name in (f".label.txt.{'a' * 32}", ".trainer.lock", ".next.safetensors", "best.0")]
    gone = [tmp_path / f".{name}.{'0a' * 16}" for name in ("status.json", ".next.safetensors", "epoch-000001.npz")]
    for path in (*kept, *gone):
        path.touch()
    remove_leftovers(tmp_path, WRITTEN_BY_OTHERS)
    assert set(tmp_path.iterdir()) - {tmp_path / name for name in ("runs", "data", "cache")} == set(kept)
