"""A network and a recipe small enough to train a hundred times."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from core.models.anatomy.examine import examine
from core.models.network import Network
from core.specs import AugmentSpec, DataSpec, Experiment, FreezePlan, ModelSpec, Phase, Preprocessing, TrainingSpec
from core.training.features.batch_sources import Material
from core.training.loop.events import EpochEnd, Event
from core.training.loop.trainer import Trainer

CPU = torch.device("cpu")
PREP = Preprocessing(36, 32)


def block(width_in: int, width_out: int, *, batch_norm: bool = True) -> nn.Sequential:
    norm = nn.BatchNorm2d(width_out) if batch_norm else nn.GroupNorm(2, width_out)
    return nn.Sequential(nn.Conv2d(width_in, width_out, 3, padding=1, bias=False), norm, nn.ReLU(), nn.MaxPool2d(2))


def tiny(classes: int = 2, *, batch_norm: bool = True) -> Network:
    """Three stages, normalised by batch or by image, with a linear head."""
    torch.manual_seed(0)
    widths = ((3, 4), (4, 8), (8, 8))
    blocks = [block(before, after, batch_norm=batch_norm) for before, after in widths]
    model = nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, classes))
    anatomy = examine(model, num_classes=classes, image_size=PREP.crop)
    return Network(model.eval(), anatomy, PREP, ("blue", "red")[:classes], "tiny")


def experiment(
    *phases: Phase,
    freeze: FreezePlan | None = None,
    batch_size: int = 4,
    augment: AugmentSpec | None = None,
    **more: Any,
) -> Experiment:
    return Experiment(
        DataSpec("unused"),
        ModelSpec("tiny", "none"),
        TrainingSpec("two-phase", phases, batch_size=batch_size, device="cpu", precision="fp32", **more),
        freeze=freeze or FreezePlan(),
        augment=augment or AugmentSpec(),
    )


HEAD = Phase("head", "head", 3, lr=0.05)
PLAN = Phase("fine-tune", "plan", 2, lr=0.01)


def plain() -> Network:
    """A network without normalisation, in which each image is alone."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 6, 5, stride=2),
        nn.ReLU(),
        nn.Conv2d(6, 8, 3, stride=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 2),
    )
    anatomy = examine(model, num_classes=2, image_size=PREP.crop)
    return Network(model.eval(), anatomy, PREP, ("blue", "red"), "plain")


def run(network: Network, material: Material, task: Experiment) -> list[Event]:
    return list(Trainer(network, material, task, CPU).run())


def weights(network: Network) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.model.state_dict().items()}


def epochs(events: list[Event]) -> list[EpochEnd]:
    return [event for event in events if isinstance(event, EpochEnd)]


def close(one: Network, other: Network, **tolerance: float) -> None:
    for (name, value), theirs in zip(one.model.state_dict().items(), other.model.state_dict().values(), strict=True):
        torch.testing.assert_close(value, theirs, msg=name, **(tolerance or {"rtol": 1e-4, "atol": 1e-6}))


# ---------------------------------------------------------------- accumulation, clipping, averages, mixing
