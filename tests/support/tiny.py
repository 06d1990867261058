"""A network and a recipe small enough to train a hundred times."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from core.models.anatomy.examine import examine
from core.models.network import Network
from core.specs import AugmentSpec, DataSpec, Experiment, FreezePlan, ModelSpec, Phase, Preprocessing, TrainingSpec

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
