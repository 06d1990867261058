"""Near pictures among many: what the components sort out is what comparing all in full would."""

from __future__ import annotations

import numpy as np
import pytest

from core.data.scan.likeness import Pairs
from core.workflows.data_check import copies as copies_module
from core.workflows.data_check import neighbours
from core.workflows.data_check.copies import copies, forest, joining, limits_of
from core.workflows.data_check.neighbours import near_parts

Found = set[tuple[int, int]]


def spread(count: int, width: int = 320, seed: int = 0, copied: int = 40) -> np.ndarray:
    """Features whose energy falls as that of photographs does, some of them copied with more or less noise."""
    chance = np.random.default_rng(seed)
    found = chance.normal(size=(count, width)) / np.sqrt(np.arange(1, width + 1)) + 0.08
    found[:copied] = found[-copied:] + np.linspace(0.01, 0.16, copied)[:, None] * chance.normal(size=(copied, width))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def ends(pairs: Pairs) -> Found:
    return set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))


def both(features: np.ndarray, least: float, monkeypatch: pytest.MonkeyPatch) -> tuple[Pairs, Pairs]:
    full = Pairs.of(list(near_parts(features, least, 0.27)))
    monkeypatch.setattr(neighbours, "FEW", 10)
    monkeypatch.setattr(neighbours, "_ROWS", 64)
    monkeypatch.setattr(neighbours, "_COLUMNS", 256)
    return full, Pairs.of(list(near_parts(features, least, 0.27)))


@pytest.mark.parametrize("seed", range(3))
def test_components_lose_no_pair_above_the_limit_and_hardly_a_nearest_one(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    full, quick = both(spread(1500, seed=seed), 0.85, monkeypatch)
    above = {pair for pair, likeness in zip(sorted(ends(full)), full.likeness, strict=True) if likeness >= 0.85}
    assert len(above) >= 20
    assert above <= ends(quick)
    assert len(ends(full) & ends(quick)) >= 0.99 * len(ends(full))
    assert len(ends(quick) - ends(full)) <= 0.01 * len(ends(full))


def test_where_all_are_near_all_are_compared_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = np.random.default_rng(0)
    near = np.ones((400, 160)) + 0.3 * chance.normal(size=(400, 160))
    near = (near / np.linalg.norm(near, axis=1, keepdims=True)).astype(np.float32)
    full, quick = both(near, 0.93, monkeypatch)
    assert len(ends(full)) > 1000
    assert {pair for pair, s in zip(sorted(ends(full)), full.likeness, strict=True) if s >= 0.93} <= ends(quick)


def test_few_pairs_are_held_and_join_what_all_of_them_do(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = np.random.default_rng(2)
    pattern = chance.integers(0, 256, (12, 8, 8)).repeat(4, axis=1).repeat(4, axis=2)
    thumbs = np.clip(pattern.repeat(9, axis=0) + chance.normal(0, 12, (108, 32, 32)), 0, 255).astype(np.uint8)
    labels, sizes = np.arange(108) % 2, np.full((108, 2), 64)
    limits = limits_of(thumbs, None, labels)
    wanted = forest(copies(thumbs, None, labels, limits, sizes=sizes, least=-0.4), 108)
    monkeypatch.setattr(copies_module, "_HELD", 20)
    found = joining(thumbs, None, labels, limits, sizes, -0.4)
    assert len(wanted.first) == 108 - 12
    assert np.allclose(np.sort(found.likeness), np.sort(wanted.likeness))
