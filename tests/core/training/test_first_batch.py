"""What is shown before a training is what it trains on, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import CPU, PREP, experiment, tiny
from torch import Tensor

from core.data.augment import views
from core.data.images import canvas
from core.data.pixel_store import PixelStore
from core.data.sources import open_dataset
from core.data.splits import split
from core.specs import AUGMENT_PRESETS, OPERATIONS, AugmentSpec, DataSpec, FreezePlan, Mix, Operation, Phase
from core.training.features.batch_sources import Material
from core.training.first_batch import first_batch, in_colours
from core.training.loop.trainer import Trainer

SPECS = {name: AugmentSpec.preset(name) for name in AUGMENT_PRESETS} | {
    f"{name} alone": AugmentSpec(operations=(Operation(name, 0.8),)) for name in OPERATIONS
}
SCRATCH = Phase("a", "plan", 2, lr=0.01)


@pytest.mark.parametrize("name", SPECS)
def test_what_the_preview_shows_is_what_the_network_gets(name: str, image_folder: Callable[..., Path]) -> None:
    spec, seed = SPECS[name], 11
    data = DataSpec(str(image_folder(images=7)), val_share=0.25)
    dataset = split(open_dataset(data.source), data)
    order, got = recorded(dataset, spec, seed)
    for epoch in range(2):
        for position, inputs in zip(order[epoch], got[epoch], strict=True):
            square = canvas(dataset.load(position), PREP)
            (shown,) = views(square, spec, PREP.crop, seed=seed, position=position, epochs=[epoch])
            pixels = in_colours(inputs[None], PREP)[0].permute(1, 2, 0)
            assert (np.asarray(shown) == pixels.numpy()).all(), (epoch, position)


def recorded(dataset, spec: AugmentSpec, seed: int) -> tuple[list[list[int]], list[Tensor]]:  # type: ignore[no-untyped-def]
    """Trains for two epochs; returns for each the images' places in order, and what the network was given."""
    train = torch.tensor(dataset.positions("train"))
    store = PixelStore(dataset, PREP, canvas=spec.active, max_bytes=10**8)
    network, seen, places = tiny(), [], []
    network.model.register_forward_pre_hook(
        lambda module, inputs: seen.append(inputs[0].detach().clone()) if module.training else None
    )
    task = experiment(SCRATCH, freeze=FreezePlan("all"), augment=spec, seed=seed)
    material = Material(store, train, torch.tensor(dataset.positions("val")))
    trainer = Trainer(network, material, task, CPU)
    draw = trainer._rng.order
    trainer._rng.order = lambda *train: places.append(found := draw(*train)) or found  # type: ignore[method-assign]
    list(trainer.run())
    count = trainer.images_per_epoch
    together = torch.cat(seen)
    return [place[:count].tolist() for place in places], [together[:count], together[count:]]


@pytest.mark.parametrize("mix", [Mix(), Mix(mixup=0.4), Mix(cutmix=1.0)])
@pytest.mark.parametrize("more", [{}, {"views": 2}, {"sampler": "weighted"}, {"draws": "stream"}])
@pytest.mark.parametrize("name", ["none", "strong", "trivialaugment"])
def test_the_first_batch_is_the_one_that_a_training_begins_with(
    name: str, more: dict[str, Any], mix: Mix, image_folder: Callable[..., Path]
) -> None:
    data = DataSpec(str(image_folder(images=12)), val_share=0.25)
    dataset = split(open_dataset(data.source), data)
    spec = AugmentSpec.preset(name)
    task = experiment(SCRATCH, freeze=FreezePlan("all"), augment=spec, seed=3, mix=mix, batch_size=6, **more)
    store = PixelStore(dataset, PREP, canvas=spec.active, max_bytes=10**8)
    network, seen = tiny(), []
    network.model.register_forward_pre_hook(  # the network is judged before its first step
        lambda module, inputs: seen.append(inputs[0].clone()) if module.training else None
    )
    material = Material(store, torch.tensor(dataset.positions("train")), torch.tensor(dataset.positions("val")))
    next(event for event in Trainer(network, material, task, CPU).run() if seen)
    found = first_batch(dataset, PREP, task)
    assert torch.equal(found.inputs, seen[0])
    assert found.shares.shape == (6, 2)
    assert torch.allclose(found.shares.sum(1), torch.ones(6))
    if not mix.active:
        labels = [dataset.items[position].label for position in found.positions.tolist()]
        assert found.shares.argmax(1).tolist() == labels


def test_normalised_images_come_back_in_their_colours() -> None:
    pixels = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).expand(1, 3, 16, 16)
    from core.data.images import normalise

    assert torch.equal(in_colours(normalise(pixels, PREP), PREP), pixels)
    assert Image.fromarray(in_colours(normalise(pixels, PREP), PREP)[0].permute(1, 2, 0).numpy()).size == (16, 16)
