"""Training through the app's loop against a plain PyTorch loop, on generated photographs.

    python -m benchmarks.training probe --backbone resnet18
    python -m benchmarks.training last-stage --backbone resnet18
    python -m benchmarks.training full --backbone resnet18
    python -m benchmarks.training overhead --backbone resnet18

The plain loop is the tutorials': ImageFolder, PIL transforms, a DataLoader, ``loss.item()`` at every step. Ours is the
whole way from opening the files: decoding, looking for a cut, choosing the number format, computing features, training
and validating. Both see the same JPEGs (about 500 px, one in five for validation), the same batch, no augmentation. A
plain epoch takes as long as any other, so a round measures one and counts it ``--epochs`` times, without anything that
it does once; then come all epochs of ours. Rounds repeat, and the medians count. Next to wall time stands the ratio
of processor time, which other programs disturb less; with ``--workers 0`` the plain loop's counts all of it. Lightning
and Keras (on torch) do the same as the plain loop where they are installed, see :mod:`benchmarks.peers`.

``overhead`` compares epochs of the loop with epochs of a bare loop over the same tensors, in turn, both in float32,
channels_last and with the same optimizer. Prints one JSON line.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from benchmarks import peers
from benchmarks.timing import options, report
from core.data.images import normalise
from core.data.sources import open_dataset
from core.device import reuse_freed_memory
from core.models import freeze
from core.models.catalog import catalog
from core.models.network import Network, assemble
from core.specs import DataSpec, Experiment, FreezePlan, ModelSpec, Phase, TrainingSpec
from core.training.features.batch_sources import Material
from core.training.loop.events import EpochEnd, PhaseStarted
from core.training.loop.trainer import Trainer
from core.training.optim.optimizers import build_optimizer
from core.workflows.images import decode

CPU = torch.device("cpu")
PLANS = {"probe": FreezePlan(0), "last-stage": FreezePlan(1), "full": FreezePlan("all"), "overhead": FreezePlan("all")}
CLASSES = ("a", "b")
SIDE = 500


def main() -> None:
    """Measures one case and prints."""
    arguments = options(
        __doc__,
        tuple(PLANS),
        backbone="resnet18",
        images=200,
        batch=32,
        epochs=10,
        rounds=3,
        workers=2,
        precision="auto",
    )
    reuse_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BACKBONE_LAB_CACHE"] = f"{folder}/cache"
        draw(Path(folder) / "images", arguments.images)
        measured = overhead(arguments, folder) if arguments.what == "overhead" else against_plain(arguments, folder)
    report("training", **{**vars(arguments), **measured})


def draw(folder: Path, images: int) -> None:
    """Writes smooth random pictures as JPEGs of about the size of photographs, one in five into ``val``."""
    chance = np.random.default_rng(0)
    for number in range(images):
        place = folder / ("val" if number % 5 == 0 else "train") / CLASSES[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        small = Image.fromarray(chance.integers(0, 256, (40, 40, 3), dtype=np.uint8))
        large = np.asarray(small.resize((SIDE + number % 40, SIDE), Image.Resampling.BICUBIC), dtype=np.int16)
        noisy = (large + chance.normal(0, 6, large.shape)).clip(0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(place / f"{number:05d}.jpg", quality=90)


def build(backbone: str) -> Network:
    """Builds the network with a new head; its pretrained weights where they lie ready."""
    weights = "default" if catalog.weights_state(backbone) == "available" else "none"
    return assemble(ModelSpec(backbone, weights), CLASSES, seed=0)


def against_plain(arguments: argparse.Namespace, folder: str) -> dict[str, Any]:
    """Compares whole trainings."""
    images = Path(folder) / "images"
    plain, others = plain_epochs(arguments, images), peer_epochs(arguments, images)
    train = arguments.images - -(-arguments.images // 5)
    for epochs in (plain, *others.values()):
        next(epochs)  # the first epoch warms up
    rows = []
    for turn in range(arguments.rounds):
        spent = time.process_time()
        theirs = next(plain) * arguments.epochs
        cpu = (time.process_time() - spent) * arguments.epochs
        os.environ["BACKBONE_LAB_CACHE"] = f"{folder}/cache{turn}"
        spent = time.process_time()
        row = ours(arguments, images)
        spent = time.process_time() - spent
        more = {f"{name}_seconds": next(epochs) * arguments.epochs for name, epochs in others.items()}
        rows.append({"plain_seconds": theirs, **row, "plain_cpu": cpu, "cpu": spent, **more})
    medians = {
        key: round(statistics.median(row[key] for row in rows), 3) for key in rows[0] if isinstance(rows[0][key], float)
    }
    ratios = [row["plain_seconds"] / row["seconds"] for row in rows]
    steady = [row["plain_seconds"] / arguments.epochs / row["epoch_seconds"] for row in rows]
    return {
        **{key: rows[-1][key] for key in ("chosen", "cut", "cached")},
        "times_plain": round(statistics.median(ratios), 2),
        "times_plain_rounds": [round(ratio, 2) for ratio in ratios],
        "times_plain_cpu": round(statistics.median(row["plain_cpu"] / row["cpu"] for row in rows), 2),
        **{
            f"times_{name}": round(statistics.median(row[f"{name}_seconds"] / row["seconds"] for row in rows), 2)
            for name in others
        },
        "later_epoch_times_plain": round(statistics.median(steady), 2),
        "images_per_second": round(train * arguments.epochs / medians["seconds"], 1),
        "plain_images_per_second": round(train * arguments.epochs / medians["plain_seconds"], 1),
        **medians,
    }


def ours(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Trains from the files to the last epoch."""
    network = build(arguments.backbone)
    spec = DataSpec(str(folder))
    phase = Phase("train", "plan", arguments.epochs, "sgd", lr=1e-3)
    experiment = Experiment(
        spec,
        ModelSpec(arguments.backbone),
        TrainingSpec("custom", (phase,), arguments.batch, device="cpu", precision=arguments.precision),
        freeze=PLANS[arguments.what],
    )
    begin = time.perf_counter()
    images = decode(open_dataset(spec.source), spec, network.preprocessing, canvas=False)
    material = Material(images.store, torch.tensor(images.positions("train")), torch.tensor(images.positions("val")))
    decoded = time.perf_counter()
    epochs, started = [], None
    for event in Trainer(network, material, experiment, CPU).run():
        if isinstance(event, PhaseStarted):
            started, prepared = event, time.perf_counter()
        elif isinstance(event, EpochEnd):
            epochs.append(event.seconds)
    seconds = time.perf_counter() - begin
    images.store.close()
    assert started is not None
    return {
        "seconds": seconds,
        "decode_seconds": decoded - begin,
        "prepare_seconds": prepared - decoded,
        "first_epoch_seconds": epochs[0],
        "epoch_seconds": statistics.median(epochs[1:] or epochs),
        "chosen": started.precision,
        "cut": started.cut,
        "cached": started.cached,
    }


