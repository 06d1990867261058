"""Resampling: the same places and pixels as torch's own functions, by quicker ways."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from core.data.operations.resampling import as_bytes, as_levels, by_image, flipped, grid_of, resampled
from tests.core.data.test_augment import canvases

MAPS = torch.randn(5, 2, 3, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("size", [1, 2, 31, 64])
def test_the_grid_is_affine_grids(size: int) -> None:
    wanted = F.affine_grid(MAPS, [5, 3, size, size], align_corners=False)
    assert torch.allclose(grid_of(MAPS, size), wanted, atol=1e-6)


@pytest.mark.parametrize("beyond", ["reflection", "border", "zeros"])
@pytest.mark.parametrize("white", [0.0, 255.0])
def test_pixels_are_those_of_grid_sample(beyond: str, white: float) -> None:
    batch = canvases(5)
    grid = F.affine_grid(MAPS, [5, 3, 40, 40], align_corners=False)
    wanted = F.grid_sample(batch.double() - white, grid.double(), padding_mode=beyond, align_corners=False) + white
    for some in (batch, batch.contiguous()):
        found = resampled(some, MAPS, 40, beyond, white)
        assert found.dtype == torch.uint8
        assert (found - wanted).abs().max() < 0.52


def test_levels_and_bytes() -> None:
    batch = canvases(2)
    for planes in (False, True):
        levels = as_levels(batch, planes=planes)
        assert torch.equal(levels, batch.float())
        assert levels.is_contiguous() == planes
    values = torch.tensor([-7.0, -0.4, 0.5, 1.5, 1.6, 254.6, 255.4, 900.0])
    assert as_bytes(values).tolist() == [0, 0, 0, 2, 2, 255, 255, 255]


def test_images_are_changed_one_by_one_with_what_belongs_to_them() -> None:
    batch, asked = canvases(3), []

    def change(images: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        asked.append(len(images))
        return images + values.view(-1, 1, 1, 1)

    found = by_image(change, batch, torch.tensor([1, 2, 3], dtype=torch.uint8))
    assert asked == [1, 1, 1]
    assert torch.equal(found, torch.stack([image + by for by, image in enumerate(batch, 1)]))


def test_only_those_that_are_named_are_flipped() -> None:
    batch = canvases(3)
    found = flipped(batch, torch.tensor([True, False, True]), -2)
    assert torch.equal(found, torch.stack([batch[0].flip(-2), batch[1], batch[2].flip(-2)]))
    assert torch.equal(batch, canvases(3))
