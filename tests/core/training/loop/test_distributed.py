"""Several processes that train one network: the same loss curve as one process with the same batch."""

from __future__ import annotations

import dataclasses
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.multiprocessing
from tiny import CPU, experiment, tiny

from core.specs import SAMPLERS, FreezePlan, LiveChange, Phase, TrainingSpec
from core.training.features.batch_sources import Material
from core.training.loop import epoch_meter
from core.training.loop.batching import EpochBatching
from core.training.loop.distributed import World, joined
from core.training.loop.events import Changed, EpochEnd
from core.training.loop.live_changes import ControlRequest
from core.training.loop.rng_state import RngState
from core.training.loop.trainer import Trainer

TASK = experiment(
    Phase("head", "head", 2, "sgd", lr=0.05),
    Phase("all", "plan", 3, "sgd", lr=0.02),
    freeze=FreezePlan("all"),
    batch_size=6,
    clip=5.0,
)


def curve(trainer: Trainer) -> list[tuple[float, ...]]:
    found = []
    for event in trainer.run():
        if isinstance(event, EpochEnd):
            found.append((event.train_loss, event.train_accuracy, event.val_loss, event.val_accuracy, event.val_f1))
    return found


def member(rank: int, size: int, port: int, folder: Path, material: Material, task: Any) -> None:
    """What each process does."""
    os.environ.update(
        RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(size), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port)
    )
    torch.set_num_threads(1)
    epoch_meter.REPORT_SECONDS, epoch_meter.SYNC_STEPS = 0.0, 2
    calls = iter(range(1000))
    with joined("cpu") as (world, device):
        if task.training.sampler != "shuffle":
            torch.save(again(world, device, material, task), folder / f"again {rank}.pt")
        trainer = Trainer(
            tiny(batch_norm=False),
            material,
            task,
            device,
            world=world,
            poll_requests=lambda: [ControlRequest("rate", 0.5)] if next(calls) == 3 else [],
        )
        rows, acts, states = [], [], []
        for event in trainer.run():
            if isinstance(event, EpochEnd):
                rows.append((event.train_loss, event.train_accuracy, event.val_loss, event.val_accuracy, event.val_f1))
                states.append(trainer.state_dict())
            elif isinstance(event, Changed):
                acts.append(event.act)
    torch.save(
        {
            "rows": rows,
            "acts": [dataclasses.asdict(act) for act in acts],
            "state": states[-1],
            "weights": trainer.network.model.state_dict(),
        },
        folder / f"{rank}.pt",
    )


def again(world: World, device: torch.device, material: Material, task: Any) -> dict[str, list[torch.Tensor]]:
    """Trains through, and in two pieces: the weights of both."""
    weights = {}
    for name in ("through", "in two pieces"):
        network = tiny(batch_norm=False)
        trainer = Trainer(network, material, task, device, world=world)
        for event in trainer.run():
            if name == "in two pieces" and isinstance(event, EpochEnd) and event.epoch == 3:
                state, kept = trainer.state_dict(), network.model.state_dict()
                trainer = Trainer(tiny(batch_norm=False), material, task, device, world=world)
                trainer.network.model.load_state_dict(kept)
                trainer.resume(state)
                list(trainer.run())
                break
        weights[name] = [value.clone() for value in trainer.network.model.state_dict().values()]
    return weights


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("size", [2, 3])
def test_processes_divide_what_a_sampler_drew(sampler: str, size: int) -> None:
    labels = torch.tensor([0] * 29 + [1] * 7 + [2] * 4)
    seen = []
    for rank in range(size):
        chance = RngState(TrainingSpec("custom", TASK.training.phases, sampler=sampler), 3, CPU, World(rank, size))
        order = chance.order(torch.arange(40) + 100, labels)
        seen.append((order, EpochBatching(8, 1, World(rank, size)).micro_batches(order, 1)[0]))
    order = seen[0][0]
    assert all(torch.equal(own, order) for own, _ in seen), "the same draw in all"
    together = torch.cat([torch.cat(found) for _, found in seen])
    assert torch.equal(together.sort().values, order.sort().values), "each place of the draw in one process"


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["shuffle", "oversample"])
def test_two_processes_have_the_loss_curve_of_one(
    sampler: str, material: Callable[..., Material], tmp_path: Path
) -> None:
    images = uneven(material(images=21))
    task = dataclasses.replace(TASK, training=dataclasses.replace(TASK.training, sampler=sampler))
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    torch.multiprocessing.spawn(member, (2, port, tmp_path, plain(images), task), nprocs=2)
    told = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    assert told[0]["rows"] == told[1]["rows"]
    for name, value in told[0]["weights"].items():
        assert torch.equal(value, told[1]["weights"][name]), name
    assert len(told[0]["state"]["chances"]) == 2
    assert len(told[0]["acts"]) == 1, "what the first process was asked, both do"
    acts = tuple(LiveChange(**act) for act in told[1]["acts"])
    alone = dataclasses.replace(task, training=dataclasses.replace(task.training, acts=acts))
    expected = curve(Trainer(tiny(batch_norm=False), images, alone, CPU))
    assert len(expected) == 5
    for ours, theirs in zip(told[0]["rows"], expected, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-6)
    if sampler != "shuffle":
        weights = torch.load(tmp_path / "again 0.pt", weights_only=True)
        assert all(map(torch.equal, weights["through"], weights["in two pieces"])), "goes on exactly"


def uneven(material: Material) -> Material:
    """The material with a third of the training images of the first class."""
    labels = torch.as_tensor(material.store.labels)[material.train]
    first = material.train[labels == 0]
    return Material(material.store, torch.cat([first[::3], material.train[labels != 0]]), material.val)


def plain(material: Material) -> Material:
    """The material in a form that goes to another process: images as one tensor."""
    return Material(Pixels(material), material.train, material.val)  # type: ignore[arg-type]


class Pixels:
    """A store that goes to another process."""

    def __init__(self, material: Material) -> None:
        everything = torch.arange(len(material.store))
        self.labels, self.canvas, self.side = material.store.labels, False, material.store.side
        self.pixels = material.store.batch(everything).clone()

    def batch(self, positions: Any) -> torch.Tensor:
        return self.pixels[torch.as_tensor(positions)]

    def fingerprint_of(self, positions: Any) -> None:  # noqa: ARG002
        return None