def plain_epochs(arguments: argparse.Namespace, folder: Path) -> Iterator[float]:
    """Trains as the tutorials do, and yields the seconds of each epoch."""
    network = frozen_plainly(arguments)
    model, loaders = network.model, plain_loaders(arguments, folder, network)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1e-3, momentum=0.9)
    while True:
        begin = time.perf_counter()
        for name, loader in loaders.items():
            model.train(name == "train")
            loss_sum, right = 0.0, 0
            for inputs, labels in loader:
                optimizer.zero_grad()
                with torch.set_grad_enabled(name == "train"):
                    logits = model(inputs)
                    loss = F.cross_entropy(logits, labels)
                    if name == "train":
                        loss.backward()
                        optimizer.step()
                loss_sum += loss.item() * len(labels)
                right += int((logits.argmax(1) == labels).sum())
        yield time.perf_counter() - begin


def peer_epochs(arguments: argparse.Namespace, folder: Path) -> dict[str, Iterator[float]]:
    """Returns the same training in other people's software, as far as it is installed: name -> seconds an epoch."""
    found = {}
    for name, epochs in peers.installed(arguments.backbone).items():
        network = frozen_plainly(arguments)
        found[name] = epochs(network, plain_loaders(arguments, folder, network))
    return found


def plain_loaders(arguments: argparse.Namespace, folder: Path, network: Network) -> dict[str, DataLoader[Any]]:
    """Returns the tutorials' loaders of both splits."""
    prep = network.preprocessing
    change = transforms.Compose(
        [
            transforms.Resize(prep.resize),
            transforms.CenterCrop(prep.crop),
            transforms.ToTensor(),
            transforms.Normalize(prep.mean, prep.std),
        ]
    )
    return {
        name: DataLoader(
            ImageFolder(str(folder / name), change),
            batch_size=arguments.batch,
            shuffle=name == "train",
            num_workers=arguments.workers,
        )
        for name in ("train", "val")
    }


