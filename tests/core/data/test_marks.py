"""Marks: the same pixels every time, where they are said to be, and never cut off by a network's crop."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from core.data.images import fit
from core.data.marks import CORNERS, MARK_KINDS, Mark, planted
from core.errors import InputError
from core.specs import Preprocessing


@pytest.mark.parametrize("corner", CORNERS)
@pytest.mark.parametrize("kind", MARK_KINDS)
@pytest.mark.parametrize("size", [(96, 96), (300, 120), (64, 200)])
def test_only_the_box_changes_and_the_picture_stays(kind: str, corner: str, size: tuple[int, int]) -> None:
    image = Image.effect_noise(size, 80).convert("RGB")
    before = np.array(image)
    mark = Mark(kind, 0.2, corner)
    after = np.array(planted(image, mark))
    changed = (after != before).any(-1)
    assert np.array_equal(np.array(image), before)
    assert changed.any()
    assert not (changed & ~mark.mask(*size)).any()
    assert np.array_equal(after, np.array(planted(image, mark)))
    left, top, right, bottom = mark.box(*size)
    assert right - left == bottom - top == round(0.2 * min(size))
    if kind == "corner":
        assert changed[mark.mask(*size)].mean() > 0.95


@pytest.mark.parametrize("corner", CORNERS)
def test_a_networks_crop_keeps_the_whole_mark(corner: str) -> None:
    picture = planted(Image.new("RGB", (200, 120)), Mark("corner", 0.15, corner))
    seen = np.array(fit(picture, Preprocessing(256, 224)))[..., 0] > 120
    side = 0.15 * 256
    assert seen.sum() == pytest.approx(side**2, rel=0.12)
    assert not seen[[0, -1]].any()
    assert not seen[:, [0, -1]].any()


def test_marks_that_cannot_be() -> None:
    for wrong in ({"kind": "hat"}, {"size": 0.9}, {"corner": "middle"}):
        with pytest.raises(InputError):
            Mark(**wrong)
    with pytest.raises(InputError, match="too small"):
        planted(Image.new("RGB", (4, 40)), Mark())
