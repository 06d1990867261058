"""What is looked at beside a training: health rows and snapshots in the run's folder."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from torch import nn

from core.interpret.attribution import cam
from core.models.anatomy.examine import examine
from core.models.network import Network
from core.runs import Run, RunStore, snapshots
from core.runs.files import read_json, read_lines, write_json
from core.specs import AugmentSpec, DataSpec, Experiment, FreezePlan, ModelSpec, Phase, TrainingSpec
from core.training.features.batch_sources import Material
from core.training.monitoring.kept_looks import KeptLooks
from core.workflows.network_loading import build_network
from core.workflows.trainer_process import snapshot_taker as photography
from core.workflows.trainer_process import worker
from core.workflows.trainer_process.snapshot_taker import SnapshotTaker

Folder = Callable[..., Path]


def experiment(source: Path, *, augment: bool = False, epochs: int = 4) -> Experiment:
    phases = (Phase("all", "plan", epochs, "sgd", lr=0.02),)
    return Experiment(
        DataSpec(str(source)),
        ModelSpec("mnist_cnn", "none"),
        TrainingSpec("custom", phases, 8, 3, "cpu", "fp32", ema=0.9),
        freeze=FreezePlan("all"),
        augment=AugmentSpec.preset("basic" if augment else "none"),
    )


def last_weights(run: Run) -> dict[str, bytes]:
    return {name: value.tobytes() for name, value in load_file(run.path / "last.safetensors").items()}


@pytest.fixture(autouse=True)
def no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photography, "FREE_SECONDS", 1e9)
    monkeypatch.setattr("core.training.monitoring.health_monitor.FREE_SECONDS", 1e9)
    monkeypatch.setattr("core.training.monitoring.health_monitor.PASS_FREE_SECONDS", 1e9)


@pytest.mark.parametrize("augment", [False, True])
def test_a_run_is_watched(tmp_path: Path, image_folder: Folder, augment: bool) -> None:
    run = RunStore(tmp_path / "runs").create(experiment(image_folder(), augment=augment))
    worker.work(run)
    assert snapshots.epochs(run.path) == [1, 2, 3, 4]
    pinned = snapshots.pinned_of(run.path)
    assert pinned is not None
    assert {image.label for image in pinned.images} == {"blue", "red"}
    assert all(image.split == "val" for image in pinned.images)
    rows = {row["key"]: row for row in run.split_rows()}
    assert all(rows[image.key]["label"] == image.label for image in pinned.images)
    pictures = snapshots.pinned_arrays(run.path)["images"]
    found = snapshots.read(run.path, 4)
    assert found.probabilities.shape == (len(pinned.images), 2)
    assert found.probabilities.sum(1) == pytest.approx(1.0)
    assert pictures.shape[0] == len(pinned.images)
    assert len(found.maps) == len(pinned.layers) > 0
    assert found.kernels is not None  # everything learned
    health, _ = read_lines(run.path / "health.jsonl")
    assert [row["epoch"] for row in health] == [1, 2, 3, 4]
    assert "not recorded" not in run.log()


def test_a_snapshot_is_what_a_heatmap_of_its_weights_says(tmp_path: Path, image_folder: Folder) -> None:
    """Snapshots are taken in the averaged weights, which are those on disk."""
    from core.data.images import normalise
    from core.models.network import load_into

    task = experiment(image_folder())
    run = RunStore(tmp_path / "runs").create(task)
    worker.work(run)
    best = run.status().best_epoch
    network = build_network(task.model, run.classes(), seed=3, runs_dir=tmp_path / "runs", roots=None)
    load_into(network.model, run.path / "best.safetensors")
    pinned, found = snapshots.pinned_of(run.path), snapshots.read(run.path, best)
    assert pinned is not None
    pictures = torch.from_numpy(snapshots.pinned_arrays(run.path)["images"]).permute(0, 3, 1, 2)
    for index, image in enumerate(pinned.images):
        x = normalise(pictures[index : index + 1], network.preprocessing)
        target = network.classes.index(image.label)
        alone = cam.layer_pass(network, x, target=target)
        wanted = cam.grad_cam(alone.activations, alone.gradients).numpy()
        assert found.probabilities[index] == pytest.approx(alone.logits[0].softmax(0).numpy(), abs=1e-4)
        assert found.heat is not None
        heat = found.heat[index] / 255 * found.peaks[index]
        assert heat == pytest.approx(wanted, abs=float(found.peaks[index]) / 250 + 1e-6)
    assert found.peaks.max() > 0


def test_watching_changes_no_bit(tmp_path: Path, image_folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    source, store = image_folder(), RunStore(tmp_path / "runs")
    seen, alone = store.create(experiment(source, augment=True)), store.create(experiment(source, augment=True))
    worker.work(seen)

    def fail(*_: object) -> None:
        raise RuntimeError("no pictures here")

    monkeypatch.setattr(photography, "conv_layers", fail)
    monkeypatch.setattr("core.training.monitoring.health_monitor.histogram", fail)
    assert worker.work(alone).state == "finished"
    assert last_weights(seen) == last_weights(alone)
    assert snapshots.epochs(alone.path) == []
    assert alone.log().count("no pictures here") == 2  # once each: snapshots and health
    assert not (alone.path / "health.jsonl").exists()


def test_what_came_after_the_interruption_is_taken_back(tmp_path: Path, image_folder: Folder) -> None:
    run = RunStore(tmp_path / "runs").create(experiment(image_folder()))
    worker.work(run, lambda record: run.request("pause") if record.get("epoch") == 2 else None)
    assert run.state == "paused"
    assert snapshots.epochs(run.path)[-1] == 2
    pinned = (run.path / "snapshots" / "pinned.json").read_text()
    later = (run.path / "snapshots" / "epoch-000002.npz").read_bytes()
    (run.path / "snapshots" / "epoch-000009.npz").write_bytes(later)
    with (run.path / "health.jsonl").open("a") as file:
        file.write('{"epoch": 9, "stages": []}\n')
    status = read_json(run.path / "status.json")
    write_json(run.path / "status.json", {**status, "state": "queued", "launched": time.time(), "pid": None})
    worker.work(run)
    assert snapshots.epochs(run.path) == [1, 2, 3, 4]
    assert [row["epoch"] for row in read_lines(run.path / "health.jsonl")[0]] == [1, 2, 3, 4]
    assert (run.path / "snapshots" / "pinned.json").read_text() == pinned


def test_a_quick_look_is_a_whole_one(tmp_path: Path, tiny_material: tuple[Network, Material]) -> None:
    """While only the last layer learns, what lies before it is looked at once."""
    network, material = tiny_material
    network.model[2][3] = nn.Identity()  # type: ignore[index, operator]
    network.anatomy = examine(network.model, num_classes=2, image_size=network.preprocessing.crop)
    for name, parameter in network.model.named_parameters():
        parameter.requires_grad_(name.startswith("5."))
    quick = SnapshotTaker(tmp_path / "quick", network, material, torch.device("cpu"))
    for folder in ("quick", "whole"):
        (tmp_path / folder).mkdir()
    calls: list[int] = []
    network.model[0].register_forward_hook(lambda *_: calls.append(1))  # type: ignore[index]
    quick.take(1, None)
    with torch.no_grad():
        network.model[5].weight.mul_(-2.0)  # type: ignore[index, union-attr]
    quick.take(2, None)
    assert len(calls) == 1
    SnapshotTaker(tmp_path / "whole", network, material, torch.device("cpu")).take(2, None)
    one, other = (snapshots.read(tmp_path / folder, 2) for folder in ("quick", "whole"))
    assert one.probabilities == pytest.approx(other.probabilities, abs=1e-5)
    assert one.heat is not None
    assert other.heat is not None
    assert np.abs(one.heat.astype(int) - other.heat).max() <= 1
    assert one.peaks == pytest.approx(other.peaks, rel=1e-4)
    assert not np.array_equal(one.probabilities, snapshots.read(tmp_path / "quick", 1).probabilities)
    network.model[1][1].running_mean.add_(0.5)  # type: ignore[index, operator, union-attr]
    quick.take(3, None)  # something before the head has changed, so all is looked at again
    assert len(calls) == 3


def test_what_another_training_saw_of_the_same_frozen_part_is_seen(
    tmp_path: Path, tiny_material: tuple[Network, Material]
) -> None:
    network, material = tiny_material
    network.model[2][3] = nn.Identity()  # type: ignore[index, operator]
    network.anatomy = examine(network.model, num_classes=2, image_size=network.preprocessing.crop)
    for name, parameter in network.model.named_parameters():
        parameter.requires_grad_(name.startswith("5."))
    calls: list[int] = []
    network.model[0].register_forward_hook(lambda *_: calls.append(1))  # type: ignore[index]
    kept = KeptLooks()
    for folder, looks, times in (("first", kept, 1), ("second", kept, 1), ("alone", KeptLooks(), 2)):
        (tmp_path / folder).mkdir()
        SnapshotTaker(tmp_path / folder, network, material, torch.device("cpu"), looks).take(1, None)
        assert len(calls) == times
        with torch.no_grad():
            if folder == "first":
                network.model[5].weight.mul_(-2.0)  # type: ignore[index, union-attr]
    assert snapshots.pinned_of(tmp_path / "second") == snapshots.pinned_of(tmp_path / "alone")
    shared, alone = (snapshots.pinned_arrays(tmp_path / folder) for folder in ("second", "alone"))
    assert all(np.array_equal(shared[name], alone[name]) for name in alone)
    one, other = (snapshots.read(tmp_path / folder, 1) for folder in ("second", "alone"))
    assert one.probabilities == pytest.approx(other.probabilities, abs=1e-5)
    assert all(np.array_equal(a, b) for a, b in zip(one.maps, other.maps, strict=True))
    assert one.ranges == other.ranges
    assert one.heat is not None
    assert other.heat is not None
    assert np.abs(one.heat.astype(int) - other.heat).max() <= 1


def test_wished_images_are_pinned(tmp_path: Path, image_folder: Folder) -> None:
    run = RunStore(tmp_path / "runs").create(experiment(image_folder(), epochs=1))
    source = Path(run.experiment.data.source)
    key = str(sorted((source / "red").iterdir())[-1].relative_to(source))
    snapshots.request_pins(run.path, [key, "not/there.png"])
    worker.work(run)
    pinned = snapshots.pinned_of(run.path)
    assert pinned is not None
    assert [image.key for image in pinned.images] == [key]


def test_first_best_and_last_are_there_when_time_is_short(
    tmp_path: Path, image_folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photography, "FREE_SECONDS", 0.0)
    monkeypatch.setattr(photography, "TIME_SHARE", 0.0)
    run = RunStore(tmp_path / "runs").create(experiment(image_folder(), epochs=12))
    worker.work(run)
    best = run.status().best_epoch
    assert snapshots.epochs(run.path) == sorted({1, best, 12})


def test_modes_gradients_and_chance_are_left_alone(tmp_path: Path, tiny_material: tuple[Network, Material]) -> None:
    network, material = tiny_material
    network.model.train()
    network.model[2].eval()  # type: ignore[index]
    network.model[0].requires_grad_(False)  # type: ignore[index]
    before = [(m.training, [p.requires_grad for p in m.parameters()]) for m in network.model.modules()]
    chance = torch.get_rng_state()
    SnapshotTaker(tmp_path, network, material, torch.device("cpu")).take(1, None)
    assert snapshots.epochs(tmp_path) == [1]
    assert before == [(m.training, [p.requires_grad for p in m.parameters()]) for m in network.model.modules()]
    assert torch.equal(chance, torch.get_rng_state())
    assert all(p.grad is None for p in network.model.parameters())


@pytest.fixture
def tiny_material(image_folder: Folder) -> tuple[Network, Material]:
    from tiny import PREP, tiny

    from core.data.pixel_store import PixelStore
    from core.data.sources import open_dataset
    from core.data.splits import split

    spec = DataSpec(str(image_folder()), val_share=0.25)
    dataset = split(open_dataset(spec.source), spec)
    store = PixelStore(dataset, PREP, max_bytes=10**8)
    positions = (torch.tensor(dataset.positions(name)) for name in ("train", "val"))
    return tiny(), Material(store, *positions)
