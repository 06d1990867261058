"""Frozen features under each normalisation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from core.data.images import lost
from core.specs import DataSpec, ModelSpec, Preprocessing
from core.workflows.advisor.normalisations import compare_normalisations


def test_every_normalisation_has_its_own_accuracy(image_folder: Callable[..., Path]) -> None:
    data = DataSpec(str(image_folder("two")))
    spec = ModelSpec("squeezenet1_1", "none", image_size=64, fit="squeeze")
    seen: list[tuple[int, int]] = []
    colours = ((0.4, 0.5, 0.6), (0.1, 0.2, 0.3))
    rows = compare_normalisations(
        data, spec, colours, images_limit=10, progress=lambda _what, done, total: seen.append((done, total))
    )
    assert [row.how for row in rows] == ["weights", "imagenet", "data", "255", "half"]
    assert rows[2].preprocessing.mean == colours[0]
    assert all(row.preprocessing.fit == "squeeze" and row.accuracy is not None for row in rows)
    assert rows[0].preprocessing == rows[1].preprocessing
    assert rows[0].accuracy == rows[1].accuracy
    assert all(done <= total for done, total in seen)


def test_what_a_crop_cuts_off_is_in_pixels_of_the_image() -> None:
    slices = Preprocessing(176, 176)
    assert lost((208, 176), slices) == (16.0, 0.0)
    assert lost((512, 256), Preprocessing(256, 224)) == (144.0, 16.0)
    assert lost((208, 176), slices.fitted("pad")) == (0.0, 0.0)
