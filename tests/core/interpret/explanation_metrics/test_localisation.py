"""From heat to object: thresholds, boxes, shares, and the place of a known object through a network's crop."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.filters import threshold_otsu

from core.data.shapes import draw
from core.errors import InputError
from core.interpret.explanation_metrics import localisation as loc
from core.specs import Preprocessing


def spot(size: int = 20, top: int = 4, left: int = 10, side: int = 5) -> tuple[np.ndarray, np.ndarray]:
    mask = np.zeros((size, size), bool)
    mask[top : top + side, left : left + side] = True
    return np.where(mask, 1.0, 0.1).astype(np.float32), mask


def test_otsu_finds_the_spot_and_its_box() -> None:
    heat, mask = spot()
    found = loc.region(heat)
    assert np.array_equal(found.mask, mask)
    assert found.box == (10, 4, 15, 9)
    assert found.share == pytest.approx(25 / 400)
    assert found.heat == pytest.approx(25 / (25 + 37.5))


def test_otsu_is_scikit_images() -> None:
    heat = np.random.default_rng(0).gamma(2, 1, (40, 40)).astype(np.float32)
    assert np.array_equal(loc.region(heat).mask, heat > threshold_otsu(heat.astype(float)))


@pytest.mark.parametrize("share", [0.05, 0.5, 1.0])
def test_a_share_of_the_peak(share: float) -> None:
    heat, _ = spot()
    assert np.array_equal(loc.region(heat, share).mask, heat >= share)


def test_only_what_speaks_for_the_class_counts() -> None:
    _, mask = spot()
    signed = np.where(mask, 1.0, -5.0)
    assert loc.energy(signed, mask) == 1
    assert np.array_equal(loc.region(signed).mask, mask)
    assert loc.energy(np.full_like(signed, np.nan), mask) == 0


def test_the_largest_part_alone() -> None:
    heat, mask = spot()
    heat[0, 0] = 1.0
    assert loc.region(heat).box == (0, 0, 15, 9)
    assert np.array_equal(loc.region(heat, largest=True).mask, mask)


def test_empty_and_even_maps() -> None:
    empty = loc.region(np.zeros((6, 6)))
    assert (empty.box, empty.share, empty.heat) == (None, 0, 0)
    even = loc.region(np.ones((6, 6)))
    assert even.share == 1
    assert not loc.hits(np.zeros((6, 6)), np.ones((6, 6), bool))
    assert loc.iou(np.zeros((2, 2), bool), np.zeros((2, 2), bool)) == 0


def test_placement_by_hand() -> None:
    heat, mask = spot()
    moved = np.roll(mask, 1, axis=1)
    place = loc.placement(heat, moved)
    assert place.hit
    assert place.iou == pytest.approx(20 / 30)
    assert place.energy == pytest.approx((20 + 0.5) / 62.5, abs=1e-6)
    assert place.area == pytest.approx(25 / 400)
    with pytest.raises(InputError, match="20x20 pixels and the mask 10x20"):
        loc.placement(heat, mask[:10])


def test_the_pointing_game_and_its_tolerance() -> None:
    heat = np.zeros((9, 9))
    heat[0, 0] = 1
    mask = np.zeros((9, 9), bool)
    mask[3, 4] = True
    assert not loc.hits(heat, mask)
    assert loc.hits(heat, mask, tolerance=5)
    assert not loc.hits(heat, mask, tolerance=4)


def test_shares_in_boxes_and_at_the_border() -> None:
    even = np.ones((50, 50))
    assert loc.border_share(even, 0.1) == pytest.approx(0.36)
    assert loc.energy(even, loc.box_mask((0, 0, 0.5, 0.2), (50, 50))) == pytest.approx(0.1)
    for box in ((0.5, 0, 0.5, 1), (-0.1, 0, 1, 1), (0, 0, 1, 1.2)):
        with pytest.raises(InputError, match="is none"):
            loc.box_mask(box, (10, 10))
    for rule in ("median", 0.0, 1.5):
        with pytest.raises(InputError):
            loc.region(even, rule)


def test_the_object_of_shapes_goes_through_resize_and_crop_like_the_picture() -> None:
    prep, checked = Preprocessing(80, 64), 0
    for number in range(12):
        mask = draw(f"circle/{number:04d}", 96, 0)[1]
        assert np.array_equal(mask, draw(f"circle/{number:04d}", 96, 0)[1])
        seen = loc.seen_mask(mask, prep)
        assert seen.shape == (64, 64)
        if seen[[0, -1]].any() or seen[:, [0, -1]].any() or not seen.any():
            continue
        checked += 1  # wholly within the crop: its middle is where scaling and cropping put it
        for axis in (0, 1):
            assert np.nonzero(seen)[axis].mean() == pytest.approx(np.nonzero(mask)[axis].mean() * 80 / 96 - 8, abs=0.6)
        assert seen.sum() == pytest.approx(mask.sum() * (80 / 96) ** 2, rel=0.05)
    assert checked >= 3
