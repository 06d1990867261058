"""The program's augmentation: each operation changes the same bits as in training."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from programs import definitions, task

from core.data.augment import Augmenter
from core.data.operations.draws import drawn
from core.models.catalog.catalog import prepared
from core.specs import OPERATIONS, AugmentSpec, Experiment, ModelSpec, Operation, Phase
from core.specs.augmentation import AUGMENT_PRESETS, FILLS
from core.workflows.export.pytorch import operations
from tests.core.workflows.export.test_program import carried_out, same_figures, trained

NET = ModelSpec("resnet18", "none", image_size=48)
SMALL = ModelSpec("emnist_cnn", "none")


def planned(spec: AugmentSpec, net: ModelSpec = SMALL) -> Experiment:
    return task(net, Phase("all", "plan", 2, lr=1e-3), augment=spec)


def of_the_program(spec: AugmentSpec, canvases: torch.Tensor, epoch: int) -> torch.Tensor:
    """What the written program makes of some images."""
    names = definitions(planned(spec, NET))
    settings = operations.settings(spec)
    numbers: Iterator[torch.Tensor] = names["drawn"](epoch, torch.arange(len(canvases)))
    found: torch.Tensor = names["augment"](canvases, numbers, **settings)
    return found


def of_the_training(spec: AugmentSpec, canvases: torch.Tensor, epoch: int) -> torch.Tensor:
    augmenter = Augmenter(spec, 48)
    lots = drawn(3, epoch, np.arange(len(canvases)), augmenter.numbers)
    return augmenter(canvases, lots)


def canvases(count: int = 6) -> torch.Tensor:
    side = prepared(NET).resize
    smooth = torch.rand(count, 3, 6, 6, generator=torch.Generator().manual_seed(0)) * 255
    return torch.nn.functional.interpolate(smooth, size=(side, side), mode="bicubic").clamp(0, 255).byte()


def test_every_operation_is_written() -> None:
    assert set(operations.CHANGES) | {"flip", "vertical-flip", "rotation", "shift", "shear", "zoom"} == set(OPERATIONS)


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_changes_the_same_bits(name: str) -> None:
    spec = AugmentSpec(operations=(Operation(name, 0.8),))
    for epoch in range(2):
        expected = of_the_training(spec, canvases(), epoch)
        assert torch.equal(of_the_program(spec, canvases(), epoch), expected)


@pytest.mark.parametrize("fill", FILLS)
def test_operations_follow_one_another_as_in_training(fill: str) -> None:
    chain = ("flip", "rotation", "zoom", "blur", "shift", "shear", "vertical-flip", "noise", "flip")
    for pick, flip in itertools.product((0, 3), (False, True)):
        spec = AugmentSpec(
            flip=flip,
            crop_scale=0.6,
            color=0.2,
            operations=tuple(Operation(name, 0.7) for name in chain),
            pick=pick,
            fill=fill,
        )
        assert torch.equal(of_the_program(spec, canvases(), 1), of_the_training(spec, canvases(), 1))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in AUGMENT_PRESETS if AugmentSpec.preset(name).operations])
def test_the_program_comes_to_the_same_losses(name: str, tmp_path: Path) -> None:
    run = trained(planned(AugmentSpec.preset(name)))
    same_figures(run, carried_out(run, tmp_path / "elsewhere"))


@pytest.mark.slow
def test_all_operations_together_come_to_the_same_losses(tmp_path: Path) -> None:
    spec = AugmentSpec(flip=True, operations=tuple(Operation(name, 0.5) for name in OPERATIONS), pick=5, fill="white")
    run = trained(planned(spec))
    same_figures(run, carried_out(run, tmp_path / "elsewhere"))
