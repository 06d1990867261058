"""Pause, kill, change and go on: what an interrupted run comes to is what it would have come to anyway."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from core.errors import InputError, RunMissing
from core.runs import Run, RunStore, launch
from core.runs.files import read_json, read_lines, write_json
from core.specs import AugmentSpec, DataSpec, Experiment, FreezePlan, Mix, ModelSpec, Phase, TrainingSpec
from core.training.checkpoints import checkpoint
from core.workflows.images import reopen
from core.workflows.trainer_process import worker

Folder = Callable[..., Path]


def experiment(source: Path, *, epochs: int = 4, **training: object) -> Experiment:
    phases = (Phase("head", "head", 2, lr=0.01), Phase("all", "plan", epochs, "sgd", lr=0.01, nesterov=True))
    return Experiment(
        DataSpec(str(source)),
        ModelSpec("mnist_cnn", "none"),
        TrainingSpec("custom", phases, 8, 3, "cpu", "fp32", mix=Mix(mixup=0.2), ema=0.9, **training),  # type: ignore[arg-type]
        freeze=FreezePlan("all"),
        augment=AugmentSpec.preset("basic"),
    )


def weights(run: Run, name: str = "last") -> dict[str, bytes]:
    return {key: value.tobytes() for key, value in load_file(run.path / f"{name}.safetensors").items()}


def go_on(run: Run) -> None:
    """Puts a run back into the queue without starting a process for it."""
    status = read_json(run.path / "status.json")
    write_json(run.path / "status.json", {**status, "state": "queued", "launched": time.time(), "pid": None})


def train_here(path: Path) -> None:
    """What the process that is to be killed does."""
    checkpoint.WRITE_EVERY = checkpoint.PATIENCE_SECONDS = 0.0
    worker.work(Run(path))


@pytest.mark.slow
def test_a_run_killed_at_twenty_random_moments_comes_to_the_same_weights(
    tmp_path: Path, image_folder: Folder, processes: ForkServerContext
) -> None:
    source, store = image_folder(images=40), RunStore(tmp_path / "runs")
    whole = store.create(experiment(source, epochs=60))
    worker.work(whole)
    run = store.create(experiment(source, epochs=60))
    moments = random.Random(4)
    kills = 0
    for _ in range(60):
        process = processes.Process(target=train_here, args=(run.path,))
        process.start()
        before = len(run.metrics()[0])
        end = time.monotonic() + 60
        while len(run.metrics()[0]) <= before and process.is_alive() and time.monotonic() < end:
            time.sleep(0.001)
        time.sleep(moments.random() * 0.15)
        if not process.is_alive():
            break
        process.kill()
        process.join()
        kills += 1
        assert run.state in ("interrupted", "queued")
        go_on(run)
        if kills == 20:
            worker.work(run)
            break
    assert kills == 20
    assert run.state == "finished"
    assert weights(run) == weights(whole)
    assert weights(run, "best") == weights(whole, "best")
    ours, theirs = run.metrics()[0], whole.metrics()[0]
    assert [row["epoch"] for row in ours] == list(range(1, 63))
    keys = ("train_loss", "val_loss", "val_accuracy", "val_f1", "lr", "improved")
    assert [[row[key] for key in keys] for row in ours] == [[row[key] for key in keys] for row in theirs]


class Killed(BaseException):
    """What nothing in the trainer foresees."""


@pytest.mark.parametrize("saved", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("epoch", [1, 3])
def test_killed_around_a_checkpoint_every_epoch_is_told_once(
    tmp_path: Path, image_folder: Folder, monkeypatch: pytest.MonkeyPatch, epoch: int, saved: bool
) -> None:
    run = RunStore(tmp_path / "runs").create(experiment(image_folder()))
    genuine, ended = checkpoint.Checkpointer.epoch_end, []

    def die(self: checkpoint.Checkpointer, *, improved: bool) -> None:
        ended.append(improved)
        if len(ended) != epoch or saved:
            genuine(self, improved=improved)
        if len(ended) == epoch:
            raise Killed

    monkeypatch.setattr(checkpoint, "WRITE_EVERY", 0.0)
    monkeypatch.setattr(checkpoint, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(checkpoint.Checkpointer, "epoch_end", die)
    with pytest.raises(Killed):
        worker.work(run)
    go_on(run)
    assert worker.work(run).state == "finished"
    assert [row["epoch"] for row in run.metrics()[0]] == list(range(1, 7))
    assert [row["epoch"] for row in read_lines(run.path / "health.jsonl")[0]] == list(range(1, 7))


def test_a_paused_run_goes_on_and_comes_to_the_same(tmp_path: Path, image_folder: Folder) -> None:
    source, store = image_folder(), RunStore(tmp_path / "runs")
    whole, run = store.create(experiment(source)), store.create(experiment(source))
    worker.work(whole)

    def pause(record: dict[str, object]) -> None:
        if record["event"] == "epochend" and record["epoch"] == 3:
            run.request("pause")
            assert run.state == "pausing"

    assert worker.work(run, pause).state == run.state == "paused"
    assert run.can_resume
    assert run.status().val_accuracy is None
    go_on(run)
    assert worker.work(run).state == "finished"
    assert weights(run) == weights(whole)
    assert not (run.path / "resume.safetensors").exists()
    assert not run.can_resume


def test_a_stopped_run_is_judged_and_can_go_on_all_the_same(tmp_path: Path, image_folder: Folder) -> None:
    source, store = image_folder(), RunStore(tmp_path / "runs")
    whole, run = store.create(experiment(source)), store.create(experiment(source))
    worker.work(whole)
    status = worker.work(run, lambda record: run.request_stop() if record.get("epoch") == 3 else None)
    assert status.state == "stopped"
    assert status.val_accuracy is not None
    go_on(run)
    worker.work(run)
    assert weights(run, "best") == weights(whole, "best")


def test_a_discarded_run_leaves_nothing(tmp_path: Path, image_folder: Folder) -> None:
    run = RunStore(tmp_path / "runs").create(experiment(image_folder()))
    status = worker.work(run, lambda record: run.request("discard") if record.get("epoch") == 2 else None)
    assert status.state == "discarded"
    assert not run.path.exists()
    with pytest.raises(RunMissing):
        run.status()


def test_what_was_changed_live_stands_in_the_record_and_is_repeated(tmp_path: Path, image_folder: Folder) -> None:
    source, store = image_folder(), RunStore(tmp_path / "runs")
    run = store.create(experiment(source))
    wishes = {2: ("rate", 0.5), 3: ("extend", 2.0)}

    def wish(record: dict[str, object]) -> None:
        if record["event"] == "epochend" and record["epoch"] in wishes:
            run.request(*wishes.pop(int(str(record["epoch"]))))

    worker.work(run, wish)
    acts = run.experiment.training.acts
    assert [(act.kind, act.value) for act in acts] == [("rate", 0.5), ("extend", 2.0)]
    assert run.status().epochs == run.status().epochs_done == 8
    assert "asked: extend 2" in run.log()
    again = store.create(run.experiment)
    worker.work(again)
    assert weights(again) == weights(run)
    assert again.experiment == run.experiment


def test_images_that_changed_meanwhile_are_named(tmp_path: Path, image_folder: Folder) -> None:
    source = image_folder()
    run = RunStore(tmp_path / "runs").create(experiment(source))
    worker.work(run, lambda record: run.request("pause") if record.get("epoch") == 2 else None)
    victim = next((source / "red").iterdir())
    pixels = victim.read_bytes()
    victim.unlink()
    go_on(run)
    with pytest.raises(InputError, match="1 are gone"):
        worker.work(run)
    assert run.can_resume
    victim.write_bytes(next((source / "blue").iterdir()).read_bytes())
    go_on(run)
    with pytest.raises(InputError, match="pixels of images"):
        worker.work(run)
    victim.write_bytes(pixels)
    go_on(run)
    assert worker.work(run).state == "finished"


def test_a_folder_that_grows_does_not_matter_to_a_run(tmp_path: Path, image_folder: Folder) -> None:
    """New classes, new images and an unreadable one of before: the run goes on to the weights it would have reached."""
    source = image_folder()
    (source / "red" / "000.png").write_bytes(b"no image")
    store = RunStore(tmp_path / "runs")
    whole = store.create(experiment(source))
    worker.work(whole)
    run = store.create(experiment(source))
    worker.work(run, lambda record: run.request("pause") if record.get("epoch") == 2 else None)
    for name in ("birds", "red"):
        (source / name).mkdir(exist_ok=True)
        for number in range(3):
            picture = next((source / "blue").iterdir()).read_bytes()
            (source / name / f"new-{number}.png").write_bytes(picture)
    go_on(run)
    assert worker.work(run).state == "finished"
    assert weights(run) == weights(whole)
    assert {item.key for item in reopen(run).items} == {row["key"] for row in run.split_rows()}


def test_a_picture_beside_a_wrapper_does_not_hide_a_run_s_images(tmp_path: Path, image_folder: Folder) -> None:
    image_folder("outer/inner")
    source = tmp_path / "data" / "outer"
    run = RunStore(tmp_path / "runs").create(experiment(source))
    worker.work(run)
    (source / "preview.png").write_bytes(next((source / "inner" / "red").iterdir()).read_bytes())
    (source / "other").mkdir()
    assert len(reopen(run)) == len(run.split_rows()) == 24
    assert reopen(run).load(0).size == (48, 48)


def test_a_paused_run_goes_on_without_the_weights_it_began_with(tmp_path: Path, image_folder: Folder) -> None:
    source, store = image_folder(), RunStore(tmp_path / "runs")
    first = store.create(experiment(source, epochs=1))
    worker.work(first)
    start = tmp_path / "start.safetensors"
    start.write_bytes(first.checkpoint.read_bytes())
    plan = replace(experiment(source), model=ModelSpec("mnist_cnn", f"file:{start}"))
    whole = store.create(plan)
    worker.work(whole)
    run = store.create(plan)
    worker.work(run, lambda record: run.request("pause") if record.get("epoch") == 2 else None)
    start.unlink()
    go_on(run)
    assert worker.work(run).state == "finished"
    assert weights(run) == weights(whole)
    assert "without the weights that it began with" in (run.path / "log.txt").read_text()


def test_only_a_run_that_kept_its_state_goes_on(tmp_path: Path, image_folder: Folder) -> None:
    run = RunStore(tmp_path / "runs").create(experiment(image_folder()))
    worker.work(run)
    with pytest.raises(InputError, match="is finished and cannot go on"):
        launch.resume(run)


def test_resume_starts_a_process_that_ends_the_run(tmp_path: Path, image_folder: Folder) -> None:
    run = RunStore(tmp_path / "runs").create(experiment(image_folder()))
    worker.work(run, lambda record: run.request("pause") if record.get("epoch") == 2 else None)
    launch.resume(run)
    assert run.state == "queued"
    end = time.monotonic() + 90
    while run.state not in ("finished", "failed"):
        assert time.monotonic() < end
        time.sleep(0.1)
    assert run.state == "finished", run.log()


def test_a_repetition_computes_in_what_auto_chose(tmp_path: Path, image_folder: Folder) -> None:
    store, source = RunStore(tmp_path / "runs"), image_folder()
    task = experiment(source)
    auto = replace(task, training=replace(task.training, precision="auto"))
    run = store.create(auto)
    worker.work(run)
    chosen = run.experiment.training.precisions
    assert len(chosen) == 2
    other = tuple("bf16" if name == "fp32" else "fp32" for name in chosen)
    told = []
    again = store.create(replace(auto, training=replace(auto.training, precisions=other)))
    worker.work(again, lambda record: told.append(record["precision"]) if record["event"] == "phasestarted" else None)
    assert tuple(told) == other
    assert again.experiment.training.precisions == other
