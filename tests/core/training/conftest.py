"""What the tests of the training loop share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tiny import PREP

from core.data.pixel_store import PixelStore
from core.data.sources import open_dataset
from core.data.splits import split
from core.specs import AugmentSpec, DataSpec
from core.training.features.batch_sources import Material


@pytest.fixture
def material(image_folder: Callable[..., Path]) -> Callable[..., Material]:
    def make(augment: AugmentSpec | None = None, images: int = 12, name: str = "colours") -> Material:
        spec = DataSpec(str(image_folder(name, images=images)), val_share=0.25)
        dataset = split(open_dataset(spec.source), spec)
        store = PixelStore(dataset, PREP, canvas=augment is not None, max_bytes=10**8)
        return Material(store, torch.tensor(dataset.positions("train")), torch.tensor(dataset.positions("val")))

    return make
