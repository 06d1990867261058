"""Groups of alike heatmaps: found where they are, not made up where they are not."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import InputError
from core.interpret.explanation_metrics.spray import LEAST, clusters, shrunk


def spots(places: list[tuple[int, int]], each: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Makes maps with a spot near each of these places, and the truth."""
    chance = np.random.default_rng(seed)
    y, x = np.mgrid[:16, :16]
    maps, truth = [], []
    for label, (row, column) in enumerate(places):
        for _ in range(each + 3 * (len(places) - label)):  # groups of different sizes, the first the largest
            dy, dx = chance.normal(0, 0.6, 2)
            spot = np.exp(-((y - row - dy) ** 2 + (x - column - dx) ** 2) / 6)
            maps.append(spot * chance.uniform(0.5, 2) + 0.05 * chance.random((16, 16)))
            truth.append(label)
    return np.array(maps), np.array(truth)


@pytest.mark.parametrize("count", [2, 3])
def test_groups_are_found_with_their_number(count: int) -> None:
    maps, truth = spots([(3, 3), (12, 12), (3, 12)][:count], 20)
    found = clusters(maps)
    assert found.count == count
    assert np.array_equal(found.labels, truth)
    assert (found.eigenvalues[:count] < 0.1).all()
    assert found.places.shape == (len(maps), 2)


def test_one_way_of_deciding_is_one_group() -> None:
    maps, _ = spots([(8, 8)], 40)
    assert clusters(maps).count == 1


def test_few_maps_are_not_divided_and_a_number_can_be_asked_for() -> None:
    maps, _ = spots([(3, 3), (12, 12)], 1)
    few = maps[: LEAST - 1]
    assert clusters(few).count == 1
    assert clusters(np.zeros((0, 16, 16))).count == 0
    many, _ = spots([(8, 8)], 30)
    assert clusters(many, count=3).count == 3
    with pytest.raises(InputError, match="cannot be made"):
        clusters(few, count=50)


def test_shrinking_averages_by_area() -> None:
    heat = np.arange(64, dtype=np.float64).reshape(8, 8)
    assert np.allclose(shrunk(heat, 4), heat.reshape(4, 2, 4, 2).mean((1, 3)))
    assert shrunk(heat[:3, :5], 4).shape == (4, 4)
