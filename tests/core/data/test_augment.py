"""Augmentation: what it may change, and what it must leave alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.data.augment import Augmenter
from core.data.images import canvas, fit
from core.specs import AugmentSpec, Preprocessing
from tests.core.data.conftest import photo

PREP = Preprocessing(72, 64)


def canvases(count: int = 8) -> torch.Tensor:
    """Returns uint8 canvases, count x 3 x 72 x 72, in the memory order of a store."""
    pixels = np.stack([np.asarray(canvas(photo(90, 80, seed), PREP)) for seed in range(count)])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2)


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def augmented(batch: torch.Tensor, seed: int = 0, **spec: object) -> torch.Tensor:
    return Augmenter(AugmentSpec(**spec), 64)(batch, chance(seed))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "spec",
    [{}, {"flip": True}, {"crop_scale": 0.5}, {"rotation": 20.0}, {"color": 0.3}, {"crop_scale": 0.4, "rotation": 9.0}],
)
def test_shape_type_seed_and_input(spec: dict[str, object]) -> None:
    batch = canvases()
    before = batch.clone()
    result = augmented(batch, **spec)
    assert result.shape == (8, 3, 64, 64)
    assert result.dtype == torch.uint8
    assert torch.equal(batch, before)
    assert torch.equal(result, augmented(batch, **spec))
    assert torch.equal(result, augmented(batch.contiguous(), **spec))
    assert not spec or not torch.equal(result, augmented(batch, seed=1, **spec))


def test_nothing_changed_is_what_evaluation_sees() -> None:
    for seed, image in enumerate(augmented(canvases())):
        assert (image.permute(1, 2, 0).numpy() == np.asarray(fit(photo(90, 80, seed), PREP))).all()


def test_about_half_are_mirrored_exactly() -> None:
    batch = canvases(1).expand(400, -1, -1, -1)
    plain = augmented(batch[:1])[0]
    result = augmented(batch, flip=True)
    mirrored = (result == plain.flip(-1)).flatten(1).all(1)
    assert (mirrored | (result == plain).flatten(1).all(1)).all()
    assert 160 < int(mirrored.sum()) < 240


def test_a_crop_shows_a_part_of_the_size_asked_for() -> None:
    ramp = torch.arange(72, dtype=torch.uint8).mul(3)
    across = ramp.expand(200, 1, 72, 72)
    batch = torch.cat([across, across.transpose(2, 3), across], 1)
    result = augmented(batch, crop_scale=0.5).float()
    width = (result[:, 0, 32, -1] - result[:, 0, 32, 0]) / 3 / 72 * 64 / 63
    height = (result[:, 1, -1, 32] - result[:, 1, 0, 32]) / 3 / 72 * 64 / 63
    area, aspect = width * height, width / height
    assert area.min() > 0.42
    assert area.max() < 1.03
    assert area.max() - area.min() > 0.4
    assert aspect.min() > 0.70
    assert aspect.max() < 1.43
    places = result[:, 0, 32, 32]
    assert places.std() > 5


@pytest.mark.parametrize("flip", [False, True])
def test_slices_agree_with_general_resampling(flip: bool) -> None:
    """The quick way of a CPU shows the same views as the affine map of a GPU, up to rounding to whole pixels."""
    batch = canvases()
    augmenter = Augmenter(AugmentSpec(flip=flip, crop_scale=0.6), 64)
    views = augmenter._views(batch, chance())
    sliced = augmenter._sliced(batch, views).float()
    sampled = augmenter._resampled(batch, views).float()
    difference = (sliced - sampled).abs().mean()
    assert difference < 4
    assert difference < 0.1 * (sliced - sliced.roll(1, 0)).abs().mean()


def test_rotation_turns_about_the_centre() -> None:
    batch = torch.zeros(100, 3, 72, 72, dtype=torch.uint8)
    batch[..., 34:38, 34:38] = 255  # stays in the middle
    batch[..., 34:38, 56:60] = 200  # 22 px to the right of it
    result = augmented(batch, rotation=30.0).float()
    assert (result[:, :, 31:33, 31:33] > 200).all()
    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    weight = result[:, 0].clone()
    weight[:, 24:40, 24:40] = 0
    down = (weight * (rows - 31.5)).sum((1, 2)) / weight.sum((1, 2))
    right = (weight * (columns - 31.5)).sum((1, 2)) / weight.sum((1, 2))
    angles = torch.rad2deg(torch.atan2(down, right))
    assert torch.hypot(down, right).sub(22).abs().max() < 1
    assert angles.abs().max() < 31
    assert angles.max() > 20
    assert angles.min() < -20


def test_colours_change_within_their_bounds() -> None:
    batch = canvases(1).expand(200, -1, -1, -1)
    plain = augmented(batch[:1]).float()
    result = augmented(batch, color=0.2).float()
    ratio = result.mean((1, 2, 3)) / plain.mean()
    assert 0.78 < ratio.min() < 0.9
    assert 1.1 < ratio.max() < 1.22
    spread = result.std((2, 3)).mean(1) / plain.std((2, 3)).mean()
    assert spread.min() > 0.5
    assert spread.max() < 1.6
    grey = torch.full((4, 3, 72, 72), 100, dtype=torch.uint8)
    changed = augmented(grey, color=0.5)
    assert (changed == changed[:, :1]).all()


def test_presets() -> None:
    batch = canvases()
    assert torch.equal(Augmenter(AugmentSpec.preset("none"), 64)(batch, chance()), augmented(batch))
    for name in ("basic", "strong"):
        assert Augmenter(AugmentSpec.preset(name), 64)(batch, chance()).shape == (8, 3, 64, 64)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_batch_stays_on_its_device() -> None:
    for name in ("basic", "strong"):
        generator = torch.Generator("cuda").manual_seed(0)
        result = Augmenter(AugmentSpec.preset(name), 64)(canvases().cuda(), generator)
        assert result.device.type == "cuda"
        assert result.dtype == torch.uint8
