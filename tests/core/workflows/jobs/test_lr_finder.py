"""Finding a rate as a job and from the command line: kept, found again, cancelled, refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.cli import main
from core.errors import Cancelled, InputError
from core.runs import launch
from core.runs.job_kinds import JOB_KINDS
from core.runs.jobs import Job, JobStore, latest_job
from core.specs import AugmentSpec, DataSpec, Experiment, FreezePlan, ModelSpec, TrainingSpec
from core.training.recipes import make_recipe
from core.workflows.jobs import job_process, lr_finder
from core.workflows.jobs.lr_finder import rate_request

Folder = Callable[..., Path]


def task(source: Path, preset: str = "full", **training: Any) -> Experiment:
    made = make_recipe(preset, weights="none")
    return Experiment(
        DataSpec(str(source)),
        ModelSpec("mnist_cnn", "none"),
        TrainingSpec(preset, made.phases, 8, device="cpu", **training),
        freeze=made.freeze,
    )


def asked(experiment: Experiment, phase: int = 0) -> Job:
    """Makes the job without a process."""
    return JobStore("rates").create(rate_request(experiment, phase).as_record())


def test_a_job_finds_a_rate_and_is_found_again(image_folder: Folder) -> None:
    experiment = task(image_folder(images=20))
    assert latest_job(rate_request(experiment)) is None
    job = asked(experiment)
    told: list[dict[str, Any]] = []
    status = job_process.work(job, told.append)
    assert status.state == "finished"
    assert status.queue_device == "cpu"
    curve = lr_finder.result(job)
    assert curve is not None
    assert len(curve.rates) == len(curve.losses) > 20
    assert {"reading images", "building the network"} <= {record["doing"] for record in told}
    faster = tuple(replace(phase, lr=0.5, epochs=7) for phase in experiment.training.phases)
    again = replace(experiment, name="x", training=replace(experiment.training, phases=faster))
    assert latest_job(rate_request(again)) == job
    assert latest_job(rate_request(replace(experiment, freeze=FreezePlan(1)))) is None
    with pytest.raises(InputError, match="This job was done before"):
        job_process.work(job)


def test_only_training_images_that_are_needed_are_decoded(
    image_folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.data import pixel_store

    opened: list[str] = []
    fill = pixel_store.PixelStore.fill

    def watched(self: pixel_store.PixelStore, *args: Any, **more: Any) -> Any:
        opened.extend(item.key for item in self.dataset.items)
        return fill(self, *args, **more)

    monkeypatch.setattr(pixel_store.PixelStore, "fill", watched)
    root = image_folder(images=60)
    found = lr_finder.find_now(task(root), steps=20)
    assert len(found.rates) <= 20
    train = 2 * (60 - 12)
    assert len(opened) == train
    opened.clear()
    small = replace(task(root), training=replace(task(root).training, batch_size=2))
    lr_finder.find_now(small, steps=20)
    assert len(opened) == 40


def test_damaged_images_are_left_out_and_a_batch_size_is_found(image_folder: Folder) -> None:
    root = image_folder(images=20)
    next(iter(sorted(root.rglob("*.png")))).write_bytes(b"no image")
    experiment = replace(task(root), augment=AugmentSpec.preset("basic"))
    experiment = replace(experiment, training=replace(experiment.training, batch_size="auto"))
    assert lr_finder.find_now(experiment, steps=20).batch > 1


def test_a_search_that_is_asked_to_stop_ends_without_a_result(image_folder: Folder) -> None:
    job = asked(task(image_folder()))
    (job.path / "control").write_text("stop\n")
    assert job_process.work(job).state == "stopped"
    assert lr_finder.result(job) is None
    with pytest.raises(Cancelled):
        lr_finder.find_now(task(image_folder("others")), stop=lambda: True)


def test_a_failure_is_kept_as_a_sentence(tmp_path: Path) -> None:
    job = asked(task(tmp_path / "nowhere"))
    with pytest.raises(InputError):
        job_process.work(job)
    assert job.state == "failed"
    assert job.status().message_template
    (job.path / "result.json").write_text('{"rates": 3}')
    assert lr_finder.result(job) is None


def test_a_page_starts_a_process_that_queues_with_the_runs(
    image_folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    words: list[tuple[str, ...]] = []
    monkeypatch.setattr(launch, "spawn", lambda _folder, spoken, _roots: words.append(tuple(spoken)))
    experiment = task(image_folder())
    job = launch.start_job(rate_request(experiment))
    assert words == [("job", str(job.path))]
    assert JOB_KINDS["rates"].waits_for == "turn"
    assert latest_job(rate_request(experiment)) == job
    with pytest.raises(InputError, match="no phase"):
        rate_request(experiment, 5)


def test_the_command_line_finds_a_rate(image_folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "lr-find",
        "--data",
        str(image_folder(images=16)),
        "--backbone",
        "mnist_cnn",
        "--weights",
        "none",
        "--steps",
        "40",
        "--device",
        "cpu",
        "--batch-size",
        "8",
        "--quiet",
    ]
    assert main([*words, "--json"]) == 0
    record = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert record["state"] == "finished"
    assert len(record["rates"]) == len(record["smoothed"])
    assert main(words) == 0
    assert "phase train, adamw, batch 8" in capsys.readouterr().out
    assert main([*words, "--phase", "nothing"]) == 2
    assert "no phase nothing" in capsys.readouterr().err
    job = asked(task(image_folder("more", images=16)))
    assert main(["job", str(job.path), "--json", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "finished"
    assert main(["job", "/nowhere/at/all", "--quiet"]) == 2
