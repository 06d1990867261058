"""The life of a training process: queue, failure, disk, kill."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import filelock
import pytest

from core.errors import InputError, StorageError
from core.runs import Run, RunStore, launch, queue
from core.runs.recorder import Recorder
from core.specs import DataSpec, Experiment, ModelSpec, TrainingSpec
from core.training.recipes import make_recipe
from core.workflows.network_loading import network_of_run
from core.workflows.trainer_process import worker

MODEL = "squeezenet1_1"


def experiment(source: object, *, epochs: int = 2, preset: str = "linear-probe", **training: object) -> Experiment:
    recipe = make_recipe(preset, epochs=epochs, weights="none")
    return Experiment(
        DataSpec(str(source)),
        ModelSpec(MODEL, "none", image_size=64),
        TrainingSpec(preset, recipe.phases, batch_size=8, device="cpu", precision="fp32", **training),  # type: ignore[arg-type]
        freeze=recipe.freeze,
    )


def wait_for(condition: Callable[[], object], seconds: float = 90.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


def test_a_run_fills_its_folder(store: RunStore, image_folder: Callable[..., Path]) -> None:
    run = store.create(experiment(image_folder(presplit=True)))
    events: list[str] = []
    status = worker.work(run, lambda record: events.append(record["event"]))
    names = {path.name for path in run.path.iterdir() if not path.name.startswith(".")}
    assert names >= {
        "experiment.json",
        "environment.json",
        "classes.json",
        "split.csv",
        "status.json",
        "metrics.jsonl",
        "best.safetensors",
        "last.safetensors",
        "predictions.parquet",
        "log.txt",
        "steps.jsonl",
    }
    assert status.state == run.state == "finished"
    assert len(run.metrics()[0]) == 2
    assert run.classes() == ("blue", "red")
    assert {row["split"] for row in run.split_rows()} == {"train", "val", "test"}
    assert 0 <= status.test_accuracy <= 1
    assert events[0] == "progress"
    assert events[-1] == "finished"


def test_quick_epochs_are_said_to_be_training(store: RunStore, image_folder: Callable[..., Path]) -> None:
    """Epochs on cached features take milliseconds, and nobody must believe that features are still computed."""
    run = store.create(experiment(image_folder(), epochs=3000))
    seen: list[str] = []

    def look(record: dict[str, object]) -> None:
        status = run.status()
        if record["event"] == "epochend" and status.epochs_done > 1:
            seen.append(status.doing)
            run.request_stop()

    worker.work(run, look)
    assert seen == ["training"]


def test_the_best_weights_are_the_ones_that_load(store: RunStore, image_folder: Callable[..., Path]) -> None:
    run = store.create(experiment(image_folder(images=20), epochs=4))
    status = worker.work(run)
    best = max(row["val_accuracy"] for row in run.metrics()[0])
    assert status.best_val_accuracy == best
    assert status.val_accuracy == pytest.approx(best)
    assert network_of_run(run).classes == ("blue", "red")


@pytest.mark.parametrize(
    ("make", "sentence"),
    [(lambda root: root / "nowhere", "nowhere"), (lambda root: (root / "empty").mkdir() or root / "empty", "empty")],
)
def test_bad_data_end_the_run_with_a_sentence(
    store: RunStore, tmp_path: Path, make: Callable[[Path], Path], sentence: str
) -> None:
    run = store.create(experiment(make(tmp_path / "data")))
    with pytest.raises(InputError, match=sentence):
        worker.work(run)
    status = run.status()
    assert status.state == "failed"
    assert sentence in status.message
    assert status.message_template.format(**status.message_values) == status.message


def test_a_trainer_held_to_the_roots_follows_no_link_out_of_them(
    store: RunStore, image_folder: Callable[..., Path], tmp_path: Path
) -> None:
    inside, outside = image_folder(), image_folder("../outside/colours")
    (inside / "red" / "link.png").symlink_to(next((outside / "red").iterdir()))
    run = store.create(experiment(inside, epochs=1))
    worker.work(run, roots=(tmp_path / "data",))
    assert "red/link.png" not in {row["key"] for row in run.split_rows()}
    away = store.create(experiment(outside, epochs=1))
    with pytest.raises(InputError, match="outside the folders"):
        worker.work(away, roots=(tmp_path / "data",))
    assert away.state == "failed"


def test_a_process_that_cannot_be_started_leaves_no_run(
    store: RunStore, image_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    with pytest.raises(InputError, match="cannot be started: Resource"):
        launch.start(experiment(image_folder()), store.root)
    assert store.list() == []


def test_a_launched_trainer_is_told_its_roots(
    store: RunStore, image_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    words: list[str] = []

    class Child:
        def __init__(self, command: list[str], **_: object) -> None:
            words.extend(command)

        def poll(self) -> int:
            return 0

    monkeypatch.setattr(subprocess, "Popen", Child)
    launch.start(experiment(image_folder()), store.root, roots=(tmp_path / "a", tmp_path / "b"))
    assert words[-4:] == ["--within", str(tmp_path / "a"), "--within", str(tmp_path / "b")]


def test_a_run_is_trained_by_one_process_only(store: RunStore, image_folder: Callable[..., Path]) -> None:
    run = store.create(experiment(image_folder()))
    with filelock.FileLock(run.path / ".trainer.lock"), pytest.raises(InputError, match="by another process already"):
        worker.work(run)


def test_a_full_disk_ends_the_run_and_keeps_the_last_good_weights(
    store: RunStore, image_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.training.checkpoints.checkpoint import Checkpointer

    run = store.create(experiment(image_folder(), epochs=3))
    genuine, calls = Checkpointer.epoch_end, []

    def full(self: Checkpointer, *, improved: bool) -> None:
        calls.append(improved)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        genuine(self, improved=improved)

    monkeypatch.setattr(Checkpointer, "epoch_end", full)
    with pytest.raises(StorageError, match="disk is full"):
        worker.work(run)
    assert run.state == "interrupted"
    assert "disk is full" in run.status().message
    assert network_of_run(run).classes == run.classes()


def test_a_status_that_cannot_be_written_does_not_hide_the_first_error(
    store: RunStore, image_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = store.create(experiment(image_folder().parent / "gone"))
    genuine = Recorder.update

    def full(self: Recorder, **changes: object) -> None:
        if changes.get("state") == "failed":
            raise OSError(errno.ENOSPC, "No space left on device")
        genuine(self, **changes)  # type: ignore[arg-type]

    monkeypatch.setattr(Recorder, "update", full)
    with pytest.raises(InputError, match="gone"):
        worker.work(run)


def test_too_little_memory_is_said_with_what_to_do(
    store: RunStore, image_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from core.training.features import batch_sources

    def starve(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(batch_sources, "extract", starve)
    run = store.create(experiment(image_folder()))
    with pytest.raises(InputError, match=r"A batch of 1 images at 64 px does not fit .* Choose a smaller batch"):
        worker.work(run)
    assert "smaller batch" in run.status().message


def test_a_diverged_loss_ends_the_run_with_a_rate_to_try(store: RunStore, image_folder: Callable[..., Path]) -> None:
    recipe = make_recipe("full", epochs=30, lr=100.0, optimizer="sgd", weights="none")
    wild = dataclasses.replace(
        experiment(image_folder(images=20)),
        training=TrainingSpec("full", recipe.phases, batch_size=8, device="cpu", precision="fp32"),
        freeze=recipe.freeze,
    )
    run = store.create(wild)
    with pytest.raises(InputError, match=r"not a number any more.*try 10"):
        worker.work(run)


def test_stop_before_the_start_leaves_the_queue(store: RunStore, image_folder: Callable[..., Path]) -> None:
    run = store.create(experiment(image_folder()))
    run.request_stop()
    assert worker.work(run).state == "stopped"
    assert not run.has_weights


def test_stop_keeps_the_best_weights(store: RunStore, image_folder: Callable[..., Path]) -> None:
    run = store.create(experiment(image_folder(), epochs=5000))

    def stop_after_three(record: dict[str, object]) -> None:
        if record["event"] == "epochend" and record["epoch"] == 3:
            run.request_stop()

    status = worker.work(run, stop_after_three)
    assert status.state == "stopped"
    assert len(run.metrics()[0]) == 3
    assert status.val_accuracy is not None
    assert network_of_run(run).classes == ("blue", "red")


@pytest.mark.slow
def test_kill_shows_as_interrupted_and_the_best_weights_load(
    store: RunStore, image_folder: Callable[..., Path]
) -> None:
    run = launch.start(experiment(image_folder(), epochs=100_000), store.root)
    wait_for(lambda: run.status().epochs_done >= 3 and run.has_weights)
    os.kill(run.status().pid, signal.SIGKILL)
    wait_for(lambda: run.state == "interrupted", 10)
    assert network_of_run(run).classes == ("blue", "red")
    store.delete(run)


@pytest.mark.slow
def test_two_launches_at_once_share_the_device_one_after_the_other(
    store: RunStore, image_folder: Callable[..., Path]
) -> None:
    root = image_folder()
    first = launch.start(experiment(root, epochs=100_000), store.root)
    second = launch.start(experiment(root), store.root)
    wait_for(lambda: (first.state, second.state) == ("running", "queued"))
    wait_for(lambda: second.status().ahead == 1)
    waiting = queue.place(second)
    assert waiting is not None
    assert (waiting.position, waiting.device) == (1, "cpu")
    launch.stop(first)
    wait_for(lambda: (first.state, second.state) == ("stopped", "finished"))
    assert first.status().ended <= second.status().begun


@pytest.mark.slow
def test_a_run_outlives_the_process_that_launched_it(store: RunStore, image_folder: Callable[..., Path]) -> None:
    root = image_folder()
    path = store.root.parent / "experiment.json"
    path.write_text(experiment(root).to_json())
    code = (
        "import os, signal, sys, pathlib\n"
        "from core.specs import Experiment\n"
        "from core.runs import launch\n"
        "os.setpgid(0, 0)\n"
        "run = launch.start(Experiment.from_json(pathlib.Path(sys.argv[1]).read_text()), sys.argv[2])\n"
        "print(run.id, flush=True)\n"
        "os.killpg(0, signal.SIGTERM)\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code, str(path), str(store.root)], capture_output=True, text=True, check=False
    )
    assert answer.returncode == -signal.SIGTERM
    run = Run(store.root / answer.stdout.strip())
    wait_for(lambda: run.state == "finished")


def test_experiment_of_another_version_is_refused(store: RunStore, image_folder: Callable[..., Path]) -> None:
    run = store.create(experiment(image_folder()))
    record = json.loads((run.path / "experiment.json").read_text())
    (run.path / "experiment.json").write_text(json.dumps({**record, "schema": 99}))
    with pytest.raises(InputError, match="schema 99"):
        worker.work(run)
    assert run.state == "failed"


def test_the_best_of_the_first_phase_is_not_mixed_with_the_second(
    store: RunStore, image_folder: Callable[..., Path]
) -> None:
    """Quick epochs stay in memory as a head alone; what the second phase makes of the backbone must not join them."""
    from core.models.network import assemble

    recipe = make_recipe("two-phase", epochs=12, unfreeze_stages="all", weights="none")
    head, tune = recipe.phases
    wild = dataclasses.replace(tune, lr=100.0, optimizer="sgd", epochs=8)
    plan = dataclasses.replace(
        experiment(image_folder(images=20)),
        training=TrainingSpec("two-phase", (head, wild), batch_size=8, device="cpu", precision="fp32"),
        freeze=recipe.freeze,
    )
    run = store.create(plan)
    with pytest.raises(InputError, match="not a number any more"):
        worker.work(run)
    assert 2 <= run.status().best_epoch <= head.epochs
    best, fresh = network_of_run(run), assemble(plan.model, run.classes(), seed=0)
    stem = fresh.anatomy.stages[0].parameter_names[0]
    top = fresh.anatomy.stages[-1].parameter_names[0]
    assert best.model.get_parameter(stem).equal(fresh.model.get_parameter(stem))
    after_one = store.create(
        dataclasses.replace(
            plan,
            training=TrainingSpec(
                "two-phase", (dataclasses.replace(head, epochs=1),), batch_size=8, device="cpu", precision="fp32"
            ),
        )
    )
    worker.work(after_one)
    assert not best.model.get_parameter(top).equal(network_of_run(after_one).model.get_parameter(top))