def frozen_plainly(arguments: argparse.Namespace) -> Network:
    """Builds the network and sets what learns, as the tutorials do: frozen layers stay in train mode."""
    network = build(arguments.backbone)
    freeze.apply(network.model, network.anatomy, PLANS[arguments.what])
    return network


def overhead(arguments: argparse.Namespace, folder: str) -> dict[str, Any]:
    """Compares epochs of the loop with epochs of a bare loop, in turn."""
    spec = DataSpec(f"{folder}/images")
    network, other = build(arguments.backbone), build(arguments.backbone)
    images = decode(open_dataset(spec.source), spec, network.preprocessing, canvas=False)
    material = Material(images.store, torch.tensor(images.positions("train")), torch.tensor(images.positions("val")))
    phase = Phase("train", "plan", arguments.rounds + 1, "sgd", lr=1e-3)
    experiment = Experiment(
        spec,
        ModelSpec(arguments.backbone),
        TrainingSpec("custom", (phase,), arguments.batch, device="cpu", precision="fp32"),
        freeze=PLANS["overhead"],
    )
    events = Trainer(network, material, experiment, CPU).run()
    bare = bare_epochs(other, material, phase, arguments.batch)

    def loop_epoch() -> float:
        begin = time.perf_counter()
        next(event for event in events if isinstance(event, EpochEnd))
        return time.perf_counter() - begin

    variants: list[Callable[[], float]] = [loop_epoch, lambda: next(bare)]
    rows, processor = [], []
    for turn in range(arguments.rounds + 1):
        found, spent = {}, {}
        for index in (0, 1) if turn % 2 else (1, 0):
            begin = time.process_time()
            found[index] = variants[index]()
            spent[index] = time.process_time() - begin
        if turn:
            rows.append((found[0], found[1]))
            processor.append(spent[0] / spent[1])
    loop, plain = (statistics.median(row[index] for row in rows) for index in (0, 1))
    return {
        "loop_epoch_seconds": round(loop, 4),
        "bare_epoch_seconds": round(plain, 4),
        "overhead": round(statistics.median(row[0] / row[1] for row in rows) - 1, 4),
        "overhead_cpu": round(statistics.median(processor) - 1, 4),
    }


def bare_epochs(network: Network, material: Material, phase: Phase, batch: int) -> Iterator[float]:
    """Trains on the decoded images with nothing around it, and yields the seconds of each epoch."""
    model: nn.Module = network.model.to(memory_format=torch.channels_last)
    prep, store = network.preprocessing, material.store
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    optimizer = build_optimizer(phase, model, network.anatomy)

    def logits(part: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = model(normalise(store.batch(part), prep).contiguous(memory_format=torch.channels_last))
        return found

    while True:
        begin = time.perf_counter()
        model.train()
        for part in material.train[torch.randperm(len(material.train))].split(batch):
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(logits(part), store.labels[part]).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            right = sum((logits(p).argmax(1) == store.labels[p]).sum() for p in material.val.split(batch))
        float(right)
        yield time.perf_counter() - begin


if __name__ == "__main__":
    main()
