"""How many images fit at a time."""

from __future__ import annotations

import pytest
import torch

from core.device import batch_that_fits, memory_free


@pytest.mark.parametrize(
    ("limits", "least", "count"),
    [
        ((), 1, 16),
        (((1000, 10),), 1, 16),
        (((100, 10),), 1, 10),
        (((100, 10), (8e9, 1e9)), 1, 8),
        (((100, 10), (3.9, 2.0)), 1, 1),
        (((5, 10),), 1, 1),
        (((5, 10),), 4, 4),
        (((100, 0),), 1, 16),
        (((0, 0),), 1, 1),
    ],
)
def test_a_batch_fits_all_limits(limits: tuple[tuple[float, float], ...], least: int, count: int) -> None:
    assert batch_that_fits(16, *limits, least=least) == count


def test_some_memory_is_free() -> None:
    assert memory_free(torch.device("cpu")) > 0
